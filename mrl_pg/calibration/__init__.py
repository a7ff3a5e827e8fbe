"""Measured recall: calibrations, recall on demand, real queries."""
