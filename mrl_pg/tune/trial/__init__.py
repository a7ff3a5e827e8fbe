"""Trials on a copy of the rows: what could win is built and measured."""
