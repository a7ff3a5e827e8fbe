"""Recall: the true nearest rows, the share that an answer holds, and an interval."""
