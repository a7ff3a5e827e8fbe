"""Inputs that nobody should send, drawn by seed, and the outcome of each.

`tests/test_fuzz.py` runs some hundreds, `benchmarks/fuzz.py` as many as you ask for.
"""
