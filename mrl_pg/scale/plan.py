"""Works out bytes, memory, partitions, nodes and the cost of a search, by slopes.

Bytes follow from the layout of pages. CPU time, pages and effort are lines over the
logarithm of the rows, through what benchmarks/scale.py measured.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, TypeAlias

from mrl_pg import arguments
from mrl_pg.errors import InvalidSetting
from mrl_pg.load.destination import VectorKind
from mrl_pg.scale.forms import ONE_PASS, Form, form_of, usual_forms
from mrl_pg.scale.measured import (
    DIMS,
    SearchCost,
    build_us,
    cells_of,
    reads,
    search_slopes,
)
from mrl_pg.search.options import MAX_EF_SEARCH
from mrl_pg.tune.predict.index_size import (
    PAGE,
    ROW_HEADER,
    graph_bytes,
    index_bytes,
    rows_a_page,
    toast_bytes,
    value_bytes,
)
from mrl_pg.tune.predict.memory import Cached, pages

How: TypeAlias = Literal["measured", "extrapolated"]

MOST_ROWS = 10**12
MOST_DIMS = 16_000
"""The most dimensions of a column of type vector or halfvec."""

RECALLS = (0.8, 0.99)
"""The recalls that the searches that were measured reach, or nearly so."""

CACHE_SHARE = 0.75
BUILD_SHARE = 0.25
"""Shares of a node's memory: pages that searches need, and one build at a time. They
are those of the embedded server's `effective_cache_size`, and its rest."""

MOST_TABLE = 1 << 45
"""Bytes that a table, its TOAST or an index can have: 32 TB with pages of 8 kB."""

MOST_TOASTED = 1 << 32
"""Values that one TOAST table can hold, because each has a number of 32 bits."""

MOST_ROW = 2032
"""Bytes of a row from which PostgreSQL moves the longest values to TOAST."""

TOAST_POINTER = 18
KEY_BYTES = 8


@dataclass(frozen=True, slots=True)
class Figure:
    """A number, and whether its kind of index was measured on as many rows."""

    value: float
    how: How

    @property
    def measured(self) -> bool:
        """Whether it lies within what was measured."""
        return self.how == "measured"


@dataclass(frozen=True, slots=True)
class ScalePlan:
    """What one form of index takes. Sizes are bytes, of all partitions together.

    `graph` is the memory that the build of one partition takes, `build_hours` CPU hours
    of all builds. `nodes` hold `partitions`, each of `rows_each` rows, so that the
    index and the rows without TOAST stay in memory. A search asks all partitions:
    `candidates` rows of each, `cpu_ms` and `pages` in all, of which `disk_pages` come
    from disk.
    """

    form: Form
    rows: int
    full: VectorKind
    recall: float
    m: int
    memory: str
    index: Figure
    heap: Figure
    toast: Figure
    graph: Figure
    build_hours: Figure
    partitions: int
    nodes: int
    rows_each: int
    candidates: Figure
    cpu_ms: Figure
    pages: Figure
    disk_pages: Figure

    @property
    def name(self) -> str:
        """The name of the form."""
        return self.form.name

    @property
    def reachable(self) -> bool:
        """Whether `hnsw.ef_search` can be as large as the recall takes."""
        return self.candidates.value <= MAX_EF_SEARCH

    def as_dict(self) -> dict[str, Any]:
        """All fields as types that JSON has."""
        form = {"kind": self.form.kind, "dims": self.form.dims}
        known = asdict(self)
        known.pop("form")
        return {
            **form,
            "one_pass": self.form.one_pass,
            "full_dims": self.form.full_dims,
            **known,
            "reachable": self.reachable,
        }


def plan(
    rows: float,
    dims: int,
    *,
    memory: str,
    kind: str | None = None,
    short: int | None = None,
    full: VectorKind = "vector",
    recall: float = 0.95,
    m: int = 16,
) -> tuple[ScalePlan, ...]:
    """What an index over `rows` full vectors of `dims` dimensions takes, form by form.

    `memory` is that of one node, such as "64GB". Without `kind`, the usual forms are
    compared; `short` are the dimensions of the index, all for bits and 256 otherwise.
    `short` equal to `dims` means one pass. `full` is the type of the full vectors.
    `recall` is the share of the true ten nearest rows.

    Figures are from sentences with 1536 dimensions, `m` 16 and `ef_construction` 64, up
    to a million rows. A figure is "measured" if it lies within that, else
    "extrapolated". Other rows differ: `mrl-pg tune` measures yours.

    Raises InvalidSetting for what cannot be planned.
    """
    count = _count(rows)
    wide = arguments.check_whole("dims", dims, 1, MOST_DIMS, "a column")
    arguments.memory_size("memory", memory)
    arguments.check_choice("full", full, ("vector", "halfvec"))
    links = arguments.check_whole("m", m, 2, 100, "pgvector")
    wanted = arguments.number("recall", recall)
    if not RECALLS[0] <= wanted <= RECALLS[1]:
        raise InvalidSetting(
            f"recall={wanted:g} is outside {RECALLS[0]} to {RECALLS[1]}, which is what "
            "was measured: pass one of these, and calibrate your own table for others"
        )
    if kind is None and short is not None:
        raise InvalidSetting(f"short={short} needs a kind, such as kind='halfvec'")
    forms = usual_forms(wide) if kind is None else [form_of(kind, short, wide)]
    return tuple(
        _Work(form, count, memory, full, wanted, links).plan() for form in forms
    )


def _count(rows: object) -> int:
    number = arguments.number("rows", rows)
    if not 1 <= number <= MOST_ROWS or number != int(number):
        raise InvalidSetting(
            f"rows={number:g} is not a whole number of rows between 1 and "
            f"{MOST_ROWS:,}: pass how many rows the table will have, such as 1e9"
        )
    return int(number)


@dataclass(frozen=True, slots=True)
class _Work:
    """The arithmetic for one form."""

    form: Form
    rows: int
    memory: str
    full: VectorKind
    recall: float
    m: int

    def plan(self) -> ScalePlan:
        """All figures."""
        nodes, partitions = self._split()
        each = math.ceil(self.rows / partitions)
        cost = self._search(each)
        asked = self._how(each, self.form.series)
        # several partitions were never searched together
        together: How = asked if partitions == 1 else "extrapolated"
        touched = cost.index_pages + cost.heap_pages + cost.toast_pages
        return ScalePlan(
            form=self.form,
            rows=self.rows,
            full=self.full,
            recall=self.recall,
            m=self.m,
            memory=self.memory,
            index=self._figure(self._index(self.rows)),
            heap=self._figure(self._heap(self.rows)),
            toast=self._figure(self._toast(self.rows)),
            graph=Figure(self._graph(each), self._how(each, self.form.series)),
            build_hours=Figure(
                partitions * self._build_s(each) / 3600,
                self._how(each, self.form.series),
            ),
            partitions=partitions,
            nodes=nodes,
            rows_each=each,
            candidates=Figure(cost.effort, asked),
            cpu_ms=Figure(partitions * cost.cpu_ms, together),
            pages=Figure(partitions * touched, together),
            disk_pages=Figure(self._disk(nodes, partitions, cost), "extrapolated"),
        )

    def _figure(self, value: float) -> Figure:
        return Figure(value, self._how(self.rows, self.form.series))

    def _how(self, rows: int, series: str) -> How:
        known = [cell.rows for cell in cells_of(series)]
        within = known[0] <= rows <= 1.02 * known[-1]
        measured = self.form.was_measured and self.m == 16 and self.full == "vector"
        return "measured" if within and measured else "extrapolated"

    @property
    def _memory(self) -> int:
        return arguments.memory_size("memory", self.memory)

    # ------------------------------------------------------------ bytes

    def _index(self, rows: int) -> int:
        return index_bytes(self.form.kind, self.form.dims, rows, self.m)

    def _graph(self, rows: int) -> int:
        return graph_bytes(self.form.kind, self.form.dims, rows, self.m)

    @property
    def _full_bytes(self) -> int:
        return value_bytes(self.full, self.form.full_dims)

    @property
    def _short_bytes(self) -> int:
        """Bytes of the short value; in one pass there is none."""
        return 0 if self.form.one_pass else value_bytes(self.form.kind, self.form.dims)

    @property
    def _full_in_row(self) -> bool:
        """Whether full vectors stay in the row, as the rows are short."""
        row = ROW_HEADER + KEY_BYTES + self._short_bytes + self._full_bytes
        return row <= MOST_ROW

    @property
    def _short_in_row(self) -> bool:
        row = ROW_HEADER + KEY_BYTES + self._short_bytes + TOAST_POINTER
        return self._full_in_row or row <= MOST_ROW

    def _heap(self, rows: int) -> int:
        """Bytes of the table without TOAST: a key, the short value, the full vector."""
        full = self._full_bytes if self._full_in_row else TOAST_POINTER
        short = self._short_bytes if self._short_in_row else TOAST_POINTER
        return math.ceil(rows / rows_a_page(KEY_BYTES + short + full)) * PAGE

    def _toast(self, rows: int) -> int:
        size = 0
        if not self._full_in_row:
            size += toast_bytes(self.full, self.form.full_dims, rows)
        if not self._short_in_row:
            size += toast_bytes(self.form.kind, self.form.dims, rows)
        return size

    # ------------------------------------------------------------ partitions and nodes

    def _split(self) -> tuple[int, int]:
        """Nodes and partitions.

        Nodes so that what searches touch is in memory; partitions so that each graph
        can be built in memory, and no file is too large.
        """
        hot = self._index(self.rows) + self._heap(self.rows)
        nodes = math.ceil(hot / (CACHE_SHARE * self._memory))
        parts = max(
            self._graph(self.rows) / (BUILD_SHARE * self._memory),
            self._index(self.rows) / MOST_TABLE,
            self._heap(self.rows) / MOST_TABLE,
            self._toast(self.rows) / MOST_TABLE,
            0 if self._full_in_row else self.rows / MOST_TOASTED,
        )
        nodes = min(nodes, self.rows)
        return nodes, min(nodes * math.ceil(parts / nodes), self.rows)

    # ------------------------------------------------------------ time and pages

    def _build_s(self, rows: int) -> float:
        """CPU seconds of one build, in one process, with the graph in memory."""
        known = max(rows, cells_of(self.form.series)[0].rows)
        if self.form.kind in ONE_PASS:
            a_row = self._floats_us(known)
        else:
            a_row = build_us(self.form.series).at(known)
        # more links take longer by about the root, as in mrl_pg.tune
        return rows * max(a_row, 0) * math.sqrt(self.m / 16) / 1e6

    def _floats_us(self, rows: int) -> float:
        """Microseconds a row: between a prefix of 256 and all 1536 dimensions."""
        short = build_us("halfvec(256)").at(rows)
        wide = build_us(ONE_PASS[self.form.kind]).at(rows)
        return short + (wide - short) * (self.form.dims - 256) / (DIMS - 256)

    def _search(self, rows: int) -> SearchCost:
        cost = search_slopes(self.form.series, self.recall).at(rows, self.recall)
        if self._full_in_row:
            return replace(cost, toast_pages=0.0)
        # a vector that was measured takes a page, beside those of TOAST's index
        wider = max(
            1.0, toast_bytes(self.full, self.form.full_dims, 1000) / 1000 / PAGE
        )
        more = (wider - 1) * reads(self.form.series, cost.effort)
        return replace(cost, toast_pages=cost.toast_pages + more)

    def _disk(self, nodes: int, partitions: int, cost: SearchCost) -> float:
        """Pages that come from disk, of all nodes together."""
        share = partitions / nodes
        parts = [
            Cached(self._index(self.rows) // nodes, share * cost.index_pages),
            Cached(self._heap(self.rows) // nodes, share * cost.heap_pages),
        ]
        if not self._full_in_row:
            toast = self._toast(self.rows) // nodes
            parts.append(Cached(toast, share * cost.toast_pages))
        return nodes * pages(parts, int(CACHE_SHARE * self._memory)).disk


def best(plans: Sequence[ScalePlan]) -> ScalePlan:
    """The plan with the fewest nodes, and of these the least CPU time for a search.

    Plans whose recall `hnsw.ef_search` cannot reach come last.
    """
    reached = [each for each in plans if each.reachable] or list(plans)
    return min(reached, key=lambda each: (each.nodes, each.cpu_ms.value))
