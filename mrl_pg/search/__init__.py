"""One search: what is asked, how hard it looks, its statement, its answers."""
