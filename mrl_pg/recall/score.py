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

FAILED = 0.65
"""Part of a query that finds nothing, which a bound adds to those measured. With it,
the bound of recalls of 0 and 1 is that of Clopper and Pearson (1934)."""


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


def summarise(
    recalls: Sequence[float], weights: Sequence[float] | None = None
) -> Recall:
    """Mean recall with an interval, neither end of which falls if a query finds more.

    `weights` say what each query counts, by default 1.
    """
    shares = np.asarray(recalls, dtype=np.float64)
    counts = np.ones(len(shares)) if weights is None else np.asarray(weights, float)
    mean = float(np.sum(shares * counts) / np.sum(counts))
    # rounding must not put the mean outside the interval
    low = min(mean, lower_bound(shares, counts))
    high = max(mean, 1 - lower_bound(1 - shares, counts))
    return Recall(mean, low, high, len(shares))


def lower_bound(
    recalls: NDArray[np.floating], weights: NDArray[np.floating], z: float = Z95
) -> float:
    """The lower bound of a mean recall; `mrl._lower_bound` explains it."""
    shares, places = np.unique(recalls, return_inverse=True)
    tally = np.bincount(places, weights)
    size = float(np.sum(tally) ** 2 / np.sum(np.square(weights)))
    sizes = tally * size / np.sum(tally)
    if not np.any(shares[sizes > 0] > 0):
        return 0.0
    # numbers of Python, because NumPy takes longer for a call than for so few of them
    found = list(zip(shares.tolist(), sizes.tolist(), strict=True))
    least, most = -40.0, 60.0
    for _ in range(44):
        tilt = math.exp((least + most) / 2)
        part = FAILED + sum(n / (1 + tilt * share) for share, n in found)
        ratio = sum(n * math.log(1 + tilt * share) for share, n in found)
        ratio += (size + FAILED) * math.log(part / (size + FAILED))
        if ratio < z * z / 2:
            least = (least + most) / 2
        else:
            most = (least + most) / 2
    return float(sum(n * share / (1 + tilt * share) for share, n in found) / part)
