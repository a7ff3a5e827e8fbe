"""Compares full vectors in TOAST and in the row: measured times, and the costs."""

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
from mrl_pg.tune.trial.front import ABOUT_EQUAL, cheapest, reaches
from mrl_pg.tune.trial.point import Point

MOST_BYTES = 2_000_000_000
"""The most bytes of disk space for a second copy if the caller does not ask for it."""

WIDEST = 8000
"""The widest mean row that fits a page, with room for wider rows."""

TOAST_ABOVE = 2032
"""The server moves the longest values of a row with more bytes to TOAST (PostgreSQL's
TOAST_TUPLE_THRESHOLD, including the header)."""

POINTER = 18
"""Bytes in the row of a pointer to a value in TOAST."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A setting with full vectors in TOAST and in the row.

    `ratio` is the median over the queries of the time with vectors in the row, divided
    by the time with vectors in TOAST. Its 95 % interval is from `low` to `high`.
    """

    toast: Point
    plain: Point
    ratio: float
    low: float
    high: float

    @property
    def faster(self) -> bool:
        """Whether the row is surely faster, and by at least the factor ABOUT_EQUAL."""
        return self.high < 1 and self.ratio * ABOUT_EQUAL <= 1

    @property
    def share(self) -> str:
        """`.785 of the time (.771 to .801)`."""
        ratio, low, high = (three_digits(x) for x in (self.ratio, self.low, self.high))
        return f"{ratio} of the time ({low} to {high})"

    def as_dict(self) -> dict[str, Any]:
        """All fields as types that JSON has."""
        plain = asdict(self)
        return {**plain, "toast": self.toast.as_dict(), "plain": self.plain.as_dict()}


def pair(
    toast: Point, plain: Point, in_toast: Sequence[float], in_row: Sequence[float]
) -> Pair:
    """The pair of two points, from the times of the same queries in both copies."""
    ratios = np.sort(np.divide(in_row, in_toast))
    reach = Z95 * math.sqrt(len(ratios)) / 2
    low = max(0, math.floor(len(ratios) / 2 - reach))
    high = min(len(ratios) - 1, math.ceil(len(ratios) / 2 + reach))
    middle = float(np.median(ratios))
    return Pair(toast, plain, middle, float(ratios[low]), float(ratios[high]))


@dataclass(frozen=True, slots=True)
class Storage:
    """How much faster searches are with full vectors in the row instead of TOAST.

    For a table that has full vectors in TOAST, or will have with a short column.
    Without `pairs`, `skipped` says why nothing was measured. `table_bytes` are the
    bytes of the table and its TOAST now. `plain_bytes` are predicted for the table with
    full vectors in the row. `command` makes the change.
    """

    pairs: tuple[Pair, ...]
    skipped: str
    table_bytes: int
    plain_bytes: int
    command: str

    def as_dict(self) -> dict[str, Any]:
        """All fields as types that JSON has."""
        return {**asdict(self), "pairs": [pair.as_dict() for pair in self.pairs]}

    def said(self) -> list[str]:
        """The result in plain sentences."""
        if not self.pairs:
            return [
                f"searches with full vectors in the row were not timed, because "
                f"{self.skipped}"
            ]
        first, *others = self.pairs
        result = (
            "with full vectors in the row instead of TOAST, a search took "
            f"{first.share}, on two copies of the rows read"
        )
        if not first.faster:
            return [f"{result}. This is not surely a tenth faster, so change nothing"]
        sentences = [
            result,
            f"to keep full vectors in the row, run this: {self.command}; this waits "
            "for an access exclusive lock, holds it for a moment and moves no rows. "
            "What moves them is a build with --keep generated, which rewrites the "
            "table under the same lock, or vacuum full. The table and its TOAST take "
            f"{_mb(self.table_bytes)} now. "
            f"The table will take about {_mb(self.plain_bytes)}, and every scan of the "
            "table reads all of that",
        ]
        for pair in others:
            if pair.plain.median_ms < first.plain.median_ms:
                sentences.append(
                    f"with full vectors in the row, {pair.toast.setting} was even "
                    f"faster; it took {pair.share} that it takes with TOAST"
                )
        return sentences


def concerns(table: TableFacts, options: Sequence[Option]) -> bool:
    """Whether full vectors are in TOAST, or will be after one short column is added."""
    if table.in_toast or table.storage == "plain":
        return table.in_toast
    widest = max((value_bytes(o.kind, o.dims) for o in options), default=0)
    return ROW_HEADER + table.row_width + widest > TOAST_ABOVE


def unmeasured(table: TableFacts, column: str, skipped: str) -> Storage:
    """The storage without measured pairs, and the reason."""
    whole = row_width(table)
    plain = math.ceil(table.rows / rows_a_page(min(whole, WIDEST))) * PAGE
    name = "keep_in_rows" if table.partitioned else "keep_in_row"
    command = slots.statement(
        name,
        # the server has quoted this name already
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


def row_width(table: TableFacts) -> int:
    """The mean width of a row with its full vector in it."""
    out = table.full_bytes - POINTER if table.in_toast else 0
    return table.row_width + out


def row_bytes(table: TableFacts, option: Option) -> int:
    """Bytes of a mean row with its full vector and a short vector."""
    return ROW_HEADER + row_width(table) + value_bytes(option.kind, option.dims)


def contenders(points: Sequence[Point], goal: Goal, table: TableFacts) -> list[Point]:
    """The best setting, and a setting that may be better with vectors in the row."""
    short = [point for point in points if point.option is not None]
    best, sure = cheapest(short, goal)
    if best is None:
        return []
    able = [p for p in short if reaches(p, goal, sure=sure)]
    gain = (RERANK_MS[True] - RERANK_MS[False]) * table.full_bytes / RERANK_BYTES
    other = min(able, key=lambda p: p.median_ms - gain * (p.reads or 0))
    return [best] if other == best else [best, other]


def refusal(
    table: TableFacts,
    tried: Sequence[Point],
    rows: int,
    goal: Goal,
    wanted: bool | None,
) -> str:
    """The reason not to make a second copy of `rows` rows, or an empty text."""
    if wanted is False:
        return "--no-storage (storage=False in Python) turns this off"
    if not tried:
        return "no setting reaches the recall"
    width = max(row_bytes(table, point.option) for point in tried if point.option)
    if width > WIDEST:
        return (
            f"a row would take {width:,} bytes, which may not fit a page of {PAGE:,} "
            "bytes"
        )
    size = copy_bytes(table, tried, rows, goal)
    if wanted is None and size > MOST_BYTES:
        return (
            f"a second copy of the rows would take {size / 1e9:.1f} GB, more than "
            f"{MOST_BYTES / 1e9:.0f} GB. To time them all the same, pass --storage "
            "(storage=True in Python), or read fewer rows with --sample-rows"
        )
    return ""


def copy_bytes(table: TableFacts, tried: Sequence[Point], rows: int, goal: Goal) -> int:
    """Bytes on disk of a second copy with full vectors in the row, and its indexes.

    Rotated rows are in a table of their own.
    """
    options = {point.option.name: point.option for point in tried if point.option}
    short = sum(value_bytes(o.kind, o.dims) for o in options.values())
    heap = math.ceil(rows / rows_a_page(8 + table.full_bytes + short)) * PAGE
    tables = len({option.rotated for option in options.values()})
    return tables * heap + sum(
        index_bytes(o.kind, o.dims, rows, goal.with_graph(o.graph).m)
        for o in options.values()
    )


def _mb(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"
