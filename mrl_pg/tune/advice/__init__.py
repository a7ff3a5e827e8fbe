"""The recommendation: one setting, why, and the commands that make it."""
