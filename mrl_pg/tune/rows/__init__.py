"""One pass over the rows: reading them, exact answers, what each size finds."""
