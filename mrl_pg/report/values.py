"""What a page shows of a result, worked out once for plots, tables and words."""

from collections.abc import Sequence
from dataclasses import dataclass

from mrl_pg.kinds import KINDS, Stored
from mrl_pg.recall.curve import MOST_CANDIDATES, Curve
from mrl_pg.recall.score import three_digits
from mrl_pg.report.knee import knee
from mrl_pg.tune import Option, Point, Tuning
from mrl_pg.tune.option import smallest_alike
from mrl_pg.tune.predict.index_size import index_bytes
from mrl_pg.tune.trial.front import cheapest

TIMES = (1, 4, 16, 64)
"""Candidates that curves are shown at, in multiples of k."""


@dataclass(frozen=True, slots=True)
class Line:
    """Recall by size at one number of candidates; `knee`: a position, or None."""

    candidates: int
    dims: tuple[int, ...]
    recalls: tuple[float, ...]
    knee: int | None


def counts(tuning: Tuning) -> tuple[int, ...]:
    """Numbers of candidates that curves are shown at."""
    k = tuning.goal.k
    return tuple(dict.fromkeys(min(k * times, MOST_CANDIDATES) for times in TIMES))


def curves(tuning: Tuning, stored: Stored) -> list[Curve]:
    """Those of one way to compare, shortest first; whole values are no short form."""
    full = tuning.table.full_dims
    return [
        curve
        for curve in sorted(tuning.curves, key=lambda curve: curve.dims)
        if curve.stored == stored and (stored == "bits" or curve.dims < full)
    ]


def lines(tuning: Tuning, stored: Stored) -> list[Line]:
    """A line for each number of candidates."""
    found = curves(tuning, stored)
    dims = tuple(curve.dims for curve in found)
    made = []
    for count in counts(tuning):
        recalls = tuple(curve.recall(count).mean for curve in found)
        made.append(Line(count, dims, recalls, knee(dims, recalls) if dims else None))
    return made


def shown(tuning: Tuning) -> list[Option]:
    """All options but whole values of sizes that halves are there of: alike, larger."""
    return smallest_alike(tuning.options)


def full_index(tuning: Tuning) -> tuple[str, int] | None:
    """Name and bytes of an index over the full vectors; None: too long for any."""
    dims = tuning.table.full_dims
    if dims > KINDS["halfvec"].most_dims:
        return None
    size = index_bytes("halfvec", dims, tuning.table.rows, tuning.goal.m)
    return f"halfvec({dims}), full", size


def choice(tuning: Tuning) -> Point | None:
    """The measured point that the recommendation stands on."""
    if not tuning.recommendation.measured:
        return None
    short = [point for point in tuning.points if point.option is not None]
    return cheapest(short, tuning.goal)[0]


def chosen(tuning: Tuning) -> Option | None:
    """The option that is recommended."""
    name = tuning.recommendation.name
    return next((option for option in tuning.options if option.name == name), None)


def megabytes(size: int) -> str:
    """`98 MB`, `1.7 MB`."""
    return f"{size / 1e6:,.0f} MB" if size >= 1e7 else f"{size / 1e6:,.1f} MB"


def milliseconds(time: float) -> str:
    """`4.31 ms`, `21.4 ms`."""
    return f"{time:.2f} ms" if time < 10 else f"{time:,.1f} ms"


def recall(share: float) -> str:
    """`.973`."""
    return three_digits(share)


def listed(words: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)
