"""Statements that make and drop short columns and their indexes."""

from typing import Literal

from psycopg import sql

from mrl_pg import source
from mrl_pg.catalog.slots import (
    home,
    named,
    regclass,
    short_type,
    short_value,
    statement,
    template,
)
from mrl_pg.layout import IndexLayout


def add_short_column(
    layout: IndexLayout,
    table: sql.Identifier,
    extension: sql.Composable,
    *,
    if_not_exists: bool = False,
) -> sql.Composed:
    """`alter table … add column …` for the short column."""
    return template(
        "add_short_column",
        table=table,
        if_not_exists=sql.SQL(" if not exists" if if_not_exists else ""),
        short=sql.Identifier(layout.short),
        type=short_type(layout, extension),
        value=short_value(layout, extension, sql.Identifier(layout.column)),
    )


def create_index(
    layout: IndexLayout,
    table: sql.Identifier,
    extension: sql.Composable,
    *,
    concurrently: bool = False,
) -> sql.Composed:
    """`create index … using hnsw …` on the short column, or on its expression."""
    full = sql.Identifier(layout.column)
    return template(
        "create_index",
        concurrently=_concurrently(concurrently),
        index=sql.Identifier(layout.name),
        table=table,
        short=sql.SQL("({})").format(short_value(layout, extension, full))
        if layout.keep == "expression"
        else sql.Identifier(layout.short),
        extension=extension,
        operator_class=sql.Identifier(layout.operator_class),
        m=sql.Literal(layout.m),
        ef_construction=sql.Literal(layout.ef_construction),
    )


def drop_index(index: sql.Identifier, *, concurrently: bool = False) -> sql.Composed:
    """`drop index if exists …`."""
    return template("drop_index", concurrently=_concurrently(concurrently), index=index)


def rename_index(index: sql.Identifier, new: str) -> sql.Composed:
    """`alter index … rename to …`."""
    return statement("rename_index", index=index, name=sql.Identifier(new))


def create_vector() -> sql.Composed:
    """`create extension if not exists vector`."""
    return statement("create_vector")


def drop_short_column(layout: IndexLayout, table: sql.Identifier) -> sql.Composed:
    """`alter table … drop column if exists …` for the short column."""
    return template(
        "drop_short_column", table=table, short=sql.Identifier(layout.short)
    )


def build_unseen(layout: IndexLayout, *, has_column: bool) -> list[sql.Composed]:
    """The steps of `mrl._create_steps` for a table that cannot be looked at now.

    That is `alembic upgrade --sql`, whose text runs later and somewhere else. The text
    cannot ask the database then, either: `create index concurrently` runs in no
    function and in no `do` block, and psql alone has gexec. So these are the same
    templates, filled here, with names that the search path finds.
    """
    table = sql.Identifier(*filter(None, (layout.schema, layout.table)))
    path = home("")
    build = create_index(layout, table, path, concurrently=True)
    # searches do not know the index yet
    steps = [build, call("call_check_graph", layout), call("call_register", layout)]
    if layout.keep == "trigger":
        # the server fills in where pgvector is
        before = [] if has_column else [call("call_add_kept_column", layout)]
        before.append(call("call_fill", layout))
        return [*before, build, call("call_check_values", layout), *steps[1:]]
    if has_column or layout.keep == "expression":
        return steps
    # the column of another index stays
    return [add_short_column(layout, table, path, if_not_exists=True), *steps]


def call(
    what: str,
    layout: IndexLayout,
    *,
    concurrent: bool = False,
    rebuild: "bool | Literal['short']" = False,
) -> sql.Composed:
    """`select mrl.create_index(…)` and its like: a statement of `sql/client/build.sql`.

    The server does it, so that nothing need be known of the table here.
    `rebuild="short"` allows that vector indexes of short columns alone are rebuilt.
    """
    allowed: sql.Composable = sql.Literal(rebuild)
    if rebuild == "short":
        allowed = statement("only_short", table=regclass(layout))
    slots: dict[str, sql.Composable] = {
        "table": regclass(layout),
        "column": sql.Literal(layout.column),
        "short": sql.Literal(layout.short),
        "index": sql.Literal(layout.name),
        "dims": sql.Literal(layout.dims),
        "kind": sql.Literal(layout.kind),
        "distance": sql.Literal(layout.distance),
        "m": sql.Literal(layout.m),
        "ef_construction": sql.Literal(layout.ef_construction),
        "concurrent": sql.Literal(concurrent),
        "keep": sql.Literal(layout.keep),
        "kept_as": sql.Literal(layout.keep),
        # where the graph is alike for both kinds of column
        "made_as": sql.Literal(layout.keep or "generated"),
        "rebuild": allowed,
    }
    asked = named(source.statement(what))
    return statement(what, **{name: slots[name] for name in asked})


def _concurrently(wanted: bool) -> sql.SQL:
    return sql.SQL(" concurrently") if wanted else sql.SQL("")
