"""Full vectors in TOAST or in the row: what was measured, and what a change costs."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from psycopg import sql

from mrl_pg.catalog import slots
from mrl_pg.recall.score import Z95, three_digits
from mrl_pg.tune.option import Goal, Option
from mrl_pg.tune.predict.cost_model import RERANK_BYTES, RERANK_MS
from mrl_pg.tune.predict.index_size import (
    PAGE,
    ROW_HEADER,
    index_bytes,
    rows_a_page,
    value_bytes,
)
from mrl_pg.tune.rows.table import TableFacts
from mrl_pg.tune.trial.front import ABOUT_EQUAL, cheapest
from mrl_pg.tune.trial.point import Point

MOST_BYTES = 2_000_000_000
"""Disk space that a second copy of the rows takes unasked."""

WIDEST = 8000
"""Bytes of a row that fits a page, with room for rows wider than most."""

TOAST_ABOVE = 2032
"""Bytes of a row from which the server moves its longest values out (PostgreSQL's
TOAST_TUPLE_THRESHOLD, header included)."""

POINTER = 18
"""Bytes that a value in TOAST leaves in the row."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One setting with full vectors in TOAST and in the row, queries timed in turn.

    `ratio`: the median over the queries of time in the row to time in TOAST, with its
    95 % interval from `low` to `high`.
    """

    toast: Point
    plain: Point
    ratio: float
    low: float
    high: float

    @property
    def faster(self) -> bool:
        """Whether the row is surely faster, and by more than what is about equal."""
        return self.high < 1 and self.ratio * ABOUT_EQUAL <= 1

    def as_dict(self) -> dict[str, Any]:
        """All of it in what JSON knows."""
        plain = asdict(self)
        return {**plain, "toast": self.toast.as_dict(), "plain": self.plain.as_dict()}


def pair(
    toast: Point, plain: Point, in_toast: Sequence[float], in_row: Sequence[float]
) -> Pair:
    """Two points by the times of the same queries; the interval is by rank."""
    ratios = np.sort(np.divide(in_row, in_toast))
    reach = Z95 * math.sqrt(len(ratios)) / 2
    low = max(0, math.floor(len(ratios) / 2 - reach))
    high = min(len(ratios) - 1, math.ceil(len(ratios) / 2 + reach))
    middle = float(np.median(ratios))
    return Pair(toast, plain, middle, float(ratios[low]), float(ratios[high]))


@dataclass(frozen=True, slots=True)
class Storage:
    """What it is worth to keep full vectors in the row; of a table that has them in
    TOAST, or would once it has a short column.

    Without `pairs`, `skipped` says why nothing was measured. `table_bytes` is the
    table with its TOAST now, `plain_bytes` what is predicted for the row; `command`
    makes the change.
    """

    pairs: tuple[Pair, ...]
    skipped: str
    table_bytes: int
    plain_bytes: int
    command: str

    def as_dict(self) -> dict[str, Any]:
        """All of it in what JSON knows."""
        return {**asdict(self), "pairs": [one.as_dict() for one in self.pairs]}

    def said(self) -> list[str]:
        """What to know of it, in plain sentences."""
        if not self.pairs:
            return [f"full vectors in the row were not measured: {self.skipped}"]
        first, *others = self.pairs
        share = (
            f"{three_digits(first.ratio)} of the time ({three_digits(first.low)} to "
            f"{three_digits(first.high)})"
        )
        told = (
            f"with full vectors in the row, not in TOAST, a search took {share}: "
            f"{first.plain.median_ms:.2f} ms, not {first.toast.median_ms:.2f}, on two "
            "copies of the rows read, queries in turn"
        )
        if not first.faster:
            return [f"{told}; not surely a tenth faster: leave them where they are"]
        said = [
            told,
            f"for that, before the index is built: {self.command}; it waits for a lock "
            "that shuts all out, keeps it for a moment and moves nothing; building the "
            "index then rewrites the table as it does anyway (later only vacuum full "
            f"does, under that lock). Table and TOAST take {_mb(self.table_bytes)} "
            f"now, about {_mb(self.plain_bytes)} then, which any scan of the table "
            "reads",
        ]
        for one in others:
            if one.plain.median_ms < first.plain.median_ms:
                said.append(f"in the row this one was faster still: {one.plain}")
        return said


def concerns(table: TableFacts, options: Sequence[Option]) -> bool:
    """Whether full vectors are in TOAST, or will be beside one of the short columns."""
    if table.in_toast or table.storage == "plain":
        return table.in_toast
    widest = max((value_bytes(o.kind, o.dims) for o in options), default=0)
    return ROW_HEADER + table.row_width + widest > TOAST_ABOVE


def unmeasured(table: TableFacts, column: str, skipped: str) -> Storage:
    """The costs alone, and why nothing was measured."""
    whole = _row_width(table)
    plain = math.ceil(table.rows / rows_a_page(min(whole, WIDEST))) * PAGE
    name = "keep_in_rows" if table.partitioned else "keep_in_row"
    command = slots.statement(
        name,
        # quoted by the server already
        table=sql.SQL(table.name),
        column=sql.Identifier(column),
    )
    return Storage(
        (),
        skipped,
        table.heap_bytes + table.toast_bytes,
        plain,
        command.as_string(None).strip(),
    )


def _row_width(table: TableFacts) -> int:
    out = table.full_bytes - POINTER if table.in_toast else 0
    return table.row_width + out


def row_bytes(table: TableFacts, option: Option) -> int:
    """Bytes of a mean row with full vector and short one."""
    return ROW_HEADER + _row_width(table) + value_bytes(option.kind, option.dims)


def contenders(points: Sequence[Point], goal: Goal, table: TableFacts) -> list[Point]:
    """The best setting, and the one that may be better in the row: two at most."""
    short = [point for point in points if point.option is not None]
    best, sure = cheapest(short, goal)
    if best is None:
        return []
    able = [
        p for p in short if (p.recall.low if sure else p.recall.mean) >= goal.recall
    ]
    gain = (RERANK_MS[True] - RERANK_MS[False]) * table.full_bytes / RERANK_BYTES
    other = min(able, key=lambda p: p.median_ms - gain * (p.candidates or 0))
    return [best] if other == best else [best, other]


def refusal(
    table: TableFacts,
    tried: Sequence[Point],
    rows: int,
    goal: Goal,
    wanted: bool | None,
) -> str:
    """Why a second copy of so many rows is not made; empty when it is."""
    if wanted is False:
        return "it was not asked for"
    if not tried:
        return "no setting reaches the recall"
    width = max(row_bytes(table, point.option) for point in tried if point.option)
    if width > WIDEST:
        return (
            f"a row would take {width:,} bytes, and a page has room for {PAGE:,}; they "
            "stay in TOAST"
        )
    size = copy_bytes(table, tried, rows, goal)
    if wanted is None and size > MOST_BYTES:
        return (
            f"a second copy of the rows would take {size / 1e9:.1f} GB more, above "
            f"{MOST_BYTES / 1e9:.0f} GB: --storage measures it all the "
            "same (storage=True in Python), --sample-rows takes fewer rows"
        )
    return ""


def copy_bytes(table: TableFacts, tried: Sequence[Point], rows: int, goal: Goal) -> int:
    """Disk space of a second copy, full vectors in the row, and of its indexes."""
    options = {point.option.name: point.option for point in tried if point.option}
    short = sum(value_bytes(one.kind, one.dims) for one in options.values())
    heap = math.ceil(rows / rows_a_page(8 + table.full_bytes + short)) * PAGE
    return heap + sum(
        index_bytes(one.kind, one.dims, rows, goal.m) for one in options.values()
    )


def _mb(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"
