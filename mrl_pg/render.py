"""Templates of `sql/templates/` with their slots filled: values in, statements out."""

from collections.abc import Iterable

from psycopg import sql

from mrl_pg import source
from mrl_pg.facts import Facts
from mrl_pg.layout import IndexLayout


def template(name: str, /, **slots: sql.Composable) -> sql.Composed:
    """`sql/templates/NAME.sql` with each `{slot}` replaced by what is passed for it."""
    text = source.statement(f"templates/{name}.sql")
    return sql.SQL(text).format(**slots)


def comma(parts: Iterable[sql.Composable]) -> sql.Composed:
    """`a, b, c`."""
    return sql.SQL(", ").join(parts)


def name(*parts: str) -> sql.Identifier:
    """A name in a statement that takes parameters: a percent sign in it is doubled."""
    return sql.Identifier(*(part.replace("%", "%%") for part in parts))


def query(facts: Facts, placeholder: sql.Composable) -> sql.Composed:
    """The query parameter, cast to the type of the full column."""
    return sql.SQL("{}::{}({})").format(
        placeholder,
        sql.Identifier(facts.extension_schema, facts.full_type),
        sql.Literal(facts.full_dims),
    )


def short_value(
    layout: IndexLayout, facts: Facts, full: sql.Composable
) -> sql.Composed:
    """The short value of a full vector: the one place that says how it is computed."""
    slots: dict[str, sql.Composable] = {
        "extension": sql.Identifier(facts.extension_schema),
        "full": full,
        "dims": sql.Literal(layout.dims),
    }
    if layout.kind == "bit":
        return template("short_bits", **slots)
    return template("short_value", kind=sql.Identifier(layout.kind), **slots)


def short_type(layout: IndexLayout, facts: Facts) -> sql.Composed:
    """Type of the short column: `"public"."halfvec"(256)` or `bit(256)`."""
    kind = (
        sql.SQL("bit")
        if layout.kind == "bit"
        else sql.Identifier(facts.extension_schema, layout.kind)
    )
    return sql.SQL("{}({})").format(kind, sql.Literal(layout.dims))


def add_short_column(layout: IndexLayout, facts: Facts) -> sql.Composed:
    """`alter table … add column …` for the short column."""
    return template(
        "add_short_column",
        table=sql.Identifier(facts.schema, facts.table),
        short=sql.Identifier(layout.short),
        type=short_type(layout, facts),
        value=short_value(layout, facts, sql.Identifier(layout.column)),
    )


def create_index(layout: IndexLayout, facts: Facts) -> sql.Composed:
    """`create index … using hnsw …` on the short column."""
    return template(
        "create_index",
        index=sql.Identifier(layout.name),
        table=sql.Identifier(facts.schema, facts.table),
        short=sql.Identifier(layout.short),
        extension=sql.Identifier(facts.extension_schema),
        operator_class=sql.Identifier(layout.operator_class),
        m=sql.Literal(layout.m),
        ef_construction=sql.Literal(layout.ef_construction),
    )


def drop_index(layout: IndexLayout, facts: Facts) -> sql.Composed:
    """`drop index if exists …` for the short column's index."""
    return template("drop_index", index=sql.Identifier(facts.schema, layout.name))


def drop_short_column(layout: IndexLayout, facts: Facts) -> sql.Composed:
    """`alter table … drop column if exists …` for the short column."""
    return template(
        "drop_short_column",
        table=sql.Identifier(facts.schema, facts.table),
        short=sql.Identifier(layout.short),
    )
