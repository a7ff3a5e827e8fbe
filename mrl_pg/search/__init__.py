"""One search: its options, its effort, its statement and its answers."""
