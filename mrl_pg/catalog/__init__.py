"""What the server says about a table: values, reading them, what is refused."""
