"""What one search will do: statement, parameters, candidates, settings; no I/O."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeAlias, TypedDict

import numpy as np
from numpy.typing import NDArray

from mrl_pg import arguments
from mrl_pg.arguments import shown
from mrl_pg.catalog.facts import Facts, check_ready
from mrl_pg.errors import ColumnNotFound, InvalidSetting
from mrl_pg.exchange.vectors import QueryVector
from mrl_pg.layout import IndexLayout
from mrl_pg.search import render
from mrl_pg.search.filter import Filter, Params, check_filter_text, check_params
from mrl_pg.search.promise import Promise, check_recall
from mrl_pg.search.shape import Effort, Scan, Session, Shape
from mrl_pg.vectors import VectorLike, as_text, as_vector, wire

MAX_ROWS = 1_000_000_000
"""Most rows a search may be asked for; PostgreSQL's integers end at twice that."""

MAX_EF_SEARCH = 1000
"""pgvector's upper limit of `hnsw.ef_search`."""

TUPLES_IN_WORK_MEM = 4000
"""Rows an iterative scan may visit for each `work_mem` of 4 MB: measured 23,000 at 64
dimensions of `bit`; a fifth of that leaves room for links and filters."""

MAX_SCAN_MEMORY = 64
"""Most `work_mem` a scan takes by itself: 256 MB at the default of 4 MB."""

MOST_LOSSES = 3
"""Prepared statements that a connection loses, before it prepares no more of them."""

AT_REST = Session()

MOST_PROMISED = 4000
SAFEST = 64
"""Candidates that a calibration measures at most, and for each of k without one."""

SAFE_CANDIDATES = 160
"""Candidates without a calibration: .957 to .980 recall at k = 10 on 100,000 sentences
of 1536 dimensions, 256 halves to 1536 bits (benchmarks/passes.py)."""

SearchParams: TypeAlias = "Mapping[str, Any] | Sequence[Any]"
"""Parameters of a whole statement, the query included."""

Queries: TypeAlias = "Sequence[VectorLike] | NDArray[np.floating]"
"""Several queries: a list of vectors, or a matrix of shape (queries, dims)."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a caller may ask of a search; `MatryoshkaIndex.search` explains each."""

    k: int = 10
    candidates: int | None = None
    ef_search: int | None = None
    max_scan_tuples: int | None = None
    filter: Filter = None
    params: Params = None
    columns: Sequence[str] = ()
    exact: bool = False
    recall: float | None = None

    def __post_init__(self) -> None:
        """Raise InvalidSetting or InvalidFilter for what no search can be asked for."""
        taken = {
            "k": check_count("k", self.k),
            "columns": arguments.names("columns", self.columns),
            "exact": arguments.flag("exact", self.exact),
        }
        for field, most in (
            ("candidates", MAX_ROWS),
            ("ef_search", MAX_EF_SEARCH),
            ("max_scan_tuples", MAX_ROWS),
        ):
            value = getattr(self, field)
            taken[field] = value if value is None else check_count(field, value, most)
        if self.recall is not None:
            taken["recall"] = check_recall(self.recall)
        check_filter(self.filter, self.params)
        for field, value in taken.items():
            object.__setattr__(self, field, value)


class SearchOptions(TypedDict, total=False):
    """The same as keywords, for methods that hand them on."""

    k: int
    candidates: int | None
    ef_search: int | None
    max_scan_tuples: int | None
    filter: Filter
    params: Params
    columns: Sequence[str]
    exact: bool
    recall: float | None


@dataclass(frozen=True)
class SearchPlan:
    """One search, ready to send; `statement` and `params` also run by hand.

    `statement` takes psycopg placeholders. Unless it is to be `prepared`, run it with
    `prepare=False`: under a filter or row-level security, a plan made for other values
    may walk an index that brings too few rows for these.

    `more_statement` tells whether rows were left over; it is sent only when fewer came
    than were asked. `bound` are the parameters as `search` sends them, in binary.
    `promise` is there when a recall was asked for.
    """

    shape: Shape
    statement: bytes
    more_statement: bytes
    bound: SearchParams
    prepared: bool
    promise: Promise | None = None

    @cached_property
    def params(self) -> SearchParams:
        """The parameters for any psycopg cursor: the query as text."""
        if isinstance(self.bound, Mapping):
            return {name: _readable(value) for name, value in self.bound.items()}
        return [_readable(value) for value in self.bound]

    @property
    def values(self) -> Params:
        """Those of them that `filter` uses."""
        if isinstance(self.bound, Mapping):
            return {k: v for k, v in self.bound.items() if k != "mrl_query"}
        return self.bound[1:]

    def with_bound(self, bound: SearchParams) -> "SearchPlan":
        """The same search for other parameters, as `bind` makes them."""
        return replace(self, bound=bound)

    def unprepared(self) -> "SearchPlan":
        """The same search, by a statement that is not prepared."""
        return replace(self, prepared=False)

    def iterative(self) -> "SearchPlan":
        """The same search with a scan that goes on past ef_search."""
        effort = replace(self.shape.effort, scan="iterative")
        plan = _plan(replace(self.shape, effort=effort), self.bound)
        return replace(plan, prepared=self.prepared, promise=self.promise)

    def more_bound(self, seen: int) -> SearchParams:
        """Parameters of `more_statement` after `seen` candidates."""
        if isinstance(self.bound, Mapping):
            return {**self.bound, "mrl_seen": seen}
        # after a look at the index it counts twice, each time under the condition
        return [seen, *2 * [*self.bound[1:], seen]]


def default_candidates(k: int) -> int:
    """Candidates when nobody says: 160, or 8 k when that is more."""
    return min(max(SAFE_CANDIDATES, 8 * k), MAX_ROWS)


def make(
    layout: IndexLayout,
    facts: Facts,
    query: VectorLike,
    options: Options,
    promise: Promise | None = None,
    session: Session = AT_REST,
) -> SearchPlan:
    """A search by one query on a table as the facts describe it.

    Raises IndexNotFound, IndexMismatch, InvalidSetting, ColumnNotFound,
    InvalidVector, or UnicodeEncodeError for text that the session's encoding
    cannot hold.
    """
    if not options.exact:
        check_ready(layout, facts)
    shape = decide(layout, facts, promised(options, promise))
    shape = replace(shape, session=session)
    plan = _plan(shape, bind(shape, query, options.params))
    return replace(plan, promise=promise)


def promised(options: Options, promise: Promise | None) -> Options:
    """The options with candidates and ef_search as a calibration has them."""
    if promise is None:
        return options
    return replace(
        options,
        candidates=promise.candidates,
        ef_search=options.ef_search or promise.ef_search,
    )


def wants_promise(options: Options) -> bool:
    """Whether a recall decides the effort: candidates that are named win.

    An exact search needs none.
    """
    return (
        options.recall is not None and options.candidates is None and not options.exact
    )


def decide(layout: IndexLayout, facts: Facts, options: Options) -> Shape:
    """Choose candidates, settings and scan; raise InvalidSetting or ColumnNotFound."""
    _check_columns(facts, options.columns)
    return Shape(
        layout=layout,
        facts=facts,
        # dead rows can starve a single scan too: `search` then scans on by itself
        effort=effort(
            options, goes_on=options.filter is not None or facts.row_security
        ),
        columns=tuple(options.columns),
        filter=None if options.filter is None else str(options.filter),
        named=options.params is None or isinstance(options.params, Mapping),
    )


def effort(options: Options, *, goes_on: bool) -> Effort:
    """Candidates and settings; `goes_on` past ef_search when that brings too few.

    Raises InvalidSetting.
    """
    candidates, ef_search = (None, None) if options.exact else _breadth(options)
    return Effort(
        k=options.k,
        candidates=candidates,
        ef_search=ef_search,
        scan=_scan(candidates, goes_on),
        max_scan_tuples=options.max_scan_tuples,
        least_scan_tuples=2 * (candidates or 0),
        scan_memory=_scan_memory(max(candidates or 0, options.max_scan_tuples or 0)),
    )


def promised_effort(options: Options) -> Effort:
    """The effort of a statement that reads the calibration itself.

    Raises InvalidSetting.
    """
    most = max(MOST_PROMISED, SAFEST * options.k)
    chosen = effort(replace(options, candidates=most), goes_on=True)
    return replace(chosen, recall=options.recall)


def bind(shape: Shape, query: VectorLike, params: Params) -> SearchParams:
    """Parameters of the statement: the query's bytes and the values of `filter`."""
    data = as_query(shape.layout, shape.facts, query)
    if isinstance(params, Mapping):
        return {**params, "mrl_query": data}
    if params is None:
        return {"mrl_query": data}
    return [data, *params]


def as_query(layout: IndexLayout, facts: Facts, query: VectorLike) -> QueryVector:
    """The query as a parameter; raises InvalidVector."""
    cosine = layout.distance == "cosine"
    vector = as_vector(query, dims=facts.full_dims, cosine=cosine)
    return QueryVector(wire(vector, facts.full_type), facts.full_type)


def _plan(shape: Shape, bound: SearchParams) -> SearchPlan:
    prepared = (
        shape.filter is None
        and not shape.facts.row_security
        and shape.session.losses < MOST_LOSSES
    )
    return SearchPlan(shape, *render.search_statements(shape), bound, prepared)


def _readable(value: Any) -> Any:
    return as_text(value.data, value.kind) if isinstance(value, QueryVector) else value


def _breadth(options: Options) -> tuple[int, int]:
    """Candidates and ef_search."""
    k, candidates, ef_search = options.k, options.candidates, options.ef_search
    candidates = default_candidates(k) if candidates is None else candidates
    if candidates < k:
        raise InvalidSetting(
            f"candidates={candidates} is below k={k}: the second pass can answer "
            "only rows that the first hands over; raise candidates"
        )
    ef_search = min(candidates, MAX_EF_SEARCH) if ef_search is None else ef_search
    if ef_search < min(candidates, MAX_EF_SEARCH):
        raise InvalidSetting(
            f"ef_search={ef_search} is below candidates={candidates}: the index "
            "would hand over fewer in silence; raise ef_search or leave it out"
        )
    return candidates, ef_search


def _scan(candidates: int | None, goes_on: bool) -> Scan:
    if candidates is None:
        return "exact"
    return "iterative" if goes_on or candidates > MAX_EF_SEARCH else "single"


def _scan_memory(tuples: int) -> int:
    return min(-(-tuples // TUPLES_IN_WORK_MEM), MAX_SCAN_MEMORY)


def _check_columns(facts: Facts, columns: Sequence[str]) -> None:
    for column in columns:
        if column not in facts.columns:
            present = ", ".join(facts.columns)
            raise ColumnNotFound(
                f"column {column!r} does not exist in {facts.schema}.{facts.table}; "
                f"there are: {present}"
            )


def check_filter(filter: Filter, params: Params) -> None:
    """Raise InvalidFilter or InvalidSetting for what is no condition, or no values."""
    check_filter_text(filter)
    check_params(filter, params)
    if isinstance(params, Mapping):
        reserved = [name for name in params if str(name).startswith("mrl_")]
        if reserved:
            raise InvalidSetting(
                f"params has {reserved[0]!r}: names that begin with mrl_ belong to "
                "the search itself; rename it"
            )


def check_count(what: str, value: int, most: int = MAX_ROWS) -> int:
    """A whole number from 1 to the most there can be; raises InvalidSetting."""
    number = arguments.whole(what, value)
    if number < 1:
        raise InvalidSetting(
            f"{what}={shown(value)} is below 1: ask for at least one row"
        )
    if number > most:
        raise InvalidSetting(
            f"{what}={shown(value)} is above {most}, the most there can be"
        )
    return number
