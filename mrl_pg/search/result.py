"""The result of a search, and how it is read from the rows of the statement."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, overload

from mrl_pg.exchange import FoundRows
from mrl_pg.search.effort import Scan
from mrl_pg.search.plan import SearchPlan
from mrl_pg.search.promise import Promise, PromiseStep
from mrl_pg.search.shape import Shape
from mrl_pg.search.stale import check_stamp


@dataclass(frozen=True, slots=True)
class Hit:
    """One answer: key (a tuple if composite), true distance and requested columns."""

    key: Any
    distance: float
    columns: Mapping[str, Any]

    def __getitem__(self, column: str) -> Any:
        """Value of a requested column."""
        return self.columns[column]


@dataclass(frozen=True, slots=True)
class SearchResult(Sequence[Hit]):
    """Hits, nearest first, and what the search did to find them.

    `candidates` were wanted from the first pass and `seen` came, with `ef_search`, of
    which `reranked` were read in full; all four are None for an exact search.
    `cut_short` is true if too few came although the table holds more: fewer than
    `candidates`, or with a filter fewer than k. Then let the scan visit more rows, as
    the options of `search` explain, or search with `exact=True`. `promise` says
    whether the calibration supports a requested recall.

    `index_name` is the index that answered, None for an exact search. `fallback` is
    true if another index was named, which is not there. `filtered` is true if a filter
    or row-level security let only some rows through.
    """

    hits: tuple[Hit, ...]
    k: int
    candidates: int | None
    seen: int | None
    ef_search: int | None
    scan: Scan
    cut_short: bool
    promise: Promise | None = None
    index_name: str | None = None
    fallback: bool = False
    filtered: bool = False
    reranked: int | None = None

    @property
    def keys(self) -> list[Any]:
        """Keys of the hits, nearest first."""
        return [hit.key for hit in self.hits]

    @overload
    def __getitem__(self, place: int) -> Hit: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Hit, ...]: ...
    def __getitem__(self, place: int | slice) -> Hit | tuple[Hit, ...]:
        """Hit or hits by place; 0 is the nearest."""
        return self.hits[place]

    def __len__(self) -> int:
        """Number of hits, at most k."""
        return len(self.hits)

    def __iter__(self) -> Iterator[Hit]:
        """Hits, nearest first."""
        return iter(self.hits)


@dataclass(frozen=True, slots=True)
class Found:
    """The answer to a search's statement.

    `seen` candidates came from the first pass: 0 without hits, None if exact.
    """

    hits: tuple[Hit, ...]
    seen: int | None

    def is_short(self, shape: Shape) -> bool:
        """Whether so few came that the search must check if the table holds more.

        With a filter, only if fewer than k came, because counting the rows that a
        filter lets through may cost more than the search.
        """
        effort = shape.effort
        if effort.candidates is None or self.seen is None:
            return False
        filtered = shape.filter is not None or shape.facts.row_security
        return self.seen < (effort.k if filtered else effort.candidates)

    def result(self, plan: SearchPlan, *, cut_short: bool) -> SearchResult:
        """The result for the caller."""
        effort = plan.shape.effort
        return SearchResult(
            hits=self.hits,
            k=effort.k,
            candidates=effort.candidates,
            seen=self.seen,
            ef_search=effort.ef_search,
            scan=effort.scan,
            cut_short=cut_short,
            promise=plan.promise,
            index_name=None if effort.scan == "exact" else plan.shape.layout.name,
            fallback=plan.fallback,
            filtered=plan.shape.filter is not None or plan.shape.facts.row_security,
            reranked=self._reranked(effort.rerank),
        )

    def _reranked(self, rerank: int | None) -> int | None:
        if self.seen is None or rerank is None:
            return self.seen
        return min(self.seen, rerank)


def needed_step(result: SearchResult) -> PromiseStep | None:
    """The search that an answer so far away needs; None if this one is enough."""
    if result.promise is None or len(result) < result.k:
        return None
    step = result.promise.step(result.hits[-1].distance)
    taken = result.candidates, result.ef_search
    return None if step and (step.candidates, step.ef_search) == taken else step


def with_promise(result: SearchResult) -> SearchResult:
    """The result with what is promised for an answer so far away."""
    if result.promise is None or len(result) < result.k:
        return result
    return replace(result, promise=result.promise.given(result.hits[-1].distance))


def read_found(shape: Shape, answer: FoundRows) -> Found:
    """Hits whose keys and columns are read by the caller's loaders.

    Raises Stale.
    """
    ours = own_columns(answer, "distance", "seen", "stamp")
    if not ours:
        return Found((), None if shape.effort.scan == "exact" else 0)
    check_stamp(shape, int(ours[0]["stamp"]))
    seen = ours[0]["seen"]
    keys, end = len(shape.facts.keys), len(shape.facts.keys) + len(shape.columns)
    hits = tuple(
        Hit(
            key=row[0] if keys == 1 else row[:keys],
            distance=float(own["distance"]),
            columns=dict(zip(shape.columns, row[keys:end], strict=True)),
        )
        for row, own in zip(answer.rows, ours, strict=True)
    )
    return Found(hits, None if seen is None else int(seen))


def read_more(shape: Shape, answer: FoundRows) -> bool:
    """Whether `more_statement` found further rows; raises Stale."""
    (own,) = own_columns(answer, "more", "stamp")
    check_stamp(shape, int(own["stamp"]))
    more: bool = own["more"] == b"t"
    return more


def read_stamp(shape: Shape, answer: FoundRows) -> None:
    """Raise Stale unless the stamp, the only row, equals that of the facts."""
    (own,) = own_columns(answer, "stamp")
    check_stamp(shape, int(own["stamp"]))


def own_columns(answer: FoundRows, *names: str) -> list[dict[str, Any]]:
    """The last columns of each row by name, as the server wrote them.

    They are raw, because the caller may have registered loaders for their types.
    """
    result = answer.result
    if result is None:
        return []
    places = list(enumerate(names, result.nfields - len(names)))
    return [
        {name: result.get_value(row, place) for place, name in places}
        for row in range(result.ntuples)
    ]
