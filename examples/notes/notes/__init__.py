"""Notes that are found by what they mean."""
