"""Points of recall and rate, and how two fronts compare at the same recall."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from mrl_pg.recall.score import Recall

Pair = tuple[float, float]
"""A recall and a rate."""


@dataclass(frozen=True, slots=True, order=True)
class BenchEffort:
    """How hard a search looks: rows that it walks over, and rows it reads in full.

    A search in one pass reads none a second time, so its `read` is 0.
    """

    walked: int
    read: int = 0

    def __str__(self) -> str:
        """`ef 200`, or `320, 80 read`."""
        return f"{self.walked}, {self.read} read" if self.read else f"ef {self.walked}"


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of some rounds, and the lowest and the highest of them."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """The spread of at least one value."""
        return cls(statistics.median(values), min(values), max(values))

    def __str__(self) -> str:
        """`2.41 (2.30 to 2.55)`."""
        return f"{self.median:.2f} ({self.low:.2f} to {self.high:.2f})"


@dataclass(frozen=True, slots=True)
class FrontPoint:
    """One effort: what it finds, and its searches per second in each round.

    The milliseconds are of all rounds together. `warm` says whether two windows before
    the first round agreed; `scanned` whether the server used the index of this search,
    and None for a search outside the server.
    """

    effort: BenchEffort
    recall: Recall
    rates: tuple[float, ...]
    p50_ms: float
    p95_ms: float
    p99_ms: float
    warm: bool
    scanned: bool | None = None

    @property
    def rate(self) -> Spread:
        """Searches per second."""
        return Spread.of(self.rates)


def on_front(pairs: Sequence[Pair], slack: float = 0.0) -> list[bool]:
    """Which pairs no other pair beats in both recall and rate.

    With a `slack` of 0.2, a pair stays unless another is also a fifth faster.
    """
    return [
        not any(
            (other_recall > recall or (other_recall == recall and other > rate))
            and other > rate * (1 + slack)
            for other_recall, other in pairs
        )
        for recall, rate in pairs
    ]


def rate_at(pairs: Sequence[Pair], target: float) -> float | None:
    """The rate at a recall, on the line between two points of the front (log rate).

    A target below every point gets the rate of the fastest point, and a target above
    every point None: nothing is extrapolated.
    """
    kept = zip(pairs, on_front(pairs), strict=True)
    front = sorted({pair for pair, stays in kept if stays})
    above = [rate for recall, rate in front if recall >= target]
    if not above:
        return None
    best = max(above)
    for (low, fast), (high, slow) in pairwise(front):
        if low < target <= high:
            part = (target - low) / (high - low)
            between = (1 - part) * math.log(fast) + part * math.log(slow)
            best = max(best, math.exp(between))
    return best


def rates_at(points: Sequence[FrontPoint], target: float) -> tuple[float, ...] | None:
    """The rate at a recall in each round; None if no point reaches the recall."""
    if not points:
        return None
    rounds = min(len(point.rates) for point in points)
    found = [
        rate_at([(point.recall.mean, point.rates[i]) for point in points], target)
        for i in range(rounds)
    ]
    known = [rate for rate in found if rate is not None]
    return tuple(known) if known else None


def ratio_at(
    first: Sequence[FrontPoint], second: Sequence[FrontPoint], target: float
) -> Spread | None:
    """How many times faster the first front is at a recall, round by round."""
    one, other = rates_at(first, target), rates_at(second, target)
    if one is None or other is None:
        return None
    return Spread.of([a / b for a, b in zip(one, other, strict=False)])


def cheapest(points: Sequence[FrontPoint], target: float) -> FrontPoint | None:
    """The fastest point that reaches a recall; None if none does."""
    able = [point for point in points if point.recall.mean >= target]
    return max(able, key=lambda point: point.rate.median, default=None)
