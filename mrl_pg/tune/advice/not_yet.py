"""The verdict that a table needs no short index yet, and when to look again."""

from collections.abc import Sequence
from dataclasses import dataclass

from mrl_pg.tune.option import Goal
from mrl_pg.tune.predict.index_size import index_bytes
from mrl_pg.tune.rows.table import TableFacts
from mrl_pg.tune.trial.front import ABOUT_EQUAL, cheapest
from mrl_pg.tune.trial.point import Point
from mrl_pg.tune.trial.storage import Storage

QUICK_EXACT_MS = 20.0
"""An exact search that takes no longer than this is fast enough without an index."""


@dataclass(frozen=True, slots=True)
class NotYet:
    """What is better than a short index now, and the rows from which to look again."""

    reason: str
    rows: int

    def __str__(self) -> str:
        """`You need no short index yet: … Come back when the table has … rows.`"""
        return (
            f"You need no short index yet: {self.reason}. Come back when the table has "
            f"about {self.rows:,} rows."
        )


def not_yet(
    table: TableFacts,
    goal: Goal,
    share: float,
    points: Sequence[Point],
    storage: Storage | None,
) -> NotYet | None:
    """The verdict from what was measured; None if a short index is worth it.

    The share `share` of the table's rows was measured.
    """
    exact = next((point for point in points if point.exact), None)
    if exact is not None:
        # an exact search compares every row, so its time grows with the rows
        time = exact.median_ms / share
        if time <= QUICK_EXACT_MS:
            return NotYet(
                f"an exact search takes {time:.1f} ms without any index, and misses "
                "nothing",
                rounded(table.rows * QUICK_EXACT_MS / time),
            )
    full = [p for p in points if p.option is None and not p.exact]
    rival, _ = cheapest(full, goal)
    best, _ = cheapest([p for p in points if p.option is not None], goal)
    size = index_bytes("halfvec", table.full_dims, table.rows, goal.m)
    if rival is None or size > table.room:
        return None
    if best is None or rival.median_ms * ABOUT_EQUAL <= _time(best, storage):
        return NotYet(
            f"one pass over full vectors is faster than any short index that was tried "
            f"({rival}), while its index of {size / 1e6:,.0f} MB fits in memory "
            f"({table.room_from} {table.room / 1e6:,.0f} MB)",
            rounded(table.rows * table.room / size),
        )
    return None


def _time(best: Point, storage: Storage | None) -> float:
    """The time of the best short index, with full vectors where they are best."""
    pairs = storage.pairs if storage else ()
    gains = [p.ratio for p in pairs if p.faster and p.toast.setting == best.setting]
    return best.median_ms * min([1.0, *gains])


def rounded(rows: float) -> int:
    """A number of rows with two digits, because more would promise too much."""
    whole = int(rows)
    return round(whole, 2 - len(str(whole)))
