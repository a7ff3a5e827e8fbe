"""The recommendation: a setting, the reasons, and the commands that make the index."""
