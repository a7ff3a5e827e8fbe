"""A search of a table that Citus spreads over shards: its statements and settings.

Both passes run on the shards. The first pass brings keys alone to the machine that was
asked, the second k rows from each shard. Rows are named by their keys, because a place
says nothing on another machine. Settings of pgvector are made for a transaction,
because Citus hands on no others.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

from psycopg import sql

from mrl_pg.catalog.facts import Facts
from mrl_pg.catalog.slots import comma, name, short_value, statement
from mrl_pg.search.render import (
    LONGEST,
    Parts,
    encoded,
    mark,
    parts_of,
)
from mrl_pg.search.shape import Shape

Bound: TypeAlias = "Mapping[str, Any] | Sequence[Any]"

HAND_ON = "set local citus.propagate_set_commands = 'local'"
"""Has Citus send each later `set local` to all machines of the transaction."""


def spread_statements(shape: Shape) -> tuple[bytes, bytes]:
    """The search, and whether there are more rows, as bytes, cached by shape."""
    if len(shape.filter or "") > LONGEST:
        return _statements.__wrapped__(shape)
    return _statements(shape)


def check_stamp(shape: Shape) -> bytes:
    """A statement for the stamp of the table, apart from the search.

    In the statement of the search the catalog of another machine might answer.
    """
    _, _, stamp = parts_of(shape)
    return encoded(statement("check_stamp", stamp=stamp), shape)


@lru_cache(maxsize=512)
def _statements(shape: Shape) -> tuple[bytes, bytes]:
    facts, parts, stamp = parts_of(shape)
    found = encoded(_search(shape, facts, parts), shape) + mark(facts, shape)
    if shape.effort.scan == "exact":
        return found, encoded(statement("check_stamp", stamp=stamp), shape)
    more = statement(
        "spread_more",
        table=parts.table,
        full=parts.full,
        extension=parts.extension,
        operator=sql.SQL(shape.layout.operator),
        filter=parts.where,
        wanted=sql.Literal(shape.wanted),
    )
    return found, encoded(more, shape)


def _search(shape: Shape, facts: Facts, parts: Parts) -> sql.Composed:
    layout, effort = shape.layout, shape.effort
    slots: dict[str, sql.Composable] = {
        "columns": parts.columns,
        "names": parts.names,
        "keys": comma(name(key) for key in facts.keys),
        "key_names": parts.keys,
        "table": parts.table,
        "full": parts.full,
        "extension": parts.extension,
        "operator": sql.SQL(layout.operator),
        "query": parts.query,
        "filter": parts.where,
        # of the distance among the columns
        "place": sql.Literal(len(facts.keys) + len(shape.columns) + 1),
        "k": sql.Literal(effort.limit),
    }
    if effort.scan == "exact":
        return statement("spread_exact", **slots)
    return statement(
        "spread_search",
        short=parts.short,
        short_operator=sql.SQL(layout.short_operator),
        short_query=short_value(layout, parts.extension, parts.query),
        candidates=sql.Literal(effort.candidates),
        **slots,
    )


def repeated(shape: Shape, bound: Bound) -> Bound:
    """The parameters of the search, as often as its statement has them.

    `bound` are the query and the values of the filter.
    """
    if not shape.is_spread or isinstance(bound, Mapping):
        return bound
    query, *values = bound
    if shape.effort.scan == "exact":
        return [query, *values]
    # both passes have the filter
    return [*values, query, query, *values]


def settings_of(shape: Shape) -> tuple[str, ...]:
    """What is sent in the transaction before the search; nothing if it uses no index.

    Each is a message of its own, because Citus hands on the whole text of a message.
    """
    width = shape.width
    if width is None:
        return ()
    scan = shape.effort.on_a_shard(width, shape.shards)
    return (HAND_ON, *(_set(setting, value) for setting, value in scan.items()))


def _set(setting: str, value: str) -> str:
    slots = {"name": sql.Identifier("hnsw", setting), "value": sql.Literal(value)}
    return statement("set_on_shards", **slots).as_string()
