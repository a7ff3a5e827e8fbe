"""Runs a plan, sync and async: the only place that sends a search."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, overload
from weakref import WeakKeyDictionary

from psycopg import AsyncCursor, Cursor, Pipeline, errors, pq, sql

from mrl_pg.arguments import listed
from mrl_pg.catalog import read as catalog
from mrl_pg.catalog.facts import Facts
from mrl_pg.errors import MrlError, TableError
from mrl_pg.exchange import AsyncConn, Conn, cursors, run, run_async
from mrl_pg.layout import IndexLayout
from mrl_pg.search.filter import Params, about_filter, in_text, refusal, written_out
from mrl_pg.search.plan import (
    Options,
    Queries,
    SearchParams,
    SearchPlan,
    bind,
    make,
)
from mrl_pg.search.promise import Promise
from mrl_pg.search.promised import read_promise
from mrl_pg.search.shape import Scan, Session, Shape
from mrl_pg.vectors import VectorLike

Row: TypeAlias = tuple[Any, ...]

LeftOver: TypeAlias = dict[int, bool]
"""Whether the table holds more, by the number of candidates seen."""

MOVED = (
    errors.AmbiguousFunction,
    errors.DatatypeMismatch,
    errors.FeatureNotSupported,
    errors.InvalidSchemaName,
    errors.UndefinedColumn,
    errors.UndefinedFunction,
    errors.UndefinedObject,
    errors.UndefinedTable,
    errors.DataException,
)
"""What a server says when a table has changed under a statement."""

LOST = (
    errors.DuplicatePreparedStatement,
    errors.FeatureNotSupported,
    errors.InvalidSqlStatementName,
)
"""What it says of a prepared statement that it lost, knows otherwise, or cannot run.

After a `discard all` that psycopg did not see, or through a pooler.
"""

_losses: WeakKeyDictionary[Conn | AsyncConn, int] = WeakKeyDictionary()
"""How often that was so."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One answer: its key (a tuple when composite), true distance and asked columns."""

    key: Any
    distance: float
    columns: Mapping[str, Any]

    def __getitem__(self, column: str) -> Any:
        """Value of an asked column."""
        return self.columns[column]


@dataclass(frozen=True, slots=True)
class SearchResult(Sequence[Hit]):
    """Hits, nearest first, and what the search did to find them.

    `candidates` asked of the first pass and `seen` from it, under `ef_search`;
    all None for an exact search. `cut_short` says that too few came although the
    table holds more: fewer than asked, or under a filter fewer than k. Then raise
    `max_scan_tuples` (and `work_mem`, above some 250,000), or search with
    `exact=True`. `promise` says what stands behind a recall that was asked for.
    """

    hits: tuple[Hit, ...]
    k: int
    candidates: int | None
    seen: int | None
    ef_search: int | None
    scan: Scan
    cut_short: bool
    promise: Promise | None = None

    @property
    def keys(self) -> list[Any]:
        """Keys of the hits, nearest first."""
        return [hit.key for hit in self.hits]

    @overload
    def __getitem__(self, place: int) -> Hit: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Hit, ...]: ...
    def __getitem__(self, place: int | slice) -> Hit | tuple[Hit, ...]:
        """Hit or hits by place, 0 the nearest."""
        return self.hits[place]

    def __len__(self) -> int:
        """Hits answered, at most k."""
        return len(self.hits)

    def __iter__(self) -> Iterator[Hit]:
        """Hits, nearest first."""
        return iter(self.hits)


class Stale(Exception):
    """The table is not what was known of it; known afresh, the search may do."""


def find(
    conn: Conn, layout: IndexLayout, query: VectorLike, options: Options
) -> SearchResult:
    """Answers of one search; InvalidFilter when its `filter` does not parse."""
    plan = prepare(conn, layout, query, options)
    try:
        return _run(conn, plan)
    except Stale:
        pass
    plan = prepare(conn, layout, query, options)
    return _run(conn, plan.unprepared(), last=True)


async def find_async(
    conn: AsyncConn, layout: IndexLayout, query: VectorLike, options: Options
) -> SearchResult:
    """The same on an asynchronous connection."""
    plan = await prepare_async(conn, layout, query, options)
    try:
        return await _run_async(conn, plan)
    except Stale:
        pass
    plan = await prepare_async(conn, layout, query, options)
    return await _run_async(conn, plan.unprepared(), last=True)


def find_many(
    conn: Conn, layout: IndexLayout, queries: Queries, options: Options
) -> list[SearchResult]:
    """Answers of one statement for many queries, all sent in one round trip."""
    vectors = listed(queries)
    if not vectors:
        return []
    plan = prepare(conn, layout, vectors[0], options)
    try:
        return _run_many(conn, plan, vectors, options.params)
    except Stale:
        pass
    plan = prepare(conn, layout, vectors[0], options)
    plan = plan.unprepared()
    return _run_many(conn, plan, vectors, options.params, last=True)


async def find_many_async(
    conn: AsyncConn,
    layout: IndexLayout,
    queries: Queries,
    options: Options,
) -> list[SearchResult]:
    """The same on an asynchronous connection."""
    vectors = listed(queries)
    if not vectors:
        return []
    plan = await prepare_async(conn, layout, vectors[0], options)
    try:
        return await _run_many_async(conn, plan, vectors, options.params)
    except Stale:
        pass
    plan = await prepare_async(conn, layout, vectors[0], options)
    plan = plan.unprepared()
    return await _run_many_async(conn, plan, vectors, options.params, last=True)


def fresh_plan(
    conn: Conn, layout: IndexLayout, query: VectorLike, options: Options
) -> SearchPlan:
    """The plan of a search, by what the server says now: nothing will check it."""
    catalog.forget(conn, layout)
    return prepare(conn, layout, query, options)


async def fresh_plan_async(
    conn: AsyncConn, layout: IndexLayout, query: VectorLike, options: Options
) -> SearchPlan:
    """The same on an asynchronous connection."""
    catalog.forget(conn, layout)
    return await prepare_async(conn, layout, query, options)


def prepare(
    conn: Conn, layout: IndexLayout, query: VectorLike, options: Options
) -> SearchPlan:
    """The plan of a search; what is refused is looked at once more on the server."""
    options = _in_text(conn, options)
    facts = run(conn, catalog.facts(conn, layout))
    try:
        return _decide(conn, layout, facts, query, options)
    except MrlError:
        catalog.forget(conn, layout)
        if (fresh := run(conn, catalog.facts(conn, layout))) == facts:
            raise
    return _decide(conn, layout, fresh, query, options)


async def prepare_async(
    conn: AsyncConn, layout: IndexLayout, query: VectorLike, options: Options
) -> SearchPlan:
    """The same on an asynchronous connection."""
    options = _in_text(conn, options)
    facts = await run_async(conn, catalog.facts(conn, layout))
    try:
        return await _decide_async(conn, layout, facts, query, options)
    except MrlError:
        catalog.forget(conn, layout)
        if (fresh := await run_async(conn, catalog.facts(conn, layout))) == facts:
            raise
    return await _decide_async(conn, layout, fresh, query, options)


def _decide(
    conn: Conn,
    layout: IndexLayout,
    facts: Facts,
    query: VectorLike,
    options: Options,
) -> SearchPlan:
    promise = run(conn, read_promise(conn, layout, options))
    with cursors.writable(conn):
        return make(layout, facts, query, options, promise, _session(conn))


async def _decide_async(
    conn: AsyncConn,
    layout: IndexLayout,
    facts: Facts,
    query: VectorLike,
    options: Options,
) -> SearchPlan:
    promise = await run_async(conn, read_promise(conn, layout, options))
    with cursors.writable(conn):
        return make(layout, facts, query, options, promise, _session(conn))


def _session(conn: Conn | AsyncConn) -> Session:
    return Session(cursors.encoding(conn), _losses.get(conn, 0))


def _in_text(conn: Conn | AsyncConn, options: Options) -> Options:
    if isinstance(options.filter, sql.Composable):
        return replace(options, filter=in_text(conn, options.filter))
    return options


def _run(conn: Conn, plan: SearchPlan, *, last: bool = False) -> SearchResult:
    with _failing(conn, plan, last), cursors.searching(conn) as cursor:
        cursor.execute(plan.statement, plan.bound, prepare=plan.prepared)
        return _complete(cursor, plan, fetch(cursor), {})


async def _run_async(
    conn: AsyncConn, plan: SearchPlan, *, last: bool = False
) -> SearchResult:
    with _failing(conn, plan, last):
        async with cursors.searching_async(conn) as cursor:
            await cursor.execute(plan.statement, plan.bound, prepare=plan.prepared)
            return await _complete_async(cursor, plan, await fetch_async(cursor), {})


def _run_many(
    conn: Conn,
    plan: SearchPlan,
    queries: Sequence[VectorLike],
    params: Params,
    *,
    last: bool = False,
) -> list[SearchResult]:
    batch = [bind(plan.shape, query, params) for query in queries]
    with _failing(conn, plan, last), cursors.searching(conn) as cursor:
        answers = _send_many(conn, plan, batch)
        left_over: LeftOver = {}
        return [
            _complete(cursor, plan.with_bound(bound), rows, left_over)
            for bound, rows in zip(batch, answers, strict=True)
        ]


async def _run_many_async(
    conn: AsyncConn,
    plan: SearchPlan,
    queries: Sequence[VectorLike],
    params: Params,
    *,
    last: bool = False,
) -> list[SearchResult]:
    batch = [bind(plan.shape, query, params) for query in queries]
    with _failing(conn, plan, last):
        async with cursors.searching_async(conn) as cursor:
            answers = await _send_many_async(conn, plan, batch)
            left_over: LeftOver = {}
            return [
                await _complete_async(cursor, plan.with_bound(bound), rows, left_over)
                for bound, rows in zip(batch, answers, strict=True)
            ]


def _send_many(
    conn: Conn, plan: SearchPlan, batch: Sequence[SearchParams]
) -> list[list[Row]]:
    """Rows for each of the parameters, sent in one round trip.

    `executemany` prepares its statement, so it is not for plans of their own.
    """
    with ExitStack() as stack:
        if plan.prepared:
            cursor = stack.enter_context(cursors.searching(conn))
            cursor.executemany(plan.statement, batch, returning=True)
            answers = [fetch(cursor)]
            while cursor.nextset():
                answers.append(fetch(cursor))
            return answers
        sent = [stack.enter_context(cursors.searching(conn)) for _ in batch]
        with conn.pipeline() if Pipeline.is_supported() else nullcontext():
            for cursor, bound in zip(sent, batch, strict=True):
                cursor.execute(plan.statement, bound, prepare=False)
        return [fetch(cursor) for cursor in sent]


async def _send_many_async(
    conn: AsyncConn, plan: SearchPlan, batch: Sequence[SearchParams]
) -> list[list[Row]]:
    async with AsyncExitStack() as stack:
        if plan.prepared:
            cursor = await stack.enter_async_context(cursors.searching_async(conn))
            await cursor.executemany(plan.statement, batch, returning=True)
            answers = [await fetch_async(cursor)]
            while cursor.nextset():
                answers.append(await fetch_async(cursor))
            return answers
        sent = [
            await stack.enter_async_context(cursors.searching_async(conn))
            for _ in batch
        ]
        async with conn.pipeline() if Pipeline.is_supported() else nullcontext():
            for cursor, bound in zip(sent, batch, strict=True):
                await cursor.execute(plan.statement, bound, prepare=False)
        return [await fetch_async(cursor) for cursor in sent]


def _complete(
    cursor: Cursor[Row], plan: SearchPlan, rows: list[Row], left_over: LeftOver
) -> SearchResult:
    """The result; when too few came, say whether there are more, or scan on for them.

    `left_over` remembers the answer for a batch, whose queries share one filter.
    """
    check_stamp(plan.shape, rows)
    if plan.shape.effort.scan == "exact":
        if not rows:
            cursor.execute(plan.more_statement, {}, prepare=False)
            cursor.fetchall()
            check_stamp(plan.shape, _ours(cursor.pgresult, 1))
        return result(plan, rows, False)
    seen = short_of(plan.shape, rows)
    if seen is None:
        return result(plan, rows, False)
    if seen not in left_over:
        cursor.execute(plan.more_statement, plan.more_bound(seen), prepare=False)
        cursor.fetchall()
        more = _ours(cursor.pgresult, 2)
        check_stamp(plan.shape, more)
        left_over[seen] = more[0][0] == b"t"
    if left_over[seen] and plan.shape.effort.scan == "single":
        plan = plan.iterative()
        cursor.execute(plan.statement, plan.bound, prepare=plan.prepared)
        return _complete(cursor, plan, fetch(cursor), left_over)
    return result(plan, rows, left_over[seen])


async def _complete_async(
    cursor: AsyncCursor[Row], plan: SearchPlan, rows: list[Row], left_over: LeftOver
) -> SearchResult:
    check_stamp(plan.shape, rows)
    if plan.shape.effort.scan == "exact":
        if not rows:
            await cursor.execute(plan.more_statement, {}, prepare=False)
            await cursor.fetchall()
            check_stamp(plan.shape, _ours(cursor.pgresult, 1))
        return result(plan, rows, False)
    seen = short_of(plan.shape, rows)
    if seen is None:
        return result(plan, rows, False)
    if seen not in left_over:
        await cursor.execute(plan.more_statement, plan.more_bound(seen), prepare=False)
        await cursor.fetchall()
        more = _ours(cursor.pgresult, 2)
        check_stamp(plan.shape, more)
        left_over[seen] = more[0][0] == b"t"
    if left_over[seen] and plan.shape.effort.scan == "single":
        plan = plan.iterative()
        await cursor.execute(plan.statement, plan.bound, prepare=plan.prepared)
        return await _complete_async(cursor, plan, await fetch_async(cursor), left_over)
    return result(plan, rows, left_over[seen])


def fetch(cursor: Cursor[Row]) -> list[Row]:
    """The rows: keys and columns as the caller loads them, what is ours as numbers."""
    return _with_ours(cursor.fetchall(), cursor.pgresult)


async def fetch_async(cursor: AsyncCursor[Row]) -> list[Row]:
    """The same on an asynchronous connection."""
    return _with_ours(await cursor.fetchall(), cursor.pgresult)


def _with_ours(rows: list[Row], answer: pq.abc.PGresult | None) -> list[Row]:
    """Distance, seen and stamp by themselves, however the caller loads such types."""
    return [
        (*row[:-3], float(distance), seen and int(seen), stamp)
        for row, (distance, seen, stamp) in zip(rows, _ours(answer, 3), strict=True)
    ]


def _ours(answer: pq.abc.PGresult | None, columns: int) -> list[tuple[Any, ...]]:
    """The last columns of each row, as the server wrote them."""
    if answer is None:
        return []
    places = range(answer.nfields - columns, answer.nfields)
    return [
        tuple(answer.get_value(row, place) for place in places)
        for row in range(answer.ntuples)
    ]


def check_stamp(shape: Shape, rows: Sequence[Row]) -> None:
    """Raise Stale when the table is not, or no longer, what the facts say."""
    if rows and int(rows[0][-1]) != shape.facts.stamp:
        raise Stale


def short_of(shape: Shape, rows: Sequence[Row]) -> int | None:
    """Rows seen when it must be asked whether there are more of them, else None.

    Under a filter that is only when k was not reached: counting what a filter
    lets through may cost more than the search. No rows count as none seen.
    """
    effort = shape.effort
    if effort.candidates is None:
        return None
    seen: int = rows[0][-2] if rows else 0
    filtered = shape.filter is not None or shape.facts.row_security
    return seen if seen < (effort.k if filtered else effort.candidates) else None


def result(plan: SearchPlan, rows: Sequence[Row], left_over: bool) -> SearchResult:
    """Rows of the statement as a result."""
    shape = plan.shape
    keys = len(shape.facts.keys)
    hits = tuple(
        Hit(
            key=row[0] if keys == 1 else row[:keys],
            distance=row[-3],
            columns=dict(zip(shape.columns, row[keys:-3], strict=True)),
        )
        for row in rows
    )
    effort = shape.effort
    return SearchResult(
        hits=hits,
        k=effort.k,
        candidates=effort.candidates,
        seen=None if effort.scan == "exact" else (rows[0][-2] if rows else 0),
        ef_search=effort.ef_search,
        scan=effort.scan,
        cut_short=left_over,
        promise=plan.promise,
    )


@contextmanager
def _failing(conn: Conn | AsyncConn, plan: SearchPlan, last: bool) -> Iterator[None]:
    """Forget the table's facts when they may be old; say better what can be said so.

    Raises Stale for an error that another try may mend: not inside a transaction,
    which the error has ended, and not after the `last` try.
    """
    shape = plan.shape
    try:
        yield
    except Stale:
        catalog.forget(conn, shape.layout)
        if last:
            raise TableError(
                f"{shape.layout}: the table, or the search path, changes while the "
                "search runs: search again, or give schema="
            ) from None
        raise
    except errors.Error as error:
        catalog.forget(conn, shape.layout)
        if isinstance(error, LOST) and plan.prepared:
            _losses[conn] = _losses.get(conn, 0) + 1
        idle = conn.info.transaction_status == pq.TransactionStatus.IDLE
        if isinstance(error, (*MOVED, *LOST)) and idle and not last:
            raise Stale from error
        if shape.filter is None or not about_filter(error):
            raise
        raise refusal(shape.filter, shape.facts, error) from error
    except MrlError:
        raise
    except Exception:
        # raises InvalidFilter when it is a value that cannot be written
        written_out(conn, shape.filter, plan.values, shape.facts)
        raise
