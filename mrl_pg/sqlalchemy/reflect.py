"""Reads from a database which short columns mrl_pg registered there."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from psycopg import sql
from sqlalchemy import Connection, Engine, MetaData, Table, event

from mrl_pg import source
from mrl_pg.catalog import slots
from mrl_pg.index import MatryoshkaIndex
from mrl_pg.sqlalchemy.create import installed_version
from mrl_pg.sqlalchemy.declare import INFO, Declaration, listen_to
from mrl_pg.sqlalchemy.driver import send


@dataclass(frozen=True, slots=True)
class Registered:
    """A short column that the registry lists; `usable` if its index is built.

    The schema of `index` is the server's and never empty. `visible` if the search path
    finds the table without it. Columns have their present names; `up_to_date` unless
    the registry still has older names. `rotated` if its full column is.
    """

    index: MatryoshkaIndex
    usable: bool
    visible: bool
    up_to_date: bool = True
    rotated: bool = False


def registered(
    connection: Connection, table: str | None = None, schema: str | None = None
) -> list[Registered]:
    """Short columns of one table, or of all, by table and age; none without mrl_pg."""
    if installed_version(connection) is None:
        return []
    return _read(connection, table, schema)


def _read(
    connection: Connection, table: str | None, schema: str | None
) -> list[Registered]:
    name: sql.Composable = sql.NULL
    if table is not None:
        parts = [schema, table] if schema else [table]
        name = sql.Literal(sql.Identifier(*parts).as_string())
    # each driver writes parameters in its own way
    rows = send(connection, slots.statement("registered", table=name).as_string())
    return [
        Registered(
            index=MatryoshkaIndex(
                row["table"],
                row["column"],
                dims=row["dims"],
                kind=row["kind"],
                distance=row["distance"],
                m=row["m"],
                ef_construction=row["ef_construction"],
                schema=row["schema"],
                short=row["short"],
                name=row["name"],
                keep=row["kept_as"],
            ),
            usable=row["usable"],
            visible=row["visible"],
            up_to_date=row["up_to_date"],
            rotated=row["rotated"],
        )
        for row in rows.mappings()
    ]


def readable(connection: Connection) -> bool:
    """Whether this role may read the registry; False if there is none."""
    return bool(send(connection, _READABLE).scalar_one())


def listen(tables: MetaData | type[Table]) -> None:
    """Have tables of a MetaData, or all, find their declarations when reflected."""
    event.listen(tables, "column_reflect", _reflect)


def _reflect(inspector: Any, table: Table, column_info: Any) -> None:
    """Give a reflected vector column the declarations of the registry."""
    named = type(column_info["type"]).__name__
    if named not in ("VECTOR", "HALFVEC") or inspector.dialect.driver not in _DRIVERS:
        return
    if INFO in column_info.get("info", {}):
        return
    with _connected(inspector.bind) as connection:
        # a role that may not read the registry can still reflect its tables
        if not readable(connection):
            return
        found = _read(connection, table.name, table.schema)
    declared = [
        Declaration(
            known.index.dims,
            known.index.kind,
            known.index.distance,
            known.index.m,
            known.index.ef_construction,
            known.index.short,
            known.index.name,
            known.index.keep or "generated",
            known.rotated,
        )
        for known in found
        if known.index.column == column_info["name"]
    ]
    if declared:
        info = column_info.setdefault("info", {})
        info[INFO] = tuple(declared)
        listen_to(table)


@contextmanager
def _connected(bind: Engine | Connection) -> Iterator[Connection]:
    if isinstance(bind, Connection):
        yield bind
    else:
        with bind.connect() as connection:
            yield connection


_DRIVERS = ("psycopg", "psycopg_async", "asyncpg")
_READABLE = source.statement("readable")
