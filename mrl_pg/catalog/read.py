"""Reads what the server says about a table, its short column and its index.

Facts are read once a connection and kept for as long as it lives: a search
sends one statement, which answers their `stamp` as it is now. When it is another one,
or after any error, `search` has them read again: `forget` drops them.
"""

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple, TypeAlias
from weakref import WeakKeyDictionary

from psycopg import AsyncConnection, Connection, errors, sql

from mrl_pg import source
from mrl_pg.catalog.facts import Facts, decide
from mrl_pg.catalog.recent import Recent
from mrl_pg.errors import NotInstalled
from mrl_pg.exchange import cursors
from mrl_pg.layout import IndexLayout
from mrl_pg.search.filter import about_filter, refusal
from mrl_pg.search.promise import Promise

Conn: TypeAlias = Connection[Any]
AsyncConn: TypeAlias = AsyncConnection[Any]

PROMISE_SECONDS = 60.0
"""How long a calibration that was read is believed."""

TABLES = 500
"""Layouts whose facts are kept for a connection."""

PROMISES = 500
"""Promises kept for a connection: each filter with other values has its own."""

LONGEST = 4000
"""Characters of a filter whose promise is kept: lists of keys would fill the memory."""

MISSING = (errors.UndefinedFunction, errors.UndefinedTable, errors.InvalidSchemaName)


class Asked(NamedTuple):
    """What a search asks of a calibration."""

    k: int
    recall: float
    filter: str | None
    """With its values in it."""


_known: WeakKeyDictionary[Conn | AsyncConn, Recent[IndexLayout, Facts]] = (
    WeakKeyDictionary()
)

_Promises: TypeAlias = Recent[tuple[IndexLayout, Asked], tuple[float, Promise]]
"""With each, when it is to be read again."""

_promises: WeakKeyDictionary[Conn | AsyncConn, _Promises] = WeakKeyDictionary()


def facts(conn: Conn, layout: IndexLayout) -> Facts:
    """Facts on the layout's table, from the server once a connection.

    Raises PgvectorMissing, PgvectorTooOld, TableNotFound, ColumnNotFound,
    NotAVectorColumn, NoPrimaryKey, or InvalidSetting for dims above the full size.
    """
    cursors.check(conn, waits=False)
    known = _known.setdefault(conn, Recent(TABLES))
    return known.get(layout) or known.put(layout, read(conn, layout))


async def facts_async(conn: AsyncConn, layout: IndexLayout) -> Facts:
    """The same on an asynchronous connection."""
    cursors.check(conn, waits=True)
    known = _known.setdefault(conn, Recent(TABLES))
    return known.get(layout) or known.put(layout, await read_async(conn, layout))


def promise(conn: Conn, layout: IndexLayout, asked: Asked) -> Promise:
    """What was measured for a recall, from the server once a minute and connection.

    Raises NotInstalled when the database side knows of no calibrations.
    """
    known = _promises.setdefault(conn, Recent(PROMISES))
    found = known.get((layout, asked))
    if found is None or found[0] < time.monotonic():
        about = facts(conn, layout)
        with (
            _asking(conn, layout, about, asked),
            cursors.dicts(conn) as cursor,
        ):
            row = cursor.execute(*_promise_query(about, layout, asked))
            found = _until(), _promise(asked, row.fetchone() or {})
        _keep(known, about, layout, asked, found)
    return found[1]


async def promise_async(conn: AsyncConn, layout: IndexLayout, asked: Asked) -> Promise:
    """The same on an asynchronous connection."""
    known = _promises.setdefault(conn, Recent(PROMISES))
    found = known.get((layout, asked))
    if found is None or found[0] < time.monotonic():
        about = await facts_async(conn, layout)
        async with cursors.dicts_async(conn) as cursor:
            with _asking(conn, layout, about, asked):
                await cursor.execute(*_promise_query(about, layout, asked))
            found = _until(), _promise(asked, await cursor.fetchone() or {})
        _keep(known, about, layout, asked, found)
    return found[1]


def forget(conn: Conn | AsyncConn, layout: IndexLayout) -> None:
    """Read the layout's facts afresh next time."""
    if (known := _known.get(conn)) is not None:
        known.drop(lambda key: key == layout)
    if (promises := _promises.get(conn)) is not None:
        promises.drop(lambda key: key[0] == layout)


def read(conn: Conn, layout: IndexLayout) -> Facts:
    """Facts from the server now; two short catalog queries."""
    with cursors.dicts(conn) as cursor:
        extension = cursor.execute(*_extension_query()).fetchone()
        table = cursor.execute(*_table_query(layout)).fetchone()
    return decide(layout, extension or {}, table)


async def read_async(conn: AsyncConn, layout: IndexLayout) -> Facts:
    """The same on an asynchronous connection."""
    async with cursors.dicts_async(conn) as cursor:
        extension = await (await cursor.execute(*_extension_query())).fetchone()
        table = await (await cursor.execute(*_table_query(layout))).fetchone()
    return decide(layout, extension or {}, table)


def _extension_query() -> tuple[bytes, None]:
    return source.statement("pgvector").encode(), None


def _promise_query(
    facts: Facts, layout: IndexLayout, asked: Asked
) -> tuple[bytes, dict[str, Any]]:
    return source.statement("promised").encode(), {
        "table_id": facts.table_id,
        "index_name": layout.name,
        **asked._asdict(),
    }


def _promise(asked: Asked, row: Mapping[str, Any]) -> Promise:
    return Promise(
        recall=asked.recall,
        standing=row["promise"],
        candidates=row["candidates"],
        ef_search=row["ef_search"],
        measured=row["measured"],
        low=row["low"],
    )


def _until() -> float:
    return time.monotonic() + PROMISE_SECONDS


def _keep(
    known: _Promises,
    facts: Facts,
    layout: IndexLayout,
    asked: Asked,
    found: tuple[float, Promise],
) -> None:
    # what a policy lets through may be another's by the next search
    if facts.row_security or len(asked.filter or "") > LONGEST:
        return
    known.put((layout, asked), found)


@contextmanager
def _asking(
    conn: Conn | AsyncConn, layout: IndexLayout, facts: Facts, asked: Asked
) -> Iterator[None]:
    try:
        yield
    except errors.Error as error:
        # of a table that is another one by now, perhaps
        forget(conn, layout)
        if not_installed(error):
            raise NotInstalled(
                "recall= needs the calibrations of mrl_pg 0.2 or later in this "
                "database: run mrl_pg.install(conn), `mrl-pg install` or psql -f "
                "sql/install.sql"
            ) from error
        # the planner is asked how many rows it lets through
        if asked.filter is None or not about_filter(error):
            raise
        raise refusal(asked.filter, facts, error) from error


def not_installed(error: errors.Error) -> bool:
    """Whether the server misses what the database side of mrl_pg brings."""
    said = error.diag.message_primary or ""
    return isinstance(error, MISSING) and bool(re.search(r'[ "]mrl[."]', said))


def _table_query(layout: IndexLayout) -> tuple[bytes, dict[str, str]]:
    return _table_facts(), {
        "schema": layout.schema,
        "table": layout.table,
        "column": layout.column,
        "short": layout.short,
        "index": layout.name,
    }


@cache
def _table_facts() -> bytes:
    stamp = sql.SQL(source.statement("stamp")).format(
        table=sql.Identifier("class", "oid"),
        full=sql.Identifier("full_column", "number"),
        value=sql.Identifier("short_column", "value"),
        key=sql.Identifier("primary_key", "oid"),
        index=sql.SQL("pg_catalog.format('%%I.%%I', space.nspname, %(index)s)"),
    )
    facts = sql.SQL(source.statement("table_facts"))
    return facts.format(stamp=stamp).as_bytes()
