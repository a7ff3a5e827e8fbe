"""Refuses searches of tables that Citus spreads over machines.

A Select is one statement. It cannot say how widely other machines search, so each shard
would search as widely as its own defaults say.
"""

import logging
import time
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Dialect, Engine, event
from sqlalchemy.exc import DBAPIError

from mrl_pg import source
from mrl_pg.errors import SpreadTable
from mrl_pg.sqlalchemy.driver import send

SECONDS = 10.0
"""How often a database with Citus is asked which tables it spreads."""


log = logging.getLogger("mrl_pg.sqlalchemy")


@dataclass(slots=True)
class ShardedTables:
    """The tables that Citus spreads, by name, and when the database was asked last.

    `citus` is None until the first connection says whether the database has it.
    """

    tables: frozenset[str] = frozenset()
    citus: bool | None = None
    read_at: float = 0.0


_known: WeakKeyDictionary[Dialect, ShardedTables] = WeakKeyDictionary()


def listen(engine: Engine | type[Engine]) -> None:
    """Have an engine, or all, know which tables are spread."""
    event.listen(engine, "engine_connect", _connected)


def check_whole(dialect: Dialect, table: Any) -> None:
    """Raise SpreadTable for a table that Citus spreads, as far as is known."""
    known = _known.get(dialect)
    if known is None or table.name not in known.tables:
        return
    raise SpreadTable(
        f"{table.fullname} is a table of Citus, and a Select cannot hand its settings "
        "on to the shards: search by MatryoshkaColumn.search on a connection of "
        "psycopg, and select the rows by the keys that it finds"
    )


def _connected(connection: Connection) -> None:
    """Ask once whether there is Citus, and where there is, now and then for tables."""
    if connection.dialect.name != "postgresql":
        return
    known = _known.setdefault(connection.dialect, ShardedTables())
    if known.citus is False or (
        known.citus and time.monotonic() - known.read_at < SECONDS
    ):
        return
    known.read_at = time.monotonic()
    try:
        if known.citus is None:
            (row,) = send(connection, source.statement("has_citus")).mappings()
            known.citus = row["there"]
        found = _spread_tables(connection) if known.citus else known.tables
    except DBAPIError as error:
        log.warning("the catalog of Citus cannot be read: %s", error.orig)
        found = known.tables
    # the caller begins a transaction of its own
    connection.rollback()
    if found != known.tables:
        known.tables = found
        # statements that were compiled before
        connection.engine.clear_compiled_cache()


def _spread_tables(connection: Connection) -> frozenset[str]:
    rows = send(connection, source.statement("spread_tables")).mappings()
    return frozenset(row["name"] for row in rows)
