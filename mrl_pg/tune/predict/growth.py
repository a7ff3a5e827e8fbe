"""How many more candidates the whole table needs than a sample of it."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from mrl_pg.kinds import Stored
from mrl_pg.recall.curve import Curve

GROWTH = 0.15
"""The exponent of `grown` where nothing was measured: sentences of arXiv abstracts."""

LEVELS = (0.9, 0.95, 0.975, 0.99)
"""Recalls whose needed candidates are compared."""

TENTH_ROWS = 10_000
"""Rows of a sample, at most, that are looked at once more by themselves: 61 MB of 1536
dimensions."""

FEWEST_ROWS = 1000
"""Fewer say little about many more."""

FEWEST_TIMES = 4
"""Times as many rows as that part has, at least."""

FEWEST_NEEDS = 3
"""Pairs of needs that an exponent is worked out from, at least."""

Growth = Mapping[Stored, float]


def grown(candidates: int, k: int, share: float, growth: float = GROWTH) -> int:
    """Candidates for the whole table when a sample of it needed so many.

    By (candidates / k) ** growth for each tenfold of rows: benchmarks/tune_rows.py.
    """
    more: float = (candidates / k) ** (-growth * math.log10(share))
    return math.ceil(candidates * more)


def measured(
    fewer: Sequence[Curve], curves: Sequence[Curve], tenfolds: float, k: int
) -> dict[Stored, float]:
    """The exponents of `grown`, for floats and for bits, between two samples.

    `fewer` are the curves of a part of the rows, `tenfolds` the logarithm of how many
    times as many `curves` have. One exponent fits all sizes and LEVELS, as one need
    alone rests on a few neighbours. From 0 to 1; none where too few needs are known.
    """
    found: dict[Stored, float] = {}
    for stored in ("floats", "bits"):
        spread, more = [], []
        for small, large in zip(fewer, curves, strict=True):
            for level in LEVELS if small.stored == stored else ():
                before = small.candidates_for(level)
                after = large.candidates_for(level)
                if before and after and after > 1.5 * k:
                    spread.append(tenfolds * math.log(after / k))
                    more.append(math.log(after / before))
        if len(spread) >= FEWEST_NEEDS:
            fitted = float(np.dot(spread, more) / np.dot(spread, spread))
            found[stored] = min(max(fitted, 0.0), 1.0)
    return found
