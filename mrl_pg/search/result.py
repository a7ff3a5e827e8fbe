"""The result of a search, and how it is read from the rows of the statement."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, Protocol, TypeVar, overload

from mrl_pg.catalog.rotations import unrotated
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


class HasKey(Protocol):
    """A hit of any search."""

    @property
    def key(self) -> Any:
        """The primary key, a tuple if it has several columns."""


AnyHit = TypeVar("AnyHit", bound=HasKey)


@dataclass(frozen=True, slots=True)
class Result(Sequence[AnyHit], ABC):
    """Hits in their order, and what the search did to find them.

    `candidates` were wanted from the first pass and `seen` came, with `ef_search`, of
    which `reranked` were read in full; all four are None for an exact search.
    `cut_short` is true if too few came although the table holds more: fewer than
    `candidates`, or with a filter fewer than k. Then let the scan visit more rows, as
    the options of `search` explain, or search with `exact=True`. `promise` says
    whether the calibration supports a requested recall.

    `index_name` is the index that answered, None for an exact search. `fallback` is
    true if another index was named, which is not there. `filtered` is true if a filter
    or row-level security let only some rows through.

    `parts` are the partitions that the first pass read, if `probes` chose them, and
    part 0, whose rows nobody routed. None means all. If fewer than k rows came from
    these and the table has more, it is `cut_short`, and more probes find them.

    `shards` is how many shards of a table of Citus were asked, and `ef_search` is then
    that of each. It is None for other tables, and if the filter may have left out some
    shards and does not say plainly which.
    """

    hits: tuple[AnyHit, ...]
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
    shards: int | None = None
    parts: tuple[int, ...] | None = None

    @property
    def keys(self) -> list[Any]:
        """Keys of the hits, in their order."""
        return [hit.key for hit in self.hits]

    @abstractmethod
    def farthest(self) -> float | None:
        """Distance of the k-th nearest row; None if fewer came."""

    @overload
    def __getitem__(self, place: int) -> AnyHit: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[AnyHit, ...]: ...
    def __getitem__(self, place: int | slice) -> AnyHit | tuple[AnyHit, ...]:
        """Hit or hits by place; 0 is the first."""
        return self.hits[place]

    def __len__(self) -> int:
        """Number of hits, at most k."""
        return len(self.hits)

    def __iter__(self) -> Iterator[AnyHit]:
        """Hits in their order."""
        return iter(self.hits)


@dataclass(frozen=True, slots=True)
class SearchResult(Result[Hit]):
    """Hits, nearest first, and what the search did to find them.

    The fields are those of `Result`.
    """

    def farthest(self) -> float | None:
        """Distance of the k-th hit; None if fewer came."""
        return self.hits[self.k - 1].distance if len(self) >= self.k else None


AnyResult = TypeVar("AnyResult", bound=Result[Any])


@dataclass(frozen=True, slots=True)
class Found(ABC, Generic[AnyResult]):
    """The answer to a search's statement.

    `seen` candidates came from the first pass: 0 without hits, None if exact. `stamped`
    if a row brought the stamp of the table.
    """

    seen: int | None
    stamped: bool

    @abstractmethod
    def result(self, plan: SearchPlan, *, cut_short: bool) -> AnyResult:
        """The result for the caller."""

    def is_short(self, shape: Shape) -> bool:
        """Whether so few came that the search must check if the table holds more.

        With a filter, only if fewer than k came, because counting the rows that a
        filter lets through may cost more than the search.
        """
        if shape.effort.candidates is None or self.seen is None:
            return False
        return self.seen < (shape.wanted or 0)

    def summary(self, plan: SearchPlan, cut_short: bool) -> dict[str, Any]:
        """The fields of `Result` but the hits and their number."""
        effort = plan.shape.effort
        return {
            "candidates": effort.candidates,
            "seen": self.seen,
            "ef_search": plan.shape.width,
            "scan": effort.scan,
            "cut_short": cut_short,
            "promise": plan.promise,
            "index_name": None if effort.scan == "exact" else plan.shape.layout.name,
            "fallback": plan.fallback,
            "filtered": plan.shape.filter is not None or plan.shape.facts.row_security,
            "reranked": self._reranked(effort.rerank),
            "shards": plan.shards,
            "parts": plan.parts,
        }

    def _reranked(self, rerank: int | None) -> int | None:
        if self.seen is None or rerank is None:
            return self.seen
        return min(self.seen, rerank)


@dataclass(frozen=True, slots=True)
class NearestFound(Found[SearchResult]):
    """The answer to the statement of `search`."""

    hits: tuple[Hit, ...]

    def result(self, plan: SearchPlan, *, cut_short: bool) -> SearchResult:
        """The result for the caller."""
        fields = self.summary(plan, cut_short)
        return SearchResult(hits=self.hits, k=plan.shape.effort.k, **fields)


def needed_step(result: Result[Any]) -> PromiseStep | None:
    """The search that an answer so far away needs; None if this one is enough."""
    farthest = result.farthest()
    if result.promise is None or farthest is None:
        return None
    step, promise = result.promise.step(farthest), result.promise
    if step is None or result.candidates is None or result.ef_search is None:
        return step
    enough = (
        result.candidates >= step.candidates
        and result.ef_search >= step.ef_search
        and (promise.rerank or result.candidates) >= (step.rerank or step.candidates)
    )
    return None if enough else step


def with_promise(result: AnyResult) -> AnyResult:
    """The result with what is promised for an answer so far away."""
    farthest = result.farthest()
    if result.promise is None or farthest is None:
        return result
    return replace(result, promise=result.promise.given(farthest))


def read_found(shape: Shape, answer: FoundRows) -> NearestFound:
    """Hits whose keys and columns are read by the caller's loaders.

    Raises Stale.
    """
    ours = own_columns(answer, "distance", "seen", "stamp")
    if not ours:
        return NearestFound(None if shape.effort.scan == "exact" else 0, False, ())
    if not shape.is_spread:
        check_stamp(shape, int(ours[0]["stamp"]))
    seen = ours[0]["seen"]
    hits = tuple(
        Hit(distance=float(own["distance"]), **key_and_columns(shape, row))
        for row, own in zip(answer.rows, ours, strict=True)
    )
    return NearestFound(None if seen is None else int(seen), True, hits)


def key_and_columns(shape: Shape, row: Sequence[Any]) -> dict[str, Any]:
    """The key and the requested columns of a hit, as fields of it."""
    keys = len(shape.facts.keys)
    values = row[keys : keys + len(shape.columns)]
    columns = dict(zip(shape.columns, values, strict=True))
    rotation, full = shape.facts.rotation, shape.layout.column
    if rotation is not None and full in columns:
        columns[full] = unrotated(columns[full], rotation)
    return {
        "key": row[0] if keys == 1 else tuple(row[:keys]),
        "columns": columns,
    }


def read_more(shape: Shape, answer: FoundRows, seen: int) -> bool:
    """Whether `more_statement` found more rows than were seen; raises Stale."""
    if shape.is_spread:
        return len(answer.rows) > seen
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
