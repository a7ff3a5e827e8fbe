"""Runs a plan, sync and async: the only place that sends a search."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeAlias, overload

from psycopg import AsyncCursor, Cursor, errors, pq
from psycopg.adapt import Buffer, Dumper
from psycopg.rows import tuple_row

from mrl_pg import catalog
from mrl_pg.catalog import AsyncConn, Conn
from mrl_pg.errors import InvalidFilter
from mrl_pg.plan import QueryVector, Scan, SearchParams, SearchPlan, Shape

Row: TypeAlias = tuple[Any, ...]

NO_COLUMNS: Mapping[str, Any] = MappingProxyType({})


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
    all None for an exact search. `cut_short` says that fewer came than were
    asked although the table, under the filter, holds more: raise
    `max_scan_tuples`, or search with `exact=True`.
    """

    hits: tuple[Hit, ...]
    k: int
    candidates: int | None
    seen: int | None
    ef_search: int | None
    scan: Scan
    cut_short: bool

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


class QueryVectorDumper(Dumper):
    """Sends a query in binary with no type: the statement's own cast names it.

    So it works on a connection that never registered pgvector's types, and
    leaves the caller's adapters alone.
    """

    format = pq.Format.BINARY
    oid = 0

    def dump(self, obj: QueryVector) -> Buffer:
        """The bytes, as they are."""
        return obj.data


def run(conn: Conn, plan: SearchPlan) -> SearchResult:
    """Answers of one search; InvalidFilter when its `where` does not parse."""
    with _failing(conn, plan), open_cursor(conn) as cursor:
        cursor.execute(plan.statement, plan.params, prepare=True)
        return _complete(cursor, plan, cursor.fetchall())


async def run_async(conn: AsyncConn, plan: SearchPlan) -> SearchResult:
    """The same on an asynchronous connection."""
    with _failing(conn, plan):
        async with open_cursor_async(conn) as cursor:
            await cursor.execute(plan.statement, plan.params, prepare=True)
            return await _complete_async(cursor, plan, await cursor.fetchall())


def run_many(
    conn: Conn, plan: SearchPlan, batch: Sequence[SearchParams]
) -> list[SearchResult]:
    """Answers of one statement for many parameters, all sent in one round trip."""
    with _failing(conn, plan), open_cursor(conn) as cursor:
        cursor.executemany(plan.statement, batch, returning=True)
        answers = [part.fetchall() for part in cursor.results()]
        return [
            _complete(cursor, plan.with_params(params), rows)
            for params, rows in zip(batch, answers, strict=True)
        ]


async def run_many_async(
    conn: AsyncConn, plan: SearchPlan, batch: Sequence[SearchParams]
) -> list[SearchResult]:
    """The same on an asynchronous connection."""
    with _failing(conn, plan):
        async with open_cursor_async(conn) as cursor:
            await cursor.executemany(plan.statement, batch, returning=True)
            answers = [await part.fetchall() async for part in cursor.results()]
            return [
                await _complete_async(cursor, plan.with_params(params), rows)
                for params, rows in zip(batch, answers, strict=True)
            ]


def _complete(cursor: Cursor[Row], plan: SearchPlan, rows: list[Row]) -> SearchResult:
    """The result; when too few candidates came, say why or scan on for the rest."""
    seen = short_of(plan.shape, rows)
    if seen is None:
        return result(plan.shape, rows, False)
    cursor.execute(plan.more_statement, plan.more_params(seen))
    left_over: bool = cursor.fetchall()[0][0]
    if left_over and plan.shape.scan == "single":
        plan = plan.iterative()
        cursor.execute(plan.statement, plan.params, prepare=True)
        return _complete(cursor, plan, cursor.fetchall())
    return result(plan.shape, rows, left_over)


async def _complete_async(
    cursor: AsyncCursor[Row], plan: SearchPlan, rows: list[Row]
) -> SearchResult:
    seen = short_of(plan.shape, rows)
    if seen is None:
        return result(plan.shape, rows, False)
    await cursor.execute(plan.more_statement, plan.more_params(seen))
    left_over: bool = (await cursor.fetchall())[0][0]
    if left_over and plan.shape.scan == "single":
        plan = plan.iterative()
        await cursor.execute(plan.statement, plan.params, prepare=True)
        return await _complete_async(cursor, plan, await cursor.fetchall())
    return result(plan.shape, rows, left_over)


def short_of(shape: Shape, rows: Sequence[Row]) -> int | None:
    """Candidates seen when fewer than asked, else None; no rows count as none seen."""
    if shape.candidates is None:
        return None
    seen: int = rows[0][-1] if rows else 0
    return seen if seen < shape.candidates else None


def result(shape: Shape, rows: Sequence[Row], left_over: bool) -> SearchResult:
    """Rows of the statement as a result."""
    keys = len(shape.facts.keys)
    hits = tuple(
        Hit(
            key=row[0] if keys == 1 else row[:keys],
            distance=row[-2],
            columns=(
                MappingProxyType(dict(zip(shape.columns, row[keys:-2], strict=True)))
                if shape.columns
                else NO_COLUMNS
            ),
        )
        for row in rows
    )
    exact = shape.scan == "exact"
    return SearchResult(
        hits=hits,
        k=shape.k,
        candidates=shape.candidates,
        seen=None if exact else (rows[0][-1] if rows else 0),
        ef_search=shape.ef_search,
        scan=shape.scan,
        cut_short=left_over,
    )


@contextmanager
def _failing(conn: Conn | AsyncConn, plan: SearchPlan) -> Iterator[None]:
    """On an error, forget the table's facts; say better what can be said better."""
    try:
        yield
    except errors.Error as error:
        shape = plan.shape
        catalog.forget(conn, shape.layout)
        wrong_sql = (error.sqlstate or "").startswith(("42", "22P02"))
        wrong_params = isinstance(error, errors.ProgrammingError) and not error.sqlstate
        if shape.where is None or not (wrong_sql or wrong_params):
            raise
        reason = str(error).splitlines()[0]
        raise InvalidFilter(
            f"where={shape.where!r} cannot run: {reason}. Write a condition on columns "
            f"of {shape.facts.schema}.{shape.facts.table}, values as %(name)s with "
            "params={…} or %s with params=[…], and a literal percent sign as %%"
        ) from error


def open_cursor(conn: Conn) -> Cursor[Row]:
    """A cursor that can send query vectors; the caller's adapters stay as they are."""
    cursor = Cursor(conn, row_factory=tuple_row)
    cursor.adapters.register_dumper(QueryVector, QueryVectorDumper)
    return cursor


def open_cursor_async(conn: AsyncConn) -> AsyncCursor[Row]:
    """The same on an asynchronous connection."""
    cursor = AsyncCursor(conn, row_factory=tuple_row)
    cursor.adapters.register_dumper(QueryVector, QueryVectorDumper)
    return cursor
