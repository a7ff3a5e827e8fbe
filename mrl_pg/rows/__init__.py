"""Rows by key: written, deleted and read, with their vectors."""
