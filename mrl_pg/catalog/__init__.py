"""Facts about a table: their values, how they are read, and what is refused."""
