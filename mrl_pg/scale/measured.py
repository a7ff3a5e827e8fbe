"""The cells that benchmarks/scale.py measured, and lines through them.

A cell is a kind of index on so many rows. Its file is `measured.jsonl`; nothing else in
the package holds a figure of it.
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from itertools import pairwise
from typing import Literal, TypeAlias

import numpy as np

Series: TypeAlias = Literal["bit", "halfvec(256)", "single halfvec", "single vector"]
"""What was measured: two passes over signs of all dimensions or over a prefix, or one
pass over all dimensions."""

DIMS = 1536
"""Dimensions of the full vectors that were measured."""

K = 10
"""Rows of an answer."""


def reads(series: str, effort: float) -> float:
    """Full vectors that a search reads; of bits, those that `rerank` leaves."""
    if series.startswith("single"):
        return K
    return min(effort, max(60, effort / 4)) if series == "bit" else effort


@dataclass(frozen=True, slots=True)
class SearchCost:
    """What a search takes: how many candidates it walks, CPU time, pages."""

    effort: float
    recall: float
    cpu_ms: float
    index_pages: float
    heap_pages: float
    toast_pages: float

    @property
    def cpu_per_effort(self) -> float:
        """Milliseconds of CPU for each 1 of effort."""
        return self.cpu_ms / self.effort

    @property
    def pages_per_effort(self) -> float:
        """Pages of the index for each 1 of effort."""
        return self.index_pages / self.effort


@dataclass(frozen=True, slots=True)
class MeasuredCell:
    """A kind of index on so many rows. `searches` are in order of effort.

    With `less_memory_bytes` for a build, the graph fitted for `fitting_rows` rows.
    """

    series: str
    rows: int
    index_bytes: int
    heap_bytes: int
    toast_bytes: int
    build_cpu_s: float
    build_peak_bytes: int
    searches: tuple[SearchCost, ...]
    lists: int | None = None
    less_memory_bytes: int | None = None
    fitting_rows: int | None = None

    def at(self, recall: float) -> SearchCost:
        """What a search of this recall takes, between the efforts that were measured.

        Beyond the widest, the last two are continued.
        """
        best = _rising(self.searches)
        pairs = list(pairwise(best))
        low, high = next(
            (pair for pair in pairs if recall <= pair[1].recall), pairs[-1]
        )
        # the share that is missed falls as a power of the effort
        missed = [math.log(1.001 - each.recall) for each in (low, high)]
        part = (math.log(1.001 - recall) - missed[0]) / (missed[1] - missed[0])

        def between(value: Callable[[SearchCost], float]) -> float:
            ends = [math.log(max(value(each), 1e-3)) for each in (low, high)]
            return math.exp(ends[0] + part * (ends[1] - ends[0]))

        return SearchCost(
            between(lambda each: each.effort),
            recall,
            between(lambda each: each.cpu_ms),
            between(lambda each: each.index_pages),
            between(lambda each: each.heap_pages),
            between(lambda each: each.toast_pages),
        )


def _rising(searches: Sequence[SearchCost]) -> list[SearchCost]:
    """The searches without those that find no more than a cheaper one."""
    best: list[SearchCost] = []
    for each in searches:
        if not best or each.recall > best[-1].recall:
            best.append(each)
    return best


@dataclass(frozen=True, slots=True)
class Slope:
    """A line through what was measured, over the logarithm of the rows."""

    base: float
    per_e_rows: float

    def at(self, rows: float) -> float:
        """The value of the line."""
        return self.base + self.per_e_rows * math.log(rows)


@lru_cache(maxsize=1)
def cells() -> tuple[MeasuredCell, ...]:
    """All cells, the fewest rows first."""
    file = resources.files("mrl_pg.scale").joinpath("measured.jsonl")
    found = []
    for line in file.read_text(encoding="utf-8").splitlines():
        known = json.loads(line)
        found.append(
            MeasuredCell(
                series=known["kind"],
                rows=known["rows"],
                index_bytes=known["index_bytes"],
                heap_bytes=known["heap_bytes"],
                toast_bytes=known["toast_bytes"],
                build_cpu_s=known["build_cpu_s"],
                build_peak_bytes=known["build_peak_bytes"],
                searches=tuple(SearchCost(**each) for each in known["searches"]),
                lists=known.get("lists"),
                less_memory_bytes=known.get("less_memory_bytes"),
                fitting_rows=known.get("fitting_rows"),
            )
        )
    return tuple(sorted(found, key=lambda cell: cell.rows))


def cells_of(series: str) -> tuple[MeasuredCell, ...]:
    """The cells of a series, the fewest rows first."""
    return tuple(cell for cell in cells() if cell.series == series)


def most_rows(series: Series) -> int:
    """The most rows that were measured."""
    return cells_of(series)[-1].rows


def line(
    series: str, value: Callable[[MeasuredCell], float], without: int = 0
) -> Slope:
    """The line of least squares through a value of the cells; `without` leaves one out.

    A series of one cell borrows the shape of another line, in proportion: that of the
    other one pass, or that of bits.
    """
    some = [cell for cell in cells_of(series) if cell.rows != without]
    if len(some) == 1:
        lender = "single halfvec" if series == "single vector" else "bit"
        other = line(lender, value)
        scale = value(some[0]) / other.at(some[0].rows)
        return Slope(scale * other.base, scale * other.per_e_rows)
    rows, values = [cell.rows for cell in some], [value(cell) for cell in some]
    steep, base = np.polyfit(np.log(rows), values, 1)
    return Slope(float(base), float(steep))


@lru_cache(maxsize=64)
def build_us(series: Series, without: int = 0) -> Slope:
    """CPU microseconds of a build for each row."""
    return line(series, lambda cell: 1e6 * cell.build_cpu_s / cell.rows, without)


@dataclass(frozen=True, slots=True)
class SearchSlopes:
    """Lines for a search of one recall.

    `effort` is the logarithm of the effort. `cpu_ms` and `index_pages` are for each 1
    of effort, `toast_pages` for each full vector that is read.
    """

    series: Series
    effort: Slope
    cpu_ms: Slope
    index_pages: Slope
    toast_pages: Slope

    def at(self, rows: float, recall: float) -> SearchCost:
        """What a search takes on so many rows, or on the fewest that were measured."""
        known = max(rows, cells_of(self.series)[0].rows)
        effort = math.exp(self.effort.at(known))
        read = reads(self.series, effort)
        return SearchCost(
            effort,
            recall,
            effort * self.cpu_ms.at(known),
            effort * self.index_pages.at(known),
            # a page of the table for each candidate
            K if self.series.startswith("single") else effort,
            read * self.toast_pages.at(known),
        )


@lru_cache(maxsize=64)
def search_slopes(series: Series, recall: float, without: int = 0) -> SearchSlopes:
    """Lines through the searches of a series."""

    def toast_pages(cell: MeasuredCell) -> float:
        cost = cell.at(recall)
        return cost.toast_pages / reads(cell.series, cost.effort)

    return SearchSlopes(
        series,
        line(series, lambda cell: math.log(cell.at(recall).effort), without),
        line(series, lambda cell: cell.at(recall).cpu_per_effort, without),
        line(series, lambda cell: cell.at(recall).pages_per_effort, without),
        line(series, toast_pages, without),
    )
