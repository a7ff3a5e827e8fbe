"""What is sent to a server, and how each driver sends it."""
