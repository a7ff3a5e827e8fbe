"""Drops a short column and its index; nobody waits for longer than a moment."""

import time
from dataclasses import dataclass, replace

from psycopg import errors, sql

from mrl_pg import source
from mrl_pg.build import definitions, online
from mrl_pg.build.report import BuildReport
from mrl_pg.build.steps import (
    Step,
    carry_out,
    carry_out_at_once,
    changes,
    lock,
    read_steps,
)
from mrl_pg.catalog import slots
from mrl_pg.catalog.facts import Facts, check_short
from mrl_pg.catalog.read import MISSING, forget_facts, read_facts
from mrl_pg.errors import IndexMismatch
from mrl_pg.exchange import AnyConn, Exchange, commits_each, look, transaction
from mrl_pg.layout import IndexLayout


def drop(conn: AnyConn, layout: IndexLayout) -> Exchange[BuildReport]:
    """Undo `create`: index, short column, registry row; safe to repeat.

    Takes an ACCESS EXCLUSIVE lock for a moment; nothing is rewritten. If the lock does
    not come at once, and `conn` is outside a transaction, it is tried again. An index
    without a column is then dropped concurrently, without such a lock. Works where the
    schema `mrl` was removed, too. An index or a column that was renamed by hand is
    found by the registry's name for it, or by default names if it was made with them.
    """
    facts = yield from read_facts(layout)
    now = _Named(layout, layout.name)
    if facts.mrl_installed and facts.index_operator_class != layout.operator_class:
        now = yield from _names_of(layout, facts)
        if now.layout != layout:
            facts = yield from read_facts(now.layout)
    facts = _check(now.layout, facts)
    if not commits_each(conn):
        report = yield from transaction(_drop(now, facts))
    elif facts.expression_ours:
        report = yield from _drop_concurrently(now, facts)
    else:
        report = yield from online.with_short_lock(
            lambda: _drop(now, facts), {}, facts.table_id
        )
    forget_facts(conn, layout)
    return report


@dataclass(frozen=True, slots=True)
class _Named:
    """A layout with the names of now, and what the registry calls the index."""

    layout: IndexLayout
    known_name: str


def _names_of(layout: IndexLayout, facts: Facts) -> Exchange[_Named]:
    """The registered index that the layout describes, whatever it is called by now.

    An index that is only like it is another one.
    """
    like = {
        "table_id": facts.table_id,
        "column": layout.column,
        "dims": layout.dims,
        "kind": layout.kind,
        "distance": layout.distance,
    }
    try:
        rows = yield from look(source.statement("names_of").encode(), like)
    except MISSING:
        # the database side is older than mrl_pg
        rows = []
    for row in rows:
        by_default = row["default_name"] and not layout.named_by_hand
        if by_default or layout.name in (row["known_name"], row["name"]):
            now = replace(layout, name=row["name"], short=row["short"])
            return _Named(now, row["known_name"])
    return _Named(layout, layout.name)


def _drop_concurrently(now: _Named, facts: Facts) -> Exchange[BuildReport]:
    """Drop an index that no column belongs to."""
    layout = now.layout
    start = time.perf_counter()
    index = sql.Identifier(facts.schema, layout.name)
    dropped = definitions.drop_index(index, concurrently=True)
    try:
        yield from online.concurrently(dropped.as_string(), {})
    except errors.FeatureNotSupported:
        # of a partitioned table, which PostgreSQL drops in a transaction alone
        return (
            yield from online.with_short_lock(
                lambda: _drop(now, facts), {}, facts.table_id
            )
        )
    took = time.perf_counter() - start
    rest = yield from online.with_short_lock(
        lambda: _drop(now, facts), {}, facts.table_id
    )
    return replace(rest, done=((f"dropped index {layout.name}", took), *rest.done))


def _drop(now: _Named, facts: Facts) -> Exchange[BuildReport]:
    layout = now.layout
    steps = yield from _read(now, facts)
    if changes(steps):
        yield from lock(facts)
        # another session may have changed it meanwhile
        facts = _check(layout, (yield from read_facts(layout)))
        steps = yield from _read(now, facts)
    if facts.distribution is not None:
        # Citus hands on the whole text of a message, of which shards know only a part
        return BuildReport(layout, (yield from carry_out(steps)))
    return BuildReport(layout, (yield from carry_out_at_once(steps)))


def _check(layout: IndexLayout, facts: Facts) -> Facts:
    """Raise IndexMismatch for a column or an index that is another one."""
    check_short(layout, facts)
    there = facts.index_definition is not None
    if there and facts.index_operator_class != layout.operator_class:
        raise IndexMismatch(
            f"index {layout.name!r} is not on {layout.short!r}: "
            f"{facts.index_definition}; drop it by hand if you mean it"
        )
    return facts


def _read(now: _Named, facts: Facts) -> Exchange[list[Step]]:
    """The steps, by the template that `mrl.drop_index` uses."""
    layout = now.layout
    table = slots.table_of(facts)
    index = sql.Identifier(facts.schema, layout.name)
    named, index_name = sql.Literal(table.as_string()), sql.Literal(layout.name)
    known = sql.Literal(now.known_name)
    unregister = slots.statement("call_unregister", table=named, index=known)
    query = slots.template(
        "drop_steps",
        table=named,
        index=index_name,
        short=sql.Literal(layout.short),
        # `_check` has looked at it
        ours=sql.SQL("true"),
        drop_index=_text(definitions.drop_index(index)),
        drop_column=_text(definitions.drop_short_column(layout, table)),
        unregister=_text(unregister),
        installed=sql.Literal(facts.mrl_installed),
    )
    return (yield from read_steps(query))


def _text(statement: sql.Composed) -> sql.Literal:
    return sql.Literal(statement.as_string())
