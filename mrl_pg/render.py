"""Templates of `sql/` with their slots filled: values in, statements out."""

import zlib
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache

from psycopg import sql

from mrl_pg import source
from mrl_pg.facts import Facts
from mrl_pg.layout import IndexLayout
from mrl_pg.shape import Shape


def template(name: str, /, **slots: sql.Composable) -> sql.Composed:
    """`sql/templates/NAME.sql` with each `{slot}` replaced by what is passed for it."""
    return sql.SQL(source.template(name)).format(**slots)


def statement(name: str, /, **slots: sql.Composable) -> sql.Composed:
    """The same of `sql/statements/NAME.sql`, which Python alone uses."""
    return sql.SQL(source.statement(f"statements/{name}.sql")).format(**slots)


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
        concurrently=sql.SQL(""),
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
    return template(
        "drop_index",
        concurrently=sql.SQL(""),
        index=sql.Identifier(facts.schema, layout.name),
    )


def drop_short_column(layout: IndexLayout, facts: Facts) -> sql.Composed:
    """`alter table … drop column if exists …` for the short column."""
    return template(
        "drop_short_column",
        table=sql.Identifier(facts.schema, facts.table),
        short=sql.Identifier(layout.short),
    )


_OF_QUERY = sql.SQL("(select {} from mrl_query)")


@lru_cache(maxsize=512)
def search_statements(shape: Shape) -> tuple[bytes, bytes]:
    """The search and its `more_rows`, as bytes; the same object for equal shapes."""
    layout = shape.layout
    home = shape.facts.extension_schema.replace("%", "%%")
    facts = replace(shape.facts, extension_schema=home)
    table = _table(layout, facts)
    slots: dict[str, sql.Composable] = {
        "table": table,
        "extension": sql.Identifier(home),
        "full": name(layout.column),
        "operator": sql.SQL(layout.operator),
        "where": _filter(shape.where),
    }
    extra = sql.SQL(",\n    {} as table_id").format(_table_id(table))
    seen = _placeholder(shape, "mrl_seen")
    more = template("more_rows", seen=seen, extra=extra, **slots)
    slots |= _answer_slots(shape, facts)
    query = slots.pop("query")
    if shape.scan == "exact":
        extra = sql.SQL(",\n    null::pg_catalog.int8 as seen{}").format(extra)
        return _signed(template("exact", query=query, extra=extra, **slots), facts), b""
    extra = sql.SQL(",\n    (select seen from after) as seen{}").format(extra)
    passes = template("first_pass", **slots, **_first_pass_slots(shape, facts))
    two_pass = template("two_pass", query=query, passes=passes, extra=extra, **slots)
    return _signed(two_pass, facts), more.as_bytes()


def _answer_slots(shape: Shape, facts: Facts) -> dict[str, sql.Composable]:
    keys = [sql.Identifier(f"key_{i}") for i in range(1, len(facts.keys) + 1)]
    extras = [sql.Identifier(f"column_{i}") for i in range(1, len(shape.columns) + 1)]
    return {
        "query": query(facts, _placeholder(shape, "mrl_query")),
        "columns": comma(name(column) for column in (*facts.keys, *shape.columns)),
        "names": comma([*keys, *extras]),
        "key_names": comma(keys),
        "k": sql.Literal(shape.k),
    }


def _first_pass_slots(shape: Shape, facts: Facts) -> dict[str, sql.Composable]:
    layout = shape.layout
    short_query = short_value(layout, facts, sql.Identifier("full"))
    return {
        "value": name(layout.column),
        "query": _OF_QUERY.format(sql.Identifier("full")),
        "gate": _gate(shape),
        "short": name(layout.short),
        "short_operator": sql.SQL(layout.short_operator),
        "short_query": _OF_QUERY.format(short_query),
        "candidates": sql.Literal(shape.candidates),
    }


def _gate(shape: Shape) -> sql.Composed:
    scan_tuples = shape.max_scan_tuples
    scan = "relaxed_order" if shape.scan == "iterative" else "off"
    return template(
        "gate",
        ef_search=sql.Literal(str(shape.ef_search)),
        iterative_scan=sql.Literal(scan),
        max_scan_tuples=sql.Literal(scan_tuples and str(scan_tuples)),
        least_scan_tuples=sql.Literal(shape.least_scan_tuples),
        scan_memory=sql.Literal(shape.scan_memory),
    )


def _table(layout: IndexLayout, facts: Facts) -> sql.Identifier:
    """The table; without a schema of the caller's, whatever the path finds today.

    Facts outlive a change of the search path: the statement says which table it
    read, and `search` reads the facts again when that is another one. Only a name
    that the statement itself uses is bound to its schema.
    """
    by_path = not layout.schema and not facts.table.startswith("mrl_")
    return name(facts.table) if by_path else name(facts.schema, facts.table)


def _table_id(table: sql.Identifier) -> sql.Composed:
    return sql.SQL("{}::pg_catalog.regclass::pg_catalog.oid").format(
        sql.Literal(table.as_string())
    )


def _placeholder(shape: Shape, parameter: str) -> sql.Placeholder:
    return sql.Placeholder(parameter) if shape.named else sql.Placeholder()


def _filter(where: str | None) -> sql.Composable:
    """The caller's condition on lines of its own, so that a comment in it ends."""
    if where is None:
        return sql.SQL("")
    return sql.SQL("\n    and (\n{}\n    )").format(sql.SQL(where))


def _signed(statement: sql.Composed, facts: Facts) -> bytes:
    """The statement and a mark of the facts it was made for.

    A server refuses a prepared statement whose columns have changed type; with new
    facts the text is new, and so is its preparation.
    """
    mark = zlib.crc32(repr(facts).encode())
    return statement.as_bytes() + b"\n/* facts %08x */" % mark
