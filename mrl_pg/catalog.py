"""Reads what the server says about a table, its short column and its index.

Facts are read once a connection and kept for as long as it lives: a search
sends one statement. `forget` drops them; `search` does so after any error.
"""

from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

from psycopg import AsyncConnection, AsyncCursor, Connection, Cursor
from psycopg.rows import dict_row

from mrl_pg import source
from mrl_pg.facts import Facts, decide
from mrl_pg.layout import IndexLayout

Conn: TypeAlias = Connection[Any]
AsyncConn: TypeAlias = AsyncConnection[Any]

_known: WeakKeyDictionary[Conn | AsyncConn, dict[IndexLayout, Facts]] = (
    WeakKeyDictionary()
)


def facts(conn: Conn, layout: IndexLayout) -> Facts:
    """Facts on the layout's table, from the server once a connection.

    Raises PgvectorMissing, PgvectorTooOld, TableNotFound, ColumnNotFound,
    NotAVectorColumn, NoPrimaryKey, or InvalidSetting for dims above the full size.
    """
    known = _known.setdefault(conn, {})
    if layout not in known:
        known[layout] = read(conn, layout)
    return known[layout]


async def facts_async(conn: AsyncConn, layout: IndexLayout) -> Facts:
    """The same on an asynchronous connection."""
    known = _known.setdefault(conn, {})
    if layout not in known:
        known[layout] = await read_async(conn, layout)
    return known[layout]


def forget(conn: Conn | AsyncConn, layout: IndexLayout) -> None:
    """Read the layout's facts afresh next time."""
    _known.get(conn, {}).pop(layout, None)


def read(conn: Conn, layout: IndexLayout) -> Facts:
    """Facts from the server now; two short catalog queries."""
    with Cursor(conn, row_factory=dict_row) as cursor:
        extension = cursor.execute(*_extension_query()).fetchone()
        table = cursor.execute(*_table_query(layout)).fetchone()
    return decide(layout, extension or {}, table)


async def read_async(conn: AsyncConn, layout: IndexLayout) -> Facts:
    """The same on an asynchronous connection."""
    async with AsyncCursor(conn, row_factory=dict_row) as cursor:
        extension = await (await cursor.execute(*_extension_query())).fetchone()
        table = await (await cursor.execute(*_table_query(layout))).fetchone()
    return decide(layout, extension or {}, table)


def _extension_query() -> tuple[bytes, None]:
    return source.statement("queries/pgvector.sql").encode(), None


def _table_query(layout: IndexLayout) -> tuple[bytes, dict[str, str]]:
    return source.statement("queries/table_facts.sql").encode(), {
        "schema": layout.schema,
        "table": layout.table,
        "column": layout.column,
        "short": layout.short,
        "index": layout.name,
    }
