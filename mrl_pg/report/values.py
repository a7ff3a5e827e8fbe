"""Values of a result that plots, tables and sentences of a page share."""

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
"""Numbers of candidates to plot curves for, in multiples of k."""


@dataclass(frozen=True, slots=True)
class Line:
    """Recall by size with one number of candidates; `knee` is a position, or None."""

    candidates: int
    dims: tuple[int, ...]
    recalls: tuple[float, ...]
    knee: int | None


def counts(tuning: Tuning) -> tuple[int, ...]:
    """The numbers of candidates to plot curves for."""
    k = tuning.goal.k
    return tuple(dict.fromkeys(min(k * times, MOST_CANDIDATES) for times in TIMES))


def curves(tuning: Tuning, stored: Stored) -> list[Curve]:
    """Curves of one way to store, shortest first, without values of the full size."""
    full = tuning.table.full_dims
    return [
        curve
        for curve in sorted(tuning.curves, key=lambda curve: curve.dims)
        if curve.stored == stored and (stored == "bits" or curve.dims < full)
    ]


def lines(tuning: Tuning, stored: Stored) -> list[Line]:
    """A line for each number of candidates."""
    chosen_curves = curves(tuning, stored)
    dims = tuple(curve.dims for curve in chosen_curves)
    made = []
    for count in counts(tuning):
        recalls = tuple(curve.recall(count).mean for curve in chosen_curves)
        made.append(Line(count, dims, recalls, knee(dims, recalls) if dims else None))
    return made


def shown(tuning: Tuning) -> list[Option]:
    """The options without `vector` where `halfvec` of the same size is among them."""
    return smallest_alike(tuning.options)


def full_index(tuning: Tuning) -> tuple[str, int] | None:
    """Name and bytes of an index over full vectors; None if they have too many dims."""
    dims = tuning.table.full_dims
    if dims > KINDS["halfvec"].most_dims:
        return None
    size = index_bytes("halfvec", dims, tuning.table.rows, tuning.goal.m)
    return f"halfvec({dims}), full", size


def choice(tuning: Tuning) -> Point | None:
    """The measured point of the recommendation; None if it is only predicted."""
    if not tuning.recommendation.measured:
        return None
    memory = tuning.memory
    deciding = memory.points() if memory else tuning.points
    short = [point for point in deciding if point.option is not None]
    best = cheapest(short, tuning.goal)[0]
    # with its time in memory, as all points of the plots
    same = [p for p in tuning.points if best and p.setting == best.setting]
    return same[0] if same else None


def chosen(tuning: Tuning) -> Option | None:
    """The recommended option."""
    name = tuning.recommendation.name
    return next((option for option in tuning.options if option.name == name), None)


def megabytes(size: int) -> str:
    """A size such as `98 MB` or `1.7 MB`."""
    return f"{size / 1e6:,.0f} MB" if size >= 1e7 else f"{size / 1e6:,.1f} MB"


def milliseconds(time: float) -> str:
    """A time such as `4.31 ms` or `21.4 ms`."""
    return f"{time:.2f} ms" if time < 10 else f"{time:,.1f} ms"


def recall(share: float) -> str:
    """A recall such as `.973`."""
    return three_digits(share)


def listed(words: Sequence[str]) -> str:
    """The words as `a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)
