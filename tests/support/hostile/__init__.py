"""Inputs that nobody should send, drawn by seed, and what became of each.

`tests/test_fuzz.py` runs some hundreds, `benchmarks/fuzz.py` as many as are asked for.
"""
