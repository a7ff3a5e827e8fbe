"""What one search sends: statement, parameters, effort; decided without I/O."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mrl_pg.catalog.distribution import refuse_spread
from mrl_pg.catalog.facts import Facts, check_ready
from mrl_pg.errors import ColumnNotFound
from mrl_pg.exchange.vectors import QueryVector, QueryWords
from mrl_pg.layout import IndexLayout
from mrl_pg.search import fuse, render, spread
from mrl_pg.search.effort import Effort, decide_effort, has_bits
from mrl_pg.search.filter import Params
from mrl_pg.search.options import SearchOptions
from mrl_pg.search.promise import Promise, PromiseStep
from mrl_pg.search.shape import Shape
from mrl_pg.search.words import WordRanking
from mrl_pg.vectors import VectorLike, as_text, as_vector, wire

NO_WORDS = (
    "words cannot rank its rows, because each shard would rank its own: search by "
    "vectors, or by words on a table that is not distributed"
)

NO_RECALL = (
    "recall= needs a calibration, which shards do not have: give candidates=, or "
    "calibrate a sample in a local table as docs/citus.md shows, and give the "
    "candidates that it found"
)

MOST_LOSSES = 3
"""After so many lost prepared statements, a connection prepares no more searches."""

SearchParams: TypeAlias = "Mapping[str, Any] | Sequence[Any]"
"""Parameters of a whole statement, the query included."""


@dataclass(frozen=True, slots=True)
class Probed:
    """The parts that a search reads, as the text of an array, and their column."""

    part_column: str
    parts: QueryWords


class NoVector(Enum):
    """What a search by words alone has for a query. None is no query, as ever."""

    WORDS_ALONE = 1


@dataclass(frozen=True)
class SearchPlan:
    """One search, ready to send; `statement` and `params` also run by hand.

    `statement` takes psycopg placeholders. Unless `prepared` is true, run it with
    `prepare=False`, because under a filter or row-level security a plan made for other
    values may use an index that brings too few rows for these.

    `more_statement` tells whether the table holds more rows. It is sent only if fewer
    rows came than were wanted. `bound` are the parameters as `search` sends them, in
    binary; a hybrid search also sends its `words`. `promise` is None unless a recall
    was requested. `fallback` is true if another index stands in for one that is not
    there.
    """

    shape: Shape
    statement: bytes
    more_statement: bytes
    bound: SearchParams
    prepared: bool
    promise: Promise | None = None
    fallback: bool = False
    words: QueryWords | None = None

    @cached_property
    def params(self) -> SearchParams:
        """The parameters for any psycopg cursor: the query and the words as text."""
        if isinstance(self.sent, Mapping):
            return {name: _readable(value) for name, value in self.sent.items()}
        return [_readable(value) for value in self.sent]

    @property
    def sent(self) -> SearchParams:
        """The parameters of `statement`, in binary."""
        if self.words is None:
            return spread.repeated(self.shape, self.bound)
        alone = self.shape.words is not None and self.shape.words.weights is None
        if isinstance(self.bound, Mapping):
            rest = self.values if alone else self.bound
            return {**rest, "mrl_words": self.words}  # type: ignore[dict-item]
        # both halves have the filter
        before = [] if alone else self.bound
        return [*before, self.words, *(self.values or ())]

    @cached_property
    def settings(self) -> tuple[str, ...]:
        """What is sent first, in the same transaction; only a table of Citus needs it.

        The transaction, or a savepoint in yours, is rolled back after the search.
        """
        return spread.settings_of(self.shape) if self.shape.is_spread else ()

    @property
    def shards(self) -> int | None:
        """How many shards of a table of Citus are asked; None if that is not known."""
        return self.shape.shards

    @property
    def values(self) -> Params:
        """The parameters that `filter` uses."""
        if isinstance(self.bound, Mapping):
            ours = ("mrl_query", "mrl_parts")
            return {k: v for k, v in self.bound.items() if k not in ours}
        return self.bound[1:] if self.parts is None else self.bound[1:-1]

    @property
    def parts(self) -> tuple[int, ...] | None:
        """The parts that the first pass reads, nearest first; None if it reads all.

        Part 0, which holds the rows whose part nobody computed, is always among them.
        """
        if self.shape.part_column is None:
            return None
        named = isinstance(self.bound, Mapping)
        sent = self.bound["mrl_parts" if named else -1]  # type: ignore[index]
        return tuple(map(int, sent.text.strip("{}").split(",")))

    def with_bound(self, bound: SearchParams) -> "SearchPlan":
        """The same search for other parameters, as `bind` makes them."""
        return replace(self, bound=bound)

    def unprepared(self) -> "SearchPlan":
        """The same search, by a statement that is not prepared."""
        return replace(self, prepared=False)

    def iterative(self) -> "SearchPlan":
        """The same search with a scan that continues past ef_search."""
        return self._with(replace(self.shape.effort, scan="iterative"))

    def wider(self, step: PromiseStep) -> "SearchPlan":
        """The same search as a step of its promise has it."""
        effort = self.shape.effort.wider(step.candidates, step.ef_search, step.rerank)
        promise = self.promise and self.promise.wider(step)
        return replace(self._with(effort), promise=promise)

    def fetching(self, rows: int) -> "SearchPlan":
        """The same search that hands on so many rows, to choose its k from."""
        return self._with(self.shape.effort.fetching(rows))

    def with_words(self, ranking: WordRanking, words: QueryWords) -> "SearchPlan":
        """The same search fused with one by words, or one by words alone."""
        return self._of(replace(self.shape, words=ranking), words)

    def _with(self, effort: Effort) -> "SearchPlan":
        return self._of(replace(self.shape, effort=effort), self.words)

    def _of(self, shape: Shape, words: QueryWords | None) -> "SearchPlan":
        return replace(
            _plan(shape, self.bound),
            prepared=self.prepared,
            promise=self.promise,
            fallback=self.fallback,
            words=words,
        )

    def more_bound(self, seen: int) -> SearchParams:
        """Parameters of `more_statement` after `seen` candidates."""
        if isinstance(self.bound, Mapping):
            return {**self.bound, "mrl_seen": seen}
        if self.shape.is_spread:
            return self.bound[1:]
        # once for the index, then twice to count rows, each time after the filter's
        return [seen, *2 * [*(self.values or ()), seen]]


def make_plan(
    layout: IndexLayout,
    facts: Facts,
    query: "VectorLike | NoVector",
    options: SearchOptions,
    *,
    promise: Promise | None = None,
    probed: Probed | None = None,
    encoding: str = "utf-8",
    losses: int = 0,
) -> SearchPlan:
    """A search by one query on a table as the facts describe it.

    Without a query it is the frame of a search by words alone.

    Raises IndexNotFound, IndexMismatch, InvalidSetting, ColumnNotFound,
    InvalidVector, or UnicodeEncodeError for text that the encoding cannot hold.
    """
    if not options.exact:
        check_ready(layout, facts)
    _check_columns(facts, options.columns)
    # dead rows can leave a single scan short too; `search` then scans further itself
    goes_on = options.filter is not None or facts.row_security or probed is not None
    effort = decide_effort(options, goes_on=goes_on, promise=promise)
    effort = with_bits_in_rows(effort, layout, facts)
    if facts.distribution is not None:
        _check_spread(facts, options)
    shape = Shape(
        layout=layout,
        facts=facts,
        effort=effort,
        columns=tuple(options.columns),
        filter=None if options.filter is None else str(options.filter),
        named=options.params is None or isinstance(options.params, Mapping),
        encoding=encoding,
        losses=losses,
        part_column=None if probed is None else probed.part_column,
    )
    if shape.ends_early and not goes_on:
        shape = replace(shape, effort=effort.at_once())
    return _plan(shape, bind(shape, query, options.params, probed), promise)


def with_bits_in_rows(effort: Effort, layout: IndexLayout, facts: Facts) -> Effort:
    """The effort; without its rerank if rows have no column of bits."""
    # without a column, the bits of a row are computed from its full vector; and shards
    # send keys alone
    no_column = facts.expression_ours or facts.distribution is not None
    return effort.without_bits() if no_column or not has_bits(layout) else effort


def bind(
    shape: Shape,
    query: "VectorLike | NoVector",
    params: Params,
    probed: Probed | None = None,
) -> SearchParams:
    """Parameters of the statement: the query's bytes, the values of `filter`, parts."""
    data = None
    if not isinstance(query, NoVector):
        data = as_rotated_query(shape.layout, shape.facts, query)
    if params is None or isinstance(params, Mapping):
        parts = {} if probed is None else {"mrl_parts": probed.parts}
        return {**(params or {}), "mrl_query": data, **parts}
    return [data, *params, *([] if probed is None else [probed.parts])]


def as_query(layout: IndexLayout, facts: Facts, query: VectorLike) -> QueryVector:
    """The query as a parameter, for functions of mrl; raises InvalidVector."""
    return _sent(facts, _vector(layout, facts, query))


def as_rotated_query(
    layout: IndexLayout, facts: Facts, query: VectorLike
) -> QueryVector:
    """The query as the rows are: rotated, if these are; raises InvalidVector.

    Each search goes through this function, and no other code rotates queries. Functions
    of mrl in the database rotate their queries themselves.
    """
    return _sent(facts, rotated(facts, _vector(layout, facts, query)))


def rotated(facts: Facts, vector: NDArray[np.float32]) -> NDArray[np.float32]:
    """A vector of the model as the rows of the full column are."""
    return vector if facts.rotation is None else facts.rotation.apply(vector)


def _vector(
    layout: IndexLayout, facts: Facts, query: VectorLike
) -> NDArray[np.float32]:
    cosine = layout.distance == "cosine"
    return as_vector(query, dims=facts.full_dims, cosine=cosine)


def _sent(facts: Facts, vector: NDArray[np.float32]) -> QueryVector:
    return QueryVector(wire(vector, facts.full_type), facts.full_type)


def _plan(
    shape: Shape, bound: SearchParams, promise: Promise | None = None
) -> SearchPlan:
    prepared = (
        shape.filter is None
        and shape.part_column is None
        and not shape.facts.row_security
        and shape.losses < MOST_LOSSES
        # Citus plans for the values anyway
        and not shape.is_spread
    )
    if shape.words is not None:
        refuse_spread(shape.facts.where, shape.facts.distribution, NO_WORDS)
        statements = fuse.word_statements(shape, shape.words)
    elif shape.is_spread:
        statements = spread.spread_statements(shape)
    else:
        statements = render.search_statements(shape)
    return SearchPlan(shape, *statements, bound, prepared, promise)


def _check_spread(facts: Facts, options: SearchOptions) -> None:
    """Raise SpreadTable for what a search over shards cannot keep."""
    if options.wants_promise:
        refuse_spread(facts.where, facts.distribution, NO_RECALL)


def _readable(value: Any) -> Any:
    if isinstance(value, QueryWords):
        return value.text
    return as_text(value.data, value.kind) if isinstance(value, QueryVector) else value


def _check_columns(facts: Facts, columns: Sequence[str]) -> None:
    for column in columns:
        if column not in facts.columns:
            present = ", ".join(facts.columns)
            raise ColumnNotFound(
                f"column {column!r} does not exist in {facts.schema}.{facts.table}; "
                f"there are: {present}"
            )
