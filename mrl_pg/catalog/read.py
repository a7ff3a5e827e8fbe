"""Reads what the server says about a table, its short column and its index.

Facts are read once per connection and cached while the connection exists. Every search
also returns the current `stamp` of the table. If the stamp differs, or after any error,
`forget_facts` drops the facts, and they are read again.
"""

import re
from dataclasses import replace
from functools import cache
from typing import Any
from weakref import WeakKeyDictionary

from psycopg import errors, sql

from mrl_pg import source
from mrl_pg.catalog import slots
from mrl_pg.catalog.distribution import HASH, Distribution
from mrl_pg.catalog.facts import Facts, decide, function_of
from mrl_pg.catalog.recent import Recent
from mrl_pg.catalog.rotations import read_rotations
from mrl_pg.exchange import AnyConn, Exchange, Row, look
from mrl_pg.layout import IndexInUse, IndexLayout, Searched, TenantIndex

TABLES = 500
"""Most layouts whose facts are cached per connection."""

MISSING = (errors.UndefinedFunction, errors.UndefinedTable, errors.InvalidSchemaName)

_known: WeakKeyDictionary[AnyConn, Recent[IndexLayout, Facts]] = WeakKeyDictionary()

_renamed: WeakKeyDictionary[AnyConn, Recent[IndexLayout, IndexLayout]] = (
    WeakKeyDictionary()
)
"""Layouts whose index or short column has another name, and the layouts with that."""


def known_facts(conn: AnyConn, layout: IndexLayout) -> Exchange[Facts]:
    """Facts on the layout's table, from the server once per connection.

    Raises PgvectorMissing, PgvectorTooOld, TableNotFound, ColumnNotFound,
    NotAVectorColumn, NoPrimaryKey, or InvalidSetting for dims above the full size.
    """
    known = _known.setdefault(conn, Recent(TABLES))
    return known.get(layout) or known.put(layout, (yield from read_facts(layout)))


def read_facts(layout: IndexLayout) -> Exchange[Facts]:
    """Facts from the server now, by a few short queries; raises as `known_facts`."""
    extension = yield from look(source.statement("pgvector").encode())
    table = yield from look(_table_facts(), _table_names(layout))
    facts = decide(layout, _first(extension) or {}, _first(table))
    if facts.has_rotations:
        # after the table, so that the rotation is never older than the index
        rotations, stamp = yield from read_rotations(
            facts.table_id, facts.extension_schema
        )
        rotation = rotations.get(layout.column)
        facts = replace(facts, rotation=rotation, rotation_stamp=stamp)
    if facts.has_citus:
        distribution, stamp = yield from _read_distribution(facts.table_id)
        # as the statement of a search combines them
        facts = replace(facts, distribution=distribution, stamp=facts.stamp ^ stamp)
    if isinstance(layout, IndexInUse):
        # as the statement of a search combines them
        return replace(facts, stamp=facts.stamp ^ layout.registry_stamp)
    return facts


def _read_distribution(table_id: int) -> Exchange[tuple[Distribution | None, int]]:
    """How a table is spread, None if it is not, and a number that changes with it."""
    rows = yield from look(_distribution(), {"table_id": table_id})
    if not rows:
        return None, 0
    (row,) = rows
    hashed = row["method"] == HASH
    spread = Distribution(row["column"], max(1, row["shards"]), hashed)
    return spread, int(row["stamp"])


def read_column_facts(column: Searched) -> Exchange[Facts]:
    """Facts from the server now about a full column, whatever indexes it has."""
    names = column.table, column.column
    return (yield from read_facts(IndexLayout(*names, dims=1, schema=column.schema)))


def forget_facts(conn: AnyConn, layout: IndexLayout) -> None:
    """Drop the layout's facts, so that they are read again next time."""
    if (known := _known.get(conn)) is not None:
        known.drop(lambda key: key == layout)
    if (renamed := _renamed.get(conn)) is not None:
        renamed.drop(lambda key: key == layout)


def known_names(conn: AnyConn, layout: IndexLayout) -> IndexLayout:
    """The layout with the names that `find_names` found, else the layout itself."""
    renamed = _renamed.get(conn)
    return (renamed and renamed.get(layout)) or layout


def find_names(
    conn: AnyConn, layout: IndexLayout, facts: Facts, *, registered: bool = False
) -> Exchange[IndexLayout | None]:
    """The layout with the names that its index and short column have by now.

    The index is found by what it is: on these dimensions of the full column, of this
    kind and distance. None if there is no such index, or if it has the layout's names.
    `registered` takes only an index that the registry knows by its name.
    """
    if not facts.mrl_installed:
        return None
    parameters = {
        "table_id": facts.table_id,
        "column": layout.column,
        "dims": layout.dims,
        "kind": layout.kind,
        "operator_class": layout.operator_class,
        "registered": registered,
    }
    try:
        rows = yield from look(source.statement("find_names").encode(), parameters)
    except MISSING:
        # the database side is older than mrl_pg
        return None
    if not rows:
        return None
    name, short = rows[0]["name"], rows[0]["short"]
    found = replace(layout, name=name, short=short or layout.short)
    if found == layout:
        return None
    forget_facts(conn, found)
    return _renamed.setdefault(conn, Recent(TABLES)).put(layout, found)


def not_installed(error: errors.Error) -> bool:
    """Whether an error says that the database side of mrl_pg is missing."""
    message = error.diag.message_primary or ""
    return isinstance(error, MISSING) and bool(re.search(r'[ "]mrl[."]', message))


def _first(rows: list[Row]) -> Row | None:
    return rows[0] if rows else None


def _table_names(layout: IndexLayout) -> dict[str, Any]:
    return {
        "schema": layout.schema,
        "table": layout.table,
        "column": layout.column,
        "short": layout.short,
        "index": layout.name,
        "function": function_of(layout),
        "dims": layout.dims,
        "of_tenant": isinstance(layout, TenantIndex),
    }


@cache
def _table_facts() -> bytes:
    stamp = sql.SQL(source.statement("stamp")).format(
        table=sql.Identifier("class", "oid"),
        full=sql.Identifier("full_column", "number"),
        value=sql.Identifier("short_column", "value"),
        trigger=sql.Identifier("short_column", "trigger"),
        kept=sql.Identifier("short_column", "kept"),
        key=sql.Identifier("primary_key", "oid"),
        index=sql.SQL("pg_catalog.format('%%I.%%I', class.nspname, %(index)s)"),
    )
    ours = slots.is_short_column(
        sql.Identifier("short_column", "expression"),
        sql.SQL("%(function)s"),
        sql.SQL("%(column)s"),
        sql.SQL("%(dims)s"),
    )
    expression_ours = slots.is_short_column(
        sql.Identifier("index", "key"),
        sql.SQL("%(function)s"),
        sql.SQL("%(column)s"),
        sql.SQL("%(dims)s"),
    )
    facts = sql.SQL(source.statement("table_facts"))
    return facts.format(
        stamp=stamp, ours=ours, expression_ours=expression_ours
    ).as_bytes()


@cache
def _distribution() -> bytes:
    table = sql.SQL("%(table_id)s::pg_catalog.oid")
    stamp = slots.statement("distribution_stamp", table=table)
    return slots.statement("distribution", stamp=stamp).as_bytes()
