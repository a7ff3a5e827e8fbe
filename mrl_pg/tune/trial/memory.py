"""What searches take with the memory that the caller names, predicted or measured."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from mrl_pg.search.options import MAX_EF_SEARCH
from mrl_pg.tune.option import Goal
from mrl_pg.tune.predict.cost_model import graph_ef
from mrl_pg.tune.predict.growth import grown
from mrl_pg.tune.predict.index_size import PAGE, index_bytes, rows_a_page
from mrl_pg.tune.predict.memory import Pages, one_pass, pages, two_passes, walk_pages
from mrl_pg.tune.rows.table import TableFacts
from mrl_pg.tune.trial.front import ABOUT_EQUAL, cheapest
from mrl_pg.tune.trial.point import Point
from mrl_pg.tune.trial.storage import WIDEST, row_bytes, row_width


@dataclass(frozen=True, slots=True)
class Squeezed:
    """A setting with the memory that was asked for, on the whole table.

    `point` was measured in memory. `in_row` says whether full vectors are taken to be
    in the row although the table has them in TOAST. Predicted are `index_bytes`,
    `bytes` of the index and the table, and `from_disk`, the share of the pages a search
    touches that come from disk. `measured_ms` is the median under the limit, on the
    rows read, if it was measured.
    """

    point: Point
    in_row: bool
    index_bytes: int
    bytes: int
    from_disk: float
    predicted_ms: float
    measured_ms: float | None = None

    @property
    def ms(self) -> float:
        """The measured time if there is one, else the predicted time."""
        return self.predicted_ms if self.measured_ms is None else self.measured_ms

    @property
    def name(self) -> str:
        """`bit(1536), 160 candidates, ef_search 320, full vectors in the row`."""
        return f"{self.point.setting}{', full vectors in the row' * self.in_row}"

    def as_dict(self) -> dict[str, Any]:
        """All fields as types that JSON has."""
        return {**asdict(self), "point": self.point.as_dict()}


@dataclass(frozen=True, slots=True)
class Memory:
    """The searches with so many bytes of memory; `given` is what the caller wrote.

    If `why_not` is empty, the best searches were measured on the rows read, under
    `limit_bytes`: as small a share of the memory as these rows are of the table.
    Otherwise all are predicted.
    """

    given: str
    bytes: int
    searches: tuple[Squeezed, ...] = ()
    why_not: str = ""
    limit_bytes: int | None = None

    @property
    def measured(self) -> bool:
        """Whether the best searches were measured under a limit."""
        return not self.why_not

    @property
    def shown(self) -> tuple[Squeezed, ...]:
        """The searches that times are compared of, fastest first."""
        known = [
            search
            for search in self.searches
            if not self.measured or search.measured_ms is not None
        ]
        return tuple(sorted(known, key=lambda search: search.ms))

    def points(self) -> list[Point]:
        """The points to choose from, with times under the limit."""
        how = "measured" if self.measured else "predicted"
        note = f"{how} for {self.given} of memory"
        return [
            replace(search.point, median_ms=search.ms, p95_ms=None, note=note)
            for search in self.shown
            if not search.in_row
        ]

    def fastest(self, goal: Goal) -> list[Squeezed]:
        """The best of each way to search that reach the goal, fastest first."""
        known = {(s.point.setting, s.in_row) for s in finalists(self, goal)}
        return [s for s in self.shown if (s.point.setting, s.in_row) in known]

    def of(self, point: Point, *, in_row: bool = False) -> Squeezed | None:
        """The search of a point, if times of it are compared."""
        same = [
            search
            for search in self.shown
            if search.point.setting == point.setting and search.in_row == in_row
        ]
        return same[0] if same else None

    @property
    def compares_rows(self) -> bool:
        """Whether full vectors in TOAST and in the row were compared."""
        return any(search.in_row for search in self.shown)

    def as_dict(self) -> dict[str, Any]:
        """All fields as types that JSON has."""
        return {
            "given": self.given,
            "bytes": self.bytes,
            "measured": self.measured,
            "why_not": self.why_not,
            "limit_bytes": self.limit_bytes,
            "searches": [search.as_dict() for search in self.searches],
        }

    @property
    def head(self) -> str:
        """How the times came about, in a sentence."""
        if self.measured:
            return (
                f"measured under a limit of {_mb(self.limit_bytes or 0)}, which is to "
                f"the rows read as {self.given} is to all rows"
            )
        return f"predicted for {self.given}, because {self.why_not}"

    def said(self, chosen: Point, command: str) -> list[str]:
        """What the choice costs with that memory, in plain sentences.

        `command` keeps full vectors in the row.
        """
        search = self.of(chosen)
        if search is None:
            return []
        fits = "fits" if search.index_bytes <= self.bytes else "does not fit"
        table = "do" if search.bytes <= self.bytes else "do not"
        sentences = [
            f"with {self.given} of memory, some {search.from_disk:.0%} of the pages "
            "that a search touches will come from disk, by prediction: the index takes "
            f"{_mb(search.index_bytes)} and {fits}, the index and the table take "
            f"{_mb(search.bytes)} and {table}. In memory the search took "
            f"{search.point.median_ms:.2f} ms. Times are {self.head}"
        ]
        row = self.of(chosen, in_row=True)
        if row is not None:
            result = (
                f"with full vectors in the row instead of TOAST it would take "
                f"{row.ms:.1f} ms instead of {search.ms:.1f} ms"
            )
            if row.ms * ABOUT_EQUAL > search.ms:
                sentences.append(f"{result}, so change nothing")
            else:
                sentences.append(
                    f"{result}. To keep them in the row, run this: {command}; then "
                    "build the index with --keep generated, which rewrites the table "
                    "under an access exclusive lock and so moves the vectors"
                )
        return sentences


def predict(
    given: str,
    memory: int,
    points: Sequence[Point],
    table: TableFacts,
    goal: Goal,
    share: float,
    walks: Mapping[str, float],
    why_not: str,
) -> Memory:
    """The memory with a prediction for each setting, on all rows.

    `points` were measured on the share `share` of the rows. `walks` has the counted
    pages of the first pass by setting; pages of others are a guess.
    """
    searches: list[Squeezed] = []
    for point in points:
        if point.exact:
            continue
        searches.append(_squeezed(point, False, memory, table, goal, share, walks))
        option = point.option
        if table.in_toast and option and row_bytes(table, option) <= WIDEST:
            searches.append(_squeezed(point, True, memory, table, goal, share, walks))
    return Memory(given, memory, tuple(searches), why_not)


def _squeezed(
    point: Point,
    in_row: bool,
    memory: int,
    table: TableFacts,
    goal: Goal,
    share: float,
    walks: Mapping[str, float],
) -> Squeezed:
    option, ef = point.option, point.ef_search or 0
    times = 1.0
    if option is None or point.candidates is None or point.reads is None:
        size = index_bytes("halfvec", table.full_dims, table.rows, goal.m)
        walk = walks.get(point.setting, walk_pages(ef, goal.m))
        parts = one_pass(table, index_bytes=size, walk=walk, k=goal.k)
    else:
        size = option.index_bytes
        if share < 1:
            more = grown(point.reads, goal.k, share, option.growth)
            times = max(1.0, min(more, MAX_EF_SEARCH) / point.reads)
        m = goal.with_graph(option.graph).m
        walk = walks.get(point.setting, walk_pages(ef, m))
        parts = two_passes(
            table,
            index_bytes=size,
            column_bytes=option.column_bytes,
            walk=times * walk,
            candidates=round(times * point.candidates),
            reads=round(times * point.reads),
            plain_bytes=_plain_bytes(table) if in_row else None,
        )
    read = pages(parts, memory)
    return Squeezed(
        point,
        in_row,
        size,
        sum(part.bytes for part in parts),
        read.share,
        times * point.median_ms + read.ms,
    )


def full_index(table: TableFacts, goal: Goal) -> Pages | None:
    """The predicted pages of one pass over full vectors; None without a memory."""
    if table.memory_bytes is None:
        return None
    size = index_bytes("halfvec", table.full_dims, table.rows, goal.m)
    walk = walk_pages(graph_ef(goal), goal.m)
    parts = one_pass(table, index_bytes=size, walk=walk, k=goal.k)
    return pages(parts, table.memory_bytes)


def _plain_bytes(table: TableFacts) -> int:
    """Bytes of the table if its full vectors were in the row."""
    width = min(row_width(table), WIDEST)
    return math.ceil(table.rows / rows_a_page(width)) * PAGE


def finalists(memory: Memory, goal: Goal) -> list[Squeezed]:
    """The searches to measure under a limit: the best of each way to store, by far.

    These are the best short index by prediction, the same or another with full vectors
    in the row, one pass over full vectors, and the fastest short index in memory.
    """
    found: list[Squeezed] = []
    groups = (
        [s for s in memory.searches if s.point.option and not s.in_row],
        [s for s in memory.searches if s.point.option and s.in_row],
        [s for s in memory.searches if s.point.option is None],
    )
    for group in groups:
        best = _best(group, goal, [search.predicted_ms for search in group])
        # the same setting in the row, to compare the two
        found += [best] if best else []
    quick = _best(groups[0], goal, [search.point.median_ms for search in groups[0]])
    found += [quick] if quick else []
    first = found[0] if found else None
    if first is not None and first.point.option:
        found += [s for s in groups[1] if s.point.setting == first.point.setting]
    return list({(s.point.setting, s.in_row): s for s in found}.values())


def _best(
    group: Sequence[Squeezed], goal: Goal, times: Sequence[float]
) -> Squeezed | None:
    timed = [
        replace(search.point, median_ms=ms)
        for search, ms in zip(group, times, strict=True)
    ]
    best, _ = cheapest(timed, goal)
    return None if best is None else group[timed.index(best)]


def with_times(
    memory: Memory, times: Mapping[tuple[str, bool], float], limit_bytes: int
) -> Memory:
    """The memory with measured times, by setting and by whether vectors are in rows."""
    searches = tuple(
        replace(s, measured_ms=times.get((s.point.setting, s.in_row)))
        for s in memory.searches
    )
    return replace(memory, searches=searches, why_not="", limit_bytes=limit_bytes)


def _mb(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"
