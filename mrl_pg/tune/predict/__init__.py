"""Predictions for the whole table: candidates, sizes and times. Builds nothing."""
