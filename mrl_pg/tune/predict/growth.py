"""How many more candidates the whole table needs than a sample of it."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from mrl_pg.kinds import Stored
from mrl_pg.recall.curve import Curve

GROWTH = 0.15
"""The default exponent of `grown`, measured on sentences of arXiv abstracts."""

LEVELS = (0.9, 0.95, 0.975, 0.99)
"""The recalls at which `measured` compares the needed candidates."""

TENTH_ROWS = 10_000
"""About the most rows in the part of a sample that `measured` compares with the whole
sample: 61 MB for 1536 dimensions."""

FEWEST_ROWS = 1000
"""The fewest rows in that part, because fewer rows predict little."""

FEWEST_TIMES = 4
"""The sample has at least this many times the rows of that part."""

FEWEST_NEEDS = 3
"""The fewest pairs of needed candidates that give an exponent."""

Growth = Mapping[Stored, float]


def grown(candidates: int, k: int, share: float, growth: float = GROWTH) -> int:
    """The candidates that the whole table needs if a sample of it needs `candidates`.

    Each tenfold of rows multiplies them by (candidates / k) ** growth. `share` is the
    sample's share of the rows. See benchmarks/tune_rows.py.
    """
    more: float = (candidates / k) ** (-growth * math.log10(share))
    return math.ceil(candidates * more)


def measured(
    fewer: Sequence[Curve], curves: Sequence[Curve], tenfolds: float, k: int
) -> dict[Stored, float]:
    """The exponents of `grown`, for floats and for bits, between two samples.

    `fewer` are the curves of a part of the rows, and `curves` those of all rows.
    `tenfolds` is the base-10 logarithm of the ratio of all rows to the part. Fits one
    exponent (0 to 1) across all sizes and LEVELS, because each value alone is noisy.
    Leaves out floats or bits with fewer than FEWEST_NEEDS data points.
    """
    exponents: dict[Stored, float] = {}
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
            exponents[stored] = min(max(fitted, 0.0), 1.0)
    return exponents
