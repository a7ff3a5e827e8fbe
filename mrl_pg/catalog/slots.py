"""Templates with their slots filled, and the SQL that fills common slots."""

from collections.abc import Iterable
from functools import cache
from string import Formatter

from psycopg import sql

from mrl_pg import source
from mrl_pg.catalog.facts import Facts
from mrl_pg.kinds import KINDS
from mrl_pg.layout import IndexLayout


def template(name: str, /, **slots: sql.Composable) -> sql.Composed:
    """`sql/templates/NAME.sql` with each `{slot}` replaced by its argument."""
    return _filled(name, source.template(name), slots)


def statement(name: str, /, **slots: sql.Composable) -> sql.Composed:
    """The same for a statement under `sql/client`, by its name."""
    return _filled(name, source.statement(name), slots)


@cache
def named(text: str) -> frozenset[str]:
    """Names of the slots in a text."""
    return frozenset(slot for _, slot, *_ in Formatter().parse(text) if slot)


def _filled(name: str, text: str, slots: dict[str, sql.Composable]) -> sql.Composed:
    if slots.keys() != (known := named(text)):
        raise ValueError(
            f"{name} has the slots {sorted(known)}, but was given {sorted(slots)}"
        )
    return sql.SQL(text).format(**slots)


def comma(parts: Iterable[sql.Composable]) -> sql.Composed:
    """`a, b, c`."""
    return sql.SQL(", ").join(parts)


def name(*parts: str) -> sql.Identifier:
    """A name in a statement that takes parameters: a percent sign in it is doubled."""
    return sql.Identifier(*(part.replace("%", "%%") for part in parts))


def home(schema: str) -> sql.Composable:
    """pgvector's schema and a dot; nothing for "", so that the path decides."""
    return sql.SQL("{}.").format(sql.Identifier(schema)) if schema else sql.SQL("")


def table_of(facts: Facts) -> sql.Identifier:
    """The table in its schema, for a statement without parameters."""
    return sql.Identifier(facts.schema, facts.table)


def query(facts: Facts, placeholder: sql.Composable) -> sql.Composed:
    """The query parameter, cast to the type of the full column."""
    return sql.SQL("{}::{}({})").format(
        placeholder,
        sql.Identifier(facts.extension_schema, facts.full_type),
        sql.Literal(facts.full_dims),
    )


def short_value(
    layout: IndexLayout, extension: sql.Composable, full: sql.Composable
) -> sql.Composed:
    """The short value of a full vector. Only this function says how to compute it."""
    slots: dict[str, sql.Composable] = {
        "extension": extension,
        "full": full,
        "dims": sql.Literal(layout.dims),
    }
    kind = KINDS[layout.kind]
    if kind.of_pgvector:
        slots["kind"] = sql.Identifier(layout.kind)
    return template(kind.template, **slots)


def short_name(
    layout: IndexLayout, extension: sql.Composable, *, of_expression: bool
) -> sql.Composable:
    """What a first pass orders by: the short column, or the expression of an index.

    For a statement with parameters, because percent signs of names are doubled.
    """
    if not of_expression:
        return name(layout.short)
    return sql.SQL("({})").format(short_value(layout, extension, name(layout.column)))


def is_short_column(
    expression: sql.Composable,
    function: sql.Composable,
    full: sql.Composable,
    dims: sql.Composable,
) -> sql.Composed:
    """A condition that a column is ours, by the expression that generates it.

    `mrl._is_short_column` is the same condition inside the database.
    """
    return statement(
        "is_short_column",
        expression=expression,
        function=function,
        full=full,
        dims=dims,
    )


def short_type(layout: IndexLayout, extension: sql.Composable) -> sql.Composed:
    """Type of the short column: `"public"."halfvec"(256)` or `bit(256)`."""
    if KINDS[layout.kind].of_pgvector:
        kind = sql.SQL("{}{}").format(extension, sql.Identifier(layout.kind))
    else:
        kind = sql.SQL(layout.kind).format()
    return sql.SQL("{}({})").format(kind, sql.Literal(layout.dims))


def array(values: Iterable[object]) -> sql.Literal:
    """Numbers, or addresses of rows, as a constant that its statement casts.

    For a list, psycopg would also write the type, without its schema.
    """
    return sql.Literal("{" + ",".join(f'"{value}"' for value in values) + "}")


def regclass(layout: IndexLayout) -> sql.Literal:
    """The table's name as a literal, quoted where it must be."""
    parts = [layout.schema, layout.table] if layout.schema else [layout.table]
    return sql.Literal(sql.Identifier(*parts).as_string())


def condition(where: str | None) -> sql.Composable:
    """A further condition on lines of its own, so that a comment in it ends."""
    if where is None:
        return sql.SQL("")
    return sql.SQL("\n    and (\n{}\n    )").format(sql.SQL(where))
