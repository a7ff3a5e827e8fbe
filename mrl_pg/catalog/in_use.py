"""Which index a search of a column uses, and which one stands in for a missing index.

The index in use is read once per connection and cached. Its `registry_stamp` is part
of the stamp that every such search returns, so that the next search notices a switch.
"""

from dataclasses import replace
from functools import cache
from typing import TypeAlias, TypeVar
from weakref import WeakKeyDictionary

from psycopg import sql

from mrl_pg import source
from mrl_pg.catalog.read import MISSING, TABLES, known_facts, not_installed
from mrl_pg.catalog.recent import Recent
from mrl_pg.catalog.slots import statement
from mrl_pg.errors import IndexNotFound, NotInstalled
from mrl_pg.exchange import AnyConn, Exchange, Row, look
from mrl_pg.kinds import Kind
from mrl_pg.layout import ColumnLayout, IndexInUse, IndexLayout, Searched

Layout = TypeVar("Layout", bound=IndexLayout)

Asked: TypeAlias = tuple[ColumnLayout, int | None, Kind | None]
"""A column, and the size and kind of its index, if the search named them."""

_known: WeakKeyDictionary[AnyConn, Recent[Asked, IndexInUse]] = WeakKeyDictionary()


def index_in_use(
    conn: AnyConn,
    searched: Searched,
    *,
    exact: bool,
    dims: int | None = None,
    kind: Kind | None = None,
) -> Exchange[IndexInUse]:
    """The index that a search of the column uses: the first of that size and kind.

    If there is none of these, the answer describes it all the same, and `fallback`
    finds what stands in. An exact search needs none; without one its distance is
    cosine. Raises IndexNotFound, NotInstalled, and what `known_facts` raises.
    """
    known = _known.setdefault(conn, Recent(TABLES))
    column = _column_of(searched)
    asked = (column, dims, kind)
    if (layout := known.get(asked)) is not None:
        return layout
    rows = yield from _read(searched)
    if rows[0]["dims"] is not None:
        named = (("dims", dims), ("kind", kind))
        fits = {field: value for field, value in named if value is not None}
        for row in rows:
            if fits.items() <= row.items():
                layout = _layout(IndexInUse, column, row)
                return known.put(asked, replace(layout, asked_for=bool(fits)))
        # not cached, so that it is noticed when it appears
        derived = {**rows[0], **fits, "short": "", "name": ""}
        return replace(_layout(IndexInUse, column, derived), asked_for=True)
    stamp = rows[0]["registry_stamp"]
    layout = IndexInUse(
        column.table, column.column, dims=1, schema=column.schema, registry_stamp=stamp
    )
    # raises if the table has no such column
    yield from known_facts(conn, layout)
    if not exact:
        raise IndexNotFound(
            f"{column} has no short column yet: run index.create(conn) or "
            "`mrl-pg create`, or search with exact=True"
        )
    return layout


def forget_index_in_use(conn: AnyConn, searched: Searched) -> None:
    """Drop what is cached, so that it is read again next time."""
    if (known := _known.get(conn)) is not None:
        known.drop(lambda key: key[0] == _column_of(searched))


def fallback(layout: IndexLayout) -> Exchange[IndexLayout | None]:
    """The index that stands in for one that is not there, read from the server now.

    That is the one in use, or the next in order that is usable, of the same full column
    and distance. None if there is none, or for a layout that names its index.
    """
    if isinstance(layout, IndexInUse):
        if not layout.asked_for:
            return None
    elif layout.named_by_hand:
        return None
    try:
        rows = yield from _read(layout)
    except NotInstalled:
        return None
    usable = (
        row for row in rows if row["usable"] and row["distance"] == layout.distance
    )
    row = next(usable, None)
    return None if row is None else _layout(IndexLayout, _column_of(layout), row)


def registered(column: ColumnLayout) -> Exchange[list[IndexLayout]]:
    """Every registered index of a column, the one in use first.

    Raises NotInstalled.
    """
    rows = yield from _read(column)
    return [_layout(IndexLayout, column, row) for row in rows if row["dims"]]


def column_in_use(searched: Searched) -> Exchange[ColumnLayout]:
    """The full column in use in place of this one, read from the server now."""
    (row,) = yield from _read(searched, source.statement("column_in_use").encode())
    column = row["name"] or searched.column
    return ColumnLayout(searched.table, column, searched.schema)


def _read(searched: Searched, query: bytes | None = None) -> Exchange[list[Row]]:
    names = {"table": name_of(searched), "column": searched.column}
    try:
        rows = yield from look(query or _indexes_of(), names)
    except MISSING as error:
        if not not_installed(error):
            raise
        raise NotInstalled(
            "the registry of mrl_pg says which index is in use, and this database has "
            "none: run mrl_pg.install(conn), `mrl-pg install` or psql -f "
            "sql/install.sql"
        ) from error
    return rows


def _column_of(searched: Searched) -> ColumnLayout:
    return ColumnLayout(searched.table, searched.column, searched.schema)


def name_of(searched: Searched) -> str:
    """The table's name in SQL, with its schema if that was given."""
    parts = filter(None, (searched.schema, searched.table))
    return sql.Identifier(*parts).as_string()


def _layout(kind: type[Layout], column: ColumnLayout, row: Row) -> Layout:
    names = ("dims", "kind", "distance", "short", "name", "m", "ef_construction")
    given = {name: row[name] for name in names}
    if kind is IndexInUse:
        given["registry_stamp"] = row["registry_stamp"]
    return kind(column.table, column.column, schema=column.schema, **given)


@cache
def _indexes_of() -> bytes:
    table = sql.SQL("pg_catalog.to_regclass(%(table)s)")
    stamp = statement("registry_stamp", table=table)
    return statement("indexes_of", registry_stamp=stamp).as_bytes()
