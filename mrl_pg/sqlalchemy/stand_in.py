"""Searches by another index of a column while the declared one is not there.

A statement is put together without a look at the database. So an engine that is
registered with `fallback=True` reads the registry when it first connects, and compiles
searches for what is there.
"""

import logging
import time
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Dialect, Engine, event
from sqlalchemy.exc import DBAPIError

from mrl_pg.index import MatryoshkaIndex
from mrl_pg.layout import IndexLayout, TenantIndex
from mrl_pg.sqlalchemy.hits import HITS
from mrl_pg.sqlalchemy.reflect import Registered, readable, registered

SECONDS = 10.0
"""How often the registry is read again while a declared index is missing."""

log = logging.getLogger("mrl_pg.sqlalchemy")


@dataclass(slots=True)
class Known:
    """What the registry of an engine's database had when it was read last."""

    found: tuple[Registered, ...] = ()
    read_at: float | None = None
    missing: bool = False
    failed: bool = False

    @property
    def is_old(self) -> bool:
        """Whether to read the registry again."""
        if self.read_at is None or self.failed:
            return True
        return self.missing and time.monotonic() - self.read_at >= SECONDS


_known: WeakKeyDictionary[Dialect, Known] = WeakKeyDictionary()


def listen(engine: Engine | type[Engine]) -> None:
    """Have an engine, or all, search by what is there."""
    event.listen(engine, "engine_connect", _connected)
    event.listen(engine, "handle_error", _failed)


def usable(dialect: Dialect, layout: IndexLayout, translated: bool) -> IndexLayout:
    """The layout, or that of another usable index of its column if it is not there.

    If `translated`, SQLAlchemy writes the schema later, and keeps the statement for all
    schemas. So an index counts if it is usable in each schema that has such a table.
    """
    known = _known.get(dialect)
    # an index of a tenant was there when the statement was made, and none stands in
    if known is None or isinstance(layout, TenantIndex):
        return layout
    tables: dict[str, list[MatryoshkaIndex]] = {}
    for found in known.found:
        index = found.index
        if (index.table, index.column) != (layout.table, layout.column):
            continue
        here = index.schema == layout.schema if layout.schema else found.visible
        if translated or here:
            of_table = tables.setdefault(index.schema, [])
            of_table += [index] if found.usable else []
    first, *rest = tables.values() or [[]]
    everywhere = [
        index
        for index in first
        if all(any(_same(index, other) for other in others) for others in rest)
    ]
    if any(_same(index, layout) for index in everywhere):
        return layout
    others = [index for index in everywhere if index.distance == layout.distance]
    if not others:
        return layout
    known.missing = True
    log.warning("%s is not there yet: searches use %s", layout, others[0].name)
    return replace(others[0], schema=layout.schema)


def _same(index: IndexLayout, layout: IndexLayout) -> bool:
    """Whether a search for one of them finds the other."""
    return (index.dims, index.kind, index.distance, index.short) == (
        layout.dims,
        layout.kind,
        layout.distance,
        layout.short,
    ) and (index.keep or "generated") == (layout.keep or "generated")


def _connected(connection: Connection) -> None:
    """Read the registry when an engine first connects, and again if it is old."""
    known = _known.setdefault(connection.dialect, Known())
    if connection.dialect.name != "postgresql" or not known.is_old:
        return
    # before the query, so that other threads do not read it, too
    known.read_at, known.failed = time.monotonic(), False
    try:
        found = tuple(registered(connection)) if readable(connection) else ()
    except DBAPIError as error:
        log.warning("mrl_pg's registry cannot be read: %s", error.orig)
        found = known.found
    # the caller begins a transaction of its own
    connection.rollback()
    if found != known.found:
        known.found, known.missing = found, False
        # statements that were compiled for what was there before
        connection.engine.clear_compiled_cache()


def _failed(context: Any) -> None:
    """Have the registry read again after a search that failed on a missing column."""
    state = getattr(context.original_exception, "sqlstate", None)
    said = str(context.statement or "")
    if state == "42703" and HITS.name in said and context.engine is not None:
        _known.setdefault(context.engine.dialect, Known()).failed = True
