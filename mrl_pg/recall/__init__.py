"""Recall: the exact truth, how much of it an answer holds, and how sure that is."""
