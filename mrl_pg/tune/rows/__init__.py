"""The one pass over the rows: exact answers, and the rows that each size finds."""
