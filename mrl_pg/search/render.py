"""The statement of a search, from parts that each interface writes in its own way."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from psycopg import sql

from mrl_pg.catalog.facts import Facts
from mrl_pg.catalog.slots import (
    comma,
    condition,
    home,
    name,
    query,
    short_name,
    short_value,
    statement,
    template,
)
from mrl_pg.kinds import KINDS
from mrl_pg.layout import IndexInUse, IndexLayout
from mrl_pg.search.effort import AtLeast, Effort
from mrl_pg.search.shape import Shape

LONGEST = 4000
"""Statements of longer filters are not cached, because long lists would fill memory."""

_OF_QUERY = sql.SQL("(select {} from mrl_query)")


@dataclass(frozen=True, slots=True)
class Parts:
    """SQL that each interface writes in its own way in the statement of a search.

    `columns` of the table are called `names` in the answer; the first of these are the
    key, `keys`. `extra` is one more column of the answer, with a comma before it.
    `promise` reads the calibration if the effort has a recall. `within` is a further
    condition of the first pass alone.
    """

    table: sql.Composable
    full: sql.Composable
    short: sql.Composable
    extension: sql.Composable
    query: sql.Composable
    where: sql.Composable
    columns: sql.Composable
    names: sql.Composable
    keys: sql.Composable
    extra: sql.Composable
    promise: sql.Composable
    within: sql.Composable | None = None


def search(layout: IndexLayout, effort: Effort, parts: Parts) -> sql.Composed:
    """The statement of a search: its two passes, or the exact pass."""
    scanned: dict[str, sql.Composable] = {
        "table": parts.table,
        "extension": parts.extension,
        "operator": sql.SQL(layout.operator),
        "filter": parts.where,
        "columns": parts.columns,
    }
    answered: dict[str, sql.Composable] = {
        "query": parts.query,
        "names": parts.names,
        "key_names": parts.keys,
        "k": sql.Literal(effort.limit),
    }
    if effort.scan == "exact":
        extra = sql.SQL(",\n    null::pg_catalog.int8 as seen{}").format(parts.extra)
        return template("exact", full=parts.full, extra=extra, **scanned, **answered)
    extra = sql.SQL(",\n    (select seen from after) as seen{}").format(parts.extra)
    full_query = sql.Identifier("full")
    passes = _passes(layout, effort, parts, scanned)
    if effort.recall is not None:
        passes = statement(
            "promised_pass",
            passes=passes,
            full=parts.full,
            query=_OF_QUERY.format(full_query),
            names=parts.names,
            **scanned,
        )
    return template(
        "two_pass",
        promise=parts.promise,
        passes=passes,
        only_read=_only_read(effort),
        extra=extra,
        **answered,
    )


def _passes(
    layout: IndexLayout,
    effort: Effort,
    parts: Parts,
    scanned: Mapping[str, sql.Composable],
) -> sql.Composed:
    """The first pass; with a `rerank` it has distances of the best candidates only."""
    full_query = sql.Identifier("full")
    query = _OF_QUERY.format(full_query)
    short_query = _OF_QUERY.format(short_value(layout, parts.extension, full_query))
    short_operator = sql.SQL(layout.short_operator)
    slots = {
        **scanned,
        "within": parts.within or sql.SQL(""),
        "value": parts.full,
        "query": query,
        "gate": _gate(effort),
        "short": parts.short,
        "short_operator": short_operator,
        "short_query": short_query,
        "candidates": sql.Literal(effort.candidates),
    }
    if effort.rerank is None:
        return template("first_pass", **slots)
    slots |= {
        "columns": comma([parts.columns, parts.full, parts.short]),
        "value": parts.short,
        "operator": short_operator,
        "query": short_query,
    }
    ordered = template(
        "estimated_order",
        passes=template("first_pass", **slots),
        names=parts.names,
        query=query,
        extension=parts.extension,
        short_operator=short_operator,
        dims=sql.Literal(layout.dims),
    )
    return template(
        "estimated_pass",
        ordered=ordered,
        names=parts.names,
        query=query,
        extension=parts.extension,
        operator=scanned["operator"],
        rerank=sql.Literal(effort.rerank),
    )


def _only_read(effort: Effort) -> sql.Composable:
    """The condition of rows that were read in full; nothing if all are."""
    if effort.rerank is None:
        return sql.SQL("")
    return sql.SQL("\n    {}").format(template("only_read"))


def parts_of(shape: Shape) -> tuple[Facts, Parts, sql.Composed]:
    """The facts with percent signs doubled, the parts in SQL for psycopg, the stamp."""
    layout = shape.layout
    schema = shape.facts.extension_schema.replace("%", "%%")
    facts = replace(shape.facts, extension_schema=schema)
    table = _table(layout, facts)
    stamp = _stamp(layout, facts, table)
    if shape.asks_rotations:
        stamp = statement(
            "stamp_in_use",
            stamp=stamp,
            registry_stamp=statement("rotation_stamp", table=_regclass(table)),
        )
    keys = [sql.Identifier(f"key_{i}") for i in range(1, len(facts.keys) + 1)]
    extras = [sql.Identifier(f"column_{i}") for i in range(1, len(shape.columns) + 1)]
    parts = Parts(
        table=table,
        full=name(layout.column),
        short=short_name(layout, home(schema), of_expression=facts.expression_ours),
        extension=home(schema),
        query=query(facts, placeholder(shape, "mrl_query")),
        where=condition(shape.filter),
        columns=comma(name(column) for column in (*facts.keys, *shape.columns)),
        names=comma([*keys, *extras]),
        keys=comma(keys),
        extra=sql.SQL(",\n    (select {}) as stamp").format(stamp),
        promise=sql.SQL(""),
        within=_within(shape),
    )
    return facts, parts, stamp


def _within(shape: Shape) -> sql.Composable | None:
    """The condition that a row is in one of the parts to search, if not all are."""
    if shape.part_column is None:
        return None
    # a parameter, whose value the planner knows, because the statement is not prepared
    return sql.SQL(
        "\n    and {} operator(pg_catalog.=) any ({}::pg_catalog.int4[])"
    ).format(name(shape.part_column), placeholder(shape, "mrl_parts"))


def search_statements(shape: Shape) -> tuple[bytes, bytes]:
    """The search and its `more_rows`, as bytes, cached by shape."""
    if len(shape.filter or "") > LONGEST:
        return _statements.__wrapped__(shape)
    return _statements(shape)


@lru_cache(maxsize=512)
def _statements(shape: Shape) -> tuple[bytes, bytes]:
    """The search and its `more_rows`.

    An exact search reads all rows, so its second statement only reads the stamp.
    """
    layout = shape.layout
    facts, parts, stamp = parts_of(shape)
    found = encoded(search(layout, shape.effort, parts), shape) + mark(facts, shape)
    if shape.effort.scan == "exact":
        more = statement("check_stamp", stamp=stamp)
        return found, encoded(more, shape)
    more = template(
        "more_rows",
        index=_index(layout, facts),
        bits=sql.Literal(KINDS[layout.kind].bits),
        ef_search=sql.Literal(shape.effort.ef_search),
        k=sql.Literal(shape.effort.k),
        table=parts.table,
        full=parts.full,
        extension=parts.extension,
        operator=sql.SQL(layout.operator),
        filter=parts.where,
        seen=placeholder(shape, "mrl_seen"),
        extra=parts.extra,
    )
    return found, encoded(more, shape)


def _gate(effort: Effort) -> sql.Composed:
    values = {name: _setting(name, value) for name, value in effort.settings.items()}
    if effort.recall is not None:
        # the value that the statement itself read from the calibration
        values["ef_search"] = sql.SQL("mrl_before.mrl_ef_search::pg_catalog.text")
    return template("gate", **values)


def _setting(name: str, value: str | AtLeast) -> sql.Composable:
    if isinstance(value, str):
        return sql.Literal(value)
    before = sql.Identifier("mrl_before", name)
    return template("at_least", before=before, least=sql.Literal(value.value))


def _table(layout: IndexLayout, facts: Facts) -> sql.Identifier:
    """The table; if the caller gave no schema, the one that the search path finds.

    Facts outlive a change of the search path. The statement returns which table it
    read, and `search` reads the facts again if that is another table. Names that begin
    with mrl_ always have a schema, because the statement itself uses such names.
    """
    by_path = not layout.schema and not facts.table.startswith("mrl_")
    return name(facts.table) if by_path else name(facts.schema, facts.table)


def _stamp(layout: IndexLayout, facts: Facts, table: sql.Identifier) -> sql.Composed:
    regclass = _regclass(table)
    stamp = statement(
        "stamp",
        table=sql.SQL("{}::pg_catalog.oid").format(regclass),
        full=sql.Literal(facts.full_number),
        value=sql.Literal(facts.short_value),
        trigger=sql.Literal(facts.short_trigger),
        kept=sql.Literal(facts.kept_number),
        key=sql.Literal(facts.key_id),
        index=_index(layout, facts),
    )
    further = []
    if facts.has_citus:
        oid = sql.SQL("{}::pg_catalog.oid").format(regclass)
        further.append(statement("distribution_stamp", table=oid))
    if isinstance(layout, IndexInUse):
        further.append(statement("registry_stamp", table=regclass))
    for part in further:
        stamp = statement("stamp_in_use", stamp=stamp, registry_stamp=part)
    return stamp


def _regclass(table: sql.Identifier) -> sql.Composed:
    return sql.SQL("{}::pg_catalog.regclass").format(sql.Literal(table.as_string()))


def _index(layout: IndexLayout, facts: Facts) -> sql.Literal:
    return sql.Literal(name(facts.schema, layout.name).as_string())


def placeholder(shape: Shape, parameter: str) -> sql.Placeholder:
    """A parameter of ours, by name or by place, as those of the filter are."""
    return sql.Placeholder(parameter) if shape.named else sql.Placeholder()


def encoded(statement: sql.Composed, shape: Shape) -> bytes:
    """A statement as it is sent."""
    return statement.as_string().encode(shape.encoding)


def mark(facts: Facts, shape: Shape) -> bytes:
    """A comment that identifies the facts that a statement was made for.

    A server refuses a prepared statement if its columns changed type, or if the server
    lost it. A new comment makes a new text, which psycopg prepares again.
    """
    made_for = repr((facts, shape.losses)).encode()
    return b"\n/* facts %08x */" % zlib.crc32(made_for)
