"""The result of a search by words, and how it is read from its statement's rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mrl_pg.exchange import FoundRows
from mrl_pg.search.plan import SearchPlan
from mrl_pg.search.result import Found, Result, key_and_columns, own_columns
from mrl_pg.search.shape import Shape
from mrl_pg.search.stale import check_stamp


@dataclass(frozen=True, slots=True)
class HybridHit:
    """One answer: key (a tuple if composite), score, distance, ranks, columns.

    `score` is the fused one. `distance` is the true distance also of a row that only
    the words found; None if the row has no vector. `vector_rank` and `word_rank` count
    from 1; None where that half did not find the row.

    In a search by words alone, `score` is the row's relevance, and both `distance` and
    `vector_rank` are None.
    """

    key: Any
    score: float
    distance: float | None
    vector_rank: int | None
    word_rank: int | None
    columns: Mapping[str, Any]

    def __getitem__(self, column: str) -> Any:
        """Value of a requested column."""
        return self.columns[column]


@dataclass(frozen=True, slots=True)
class HybridResult(Result[HybridHit]):
    """Hits, best first, and what the search by vectors did to find its half.

    Each half ranked up to `fetch` rows. All other fields are those of `SearchResult`,
    about the search by vectors: `promise` and `cut_short` are about the k nearest rows.
    Of the words every row that matches is ranked. In a search by words alone they are
    those of an exact search.

    `last_distance` is that of the k-th nearest row, whether it is a hit or not; None if
    fewer came.
    """

    fetch: int = field(kw_only=True)
    last_distance: float | None = field(kw_only=True, repr=False)

    def farthest(self) -> float | None:
        """Distance of the k-th nearest row; None if fewer came."""
        return self.last_distance


@dataclass(frozen=True, slots=True)
class HybridFound(Found[HybridResult]):
    """The answer to the statement of a hybrid search."""

    hits: tuple[HybridHit, ...]
    last_distance: float | None

    def result(self, plan: SearchPlan, *, cut_short: bool) -> HybridResult:
        """The result for the caller."""
        effort = plan.shape.effort
        return HybridResult(
            hits=self.hits,
            k=effort.k,
            fetch=effort.limit,
            last_distance=self.last_distance,
            **self.summary(plan, cut_short),
        )


def read_hybrid(shape: Shape, answer: FoundRows) -> HybridFound:
    """Hits whose keys and columns are read by the caller's loaders.

    A row without a score is no hit. It is there so that an answer without hits, too,
    says what the vectors found. Raises Stale.
    """
    names = ("score", "distance", "vector_rank", "word_rank")
    ours = own_columns(answer, *names, "came", "farthest", "seen", "stamp")
    first = ours[0]
    check_stamp(shape, int(first["stamp"]))
    hits = tuple(
        HybridHit(
            score=float(own["score"]),
            distance=_number(own["distance"]),
            vector_rank=_count(own["vector_rank"]),
            word_rank=_count(own["word_rank"]),
            **key_and_columns(shape, row),
        )
        for row, own in zip(answer.rows, ours, strict=True)
        if own["score"] is not None
    )
    full = int(first["came"]) >= shape.effort.k
    return HybridFound(
        seen=None if shape.effort.scan == "exact" else int(first["seen"]),
        stamped=True,
        hits=hits,
        last_distance=float(first["farthest"]) if full else None,
    )


def read_by_words(shape: Shape, answer: FoundRows) -> HybridFound:
    """Hits of a search by words alone; raises Stale."""
    ours = own_columns(answer, "score", "word_rank", "stamp")
    for own in ours[:1]:
        check_stamp(shape, int(own["stamp"]))
    hits = tuple(
        HybridHit(
            score=float(own["score"]),
            distance=None,
            vector_rank=None,
            word_rank=int(own["word_rank"]),
            **key_and_columns(shape, row),
        )
        for row, own in zip(answer.rows, ours, strict=True)
    )
    return HybridFound(seen=None, stamped=bool(ours), hits=hits, last_distance=None)


def _number(value: bytes | None) -> float | None:
    return None if value is None else float(value)


def _count(value: bytes | None) -> int | None:
    return None if value is None else int(value)
