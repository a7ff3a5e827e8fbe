"""What a measurement on rows promises: less than it found, as rows are easy to find.

A row is a node of the graph, and has rows like it. The fewer misses are allowed, the
more of them real queries have for each miss of rows. docs/measured/recall.md says how
the figures were chosen. `mrl._supported` does the same in SQL.
"""

import math

from mrl_pg.search.promise import Basis

FACTOR, POWER = 0.8, 1.2
"""Rows may miss FACTOR * (1 - recall) ** POWER where 1 - recall is allowed."""

FARTHEST = 1.5
"""Rows so far away as an answer may miss so many times what may be missed.

A search that looks how far away its answer is needs no other margin: see `mrl._steps`.
"""

FIRST_QUANTILE = 16
"""The first search is for the nearest 80 % of the rows: which of 21 quantiles."""

LEAST_EF_SEARCH = 80
"""With a smaller `ef_search`, the graph misses more of real queries than of rows."""


def misses_of_rows(recall: float) -> float:
    """The share of answers that rows may miss where a recall is asked for."""
    return float(FACTOR * (1 - recall) ** POWER)


def supported(basis: Basis, missed: float) -> float:
    """The most recall that may be asked for, where queries missed so large a share."""
    if basis in ("queries", "distances"):
        return 1 - missed
    if basis == "unlike":
        return -math.inf
    # rounding must not make it negative
    return float(1 - (max(missed, 0) / FACTOR) ** (1 / POWER))


def least_ef_search(basis: Basis) -> int:
    """The smallest `ef_search` of a promise."""
    return 1 if basis == "queries" else LEAST_EF_SEARCH
