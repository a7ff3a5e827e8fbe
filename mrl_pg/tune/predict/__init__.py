"""Predictions for the whole table: candidates, sizes, times; nothing is built."""
