"""Notes that are found by their meaning."""
