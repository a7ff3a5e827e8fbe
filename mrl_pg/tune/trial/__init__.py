"""Trials: builds and measures the options that could win, on a copy of the rows."""
