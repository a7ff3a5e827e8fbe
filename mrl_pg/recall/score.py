"""The share of the true nearest rows that answers hold, with an interval."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TOLERANCE = 1e-5
"""Distances that differ by less tie, because single-precision sums are inexact."""

Z95 = 1.959964
"""The standard normal quantile of a two-sided 95 % interval."""


@dataclass(frozen=True, slots=True)
class Recall:
    """Mean recall over `queries` queries, with a 95 % interval from `low` to `high`."""

    mean: float
    low: float
    high: float
    queries: int

    def __str__(self) -> str:
        """`.973 (.958 to .983)`."""
        mean, low, high = (three_digits(x) for x in (self.mean, self.low, self.high))
        return f"{mean} ({low} to {high})"


def three_digits(share: float) -> str:
    """`.973`, and `1.000`."""
    return f"{share:.3f}".removeprefix("0")


def recall_at_k(
    found: Sequence[float], truth: NDArray[np.floating], tolerance: float = TOLERANCE
) -> float:
    """Share of the true top k that the answers hold, for one query.

    A row counts if it is as near as the k-th true row, so it does not matter which of
    the tied rows an answer holds (ann-benchmarks does the same). `found` are the exact
    distances of different rows. `truth` are the k smallest distances, ascending.
    """
    k = len(truth)
    if k == 0:
        return 1.0
    edge = float(truth[-1]) + tolerance
    return min(k, sum(distance <= edge for distance in found)) / k


def summarise(recalls: Sequence[float], k: int) -> Recall:
    """Mean recall with Wilson's interval (Wilson 1927), adapted to groups of answers.

    The k answers of a query often fail together, so the sample size per query is
    p (1 - p) / variance of the queries' recalls, at least 1 and at most k.
    """
    n = len(recalls)
    p = float(np.mean(recalls))
    spread = float(np.var(recalls, ddof=1)) if n > 1 else 0.0
    size = n * p * (1 - p) / spread if spread > 0 else float(n)
    size = min(max(size, float(n)), float(n * k))
    z2 = Z95**2 / size
    centre = (p + z2 / 2) / (1 + z2)
    reach = Z95 * math.sqrt(p * (1 - p) / size + z2 / (4 * size)) / (1 + z2)
    # rounding must not put the mean outside the interval
    low, high = min(p, centre - reach), max(p, centre + reach)
    return Recall(p, max(0.0, low), min(1.0, high), n)
