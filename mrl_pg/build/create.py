"""Creates and drops a short column and its index, in one transaction."""

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from psycopg import sql

from mrl_pg import source
from mrl_pg.arguments import check_callable, check_whole, shown
from mrl_pg.build import definitions, settings
from mrl_pg.build.progress import watch
from mrl_pg.build.report import BuildReport
from mrl_pg.build.row_sample import check_rows
from mrl_pg.catalog import read as catalog
from mrl_pg.catalog import slots
from mrl_pg.catalog.facts import Facts, check_index, check_short
from mrl_pg.errors import (
    IndexMismatch,
    InvalidSetting,
    NotInstalled,
)
from mrl_pg.exchange import AnyConn, Exchange, Send, transaction
from mrl_pg.exchange.progress import OnProgress
from mrl_pg.layout import IndexLayout

MOST_WORKERS = 1024
"""PostgreSQL's upper limit of `max_parallel_maintenance_workers`."""

SIZE = re.compile(r"\s*[0-9]{1,15}(\.[0-9]{1,15})?\s*(kB|MB|GB|TB)?\s*", re.ASCII)
"""What PostgreSQL reads as an amount of memory."""


@dataclass(frozen=True, slots=True)
class Step:
    """One statement of a build and what it is called."""

    label: str
    statement: sql.Composed


def create_steps(layout: IndexLayout, facts: Facts) -> list[Step]:
    """Statements that are still to run; raises IndexMismatch for another's objects."""
    check_short(layout, facts)
    check_index(layout, facts)
    usable = facts.index_definition is not None and facts.index_usable
    steps = []
    if facts.short_type is None:
        add = definitions.add_short_column(
            layout, slots.table_of(facts), slots.home(facts.extension_schema)
        )
        steps.append(Step(f"added column {layout.short}", add))
    if facts.index_definition is not None and not usable:
        drop = definitions.drop_index(sql.Identifier(facts.schema, layout.name))
        steps.append(Step("dropped the invalid index of that name", drop))
    if not usable:
        build = definitions.create_index(
            layout, slots.table_of(facts), slots.home(facts.extension_schema)
        )
        steps.append(Step(f"built index {layout.name}", build))
    return steps


def drop_steps(layout: IndexLayout, facts: Facts) -> list[Step]:
    """Statements that undo `create`; the column stays while another index needs it."""
    check_short(layout, facts)
    steps = []
    if facts.index_definition is not None:
        if facts.index_operator_class != layout.operator_class:
            raise IndexMismatch(
                f"index {layout.name!r} is not on {layout.short!r}: "
                f"{facts.index_definition}; drop it by hand if you mean it"
            )
        drop = definitions.drop_index(sql.Identifier(facts.schema, layout.name))
        steps.append(Step(f"dropped index {layout.name}", drop))
    if facts.short_type is not None and not facts.other_indexes:
        drop = definitions.drop_short_column(layout, slots.table_of(facts))
        steps.append(Step(f"dropped column {layout.short}", drop))
    return steps


def create(
    conn: AnyConn,
    layout: IndexLayout,
    *,
    workers: int | None = None,
    maintenance_work_mem: str | None = None,
    progress: OnProgress | None = None,
) -> Exchange[BuildReport]:
    """Add the short column, build its index, write the registry; all or nothing.

    Takes an ACCESS EXCLUSIVE lock until the transaction ends: adding a stored
    generated column rewrites the table. Safe to repeat: it does what is missing.
    `conn` is watched from another connection, for `progress`.
    """
    chosen = _settings(workers, maintenance_work_mem)
    check_callable("progress", progress)
    facts = _check_create(layout, (yield from catalog.read(layout)))

    def build() -> Exchange[BuildReport]:
        locked = yield from _locked(layout, facts, create_steps)
        yield from check_rows(layout, locked)
        steps = create_steps(layout, locked)
        with watch(conn, progress):
            done = yield from settings.local(chosen, _carry_out(steps))
        yield Send(_query("register"), _registration(layout, locked))
        (size,) = yield Send(_query("index_size"), _registration(layout, locked))
        return BuildReport(layout, done, size["index_bytes"], size["rows"])

    report = yield from transaction(build())
    catalog.forget(conn, layout)
    return report


def drop(conn: AnyConn, layout: IndexLayout) -> Exchange[BuildReport]:
    """Undo `create`: index, short column, registry row; safe to repeat.

    Takes an ACCESS EXCLUSIVE lock for a moment; nothing is rewritten.
    """
    facts = yield from catalog.read(layout)

    def undo() -> Exchange[BuildReport]:
        locked = yield from _locked(layout, facts, drop_steps)
        done = yield from _carry_out(drop_steps(layout, locked))
        if locked.mrl_installed:
            yield Send(_query("unregister"), _registration(layout, locked))
        return BuildReport(layout, done)

    report = yield from transaction(undo())
    catalog.forget(conn, layout)
    return report


def _locked(
    layout: IndexLayout, facts: Facts, steps: Callable[[IndexLayout, Facts], list[Step]]
) -> Exchange[Facts]:
    """Lock the table if something is to be done, and read its facts again."""
    if not steps(layout, facts):
        return facts
    yield Send(_lock(facts))
    return (yield from catalog.read(layout))


def _carry_out(steps: Iterable[Step]) -> Exchange[tuple[tuple[str, float], ...]]:
    """Send the statements; answers their labels and the seconds each took."""
    done = []
    for step in steps:
        start = time.perf_counter()
        yield Send(step.statement)
        done.append((step.label, time.perf_counter() - start))
    return tuple(done)


def _check_create(layout: IndexLayout, facts: Facts) -> Facts:
    """Everything that can be refused before a lock is taken."""
    if not facts.mrl_installed:
        raise NotInstalled(
            "the database side of mrl_pg is not installed in this database: run "
            "mrl_pg.install(conn), `mrl-pg install` or psql -f sql/install.sql"
        )
    create_steps(layout, facts)
    return facts


def _lock(facts: Facts) -> sql.Composed:
    return slots.template("lock_table", table=slots.table_of(facts))


def _settings(workers: int | None, maintenance_work_mem: str | None) -> dict[str, str]:
    """Settings of the build by name; raises InvalidSetting."""
    if workers is not None:
        check_whole("workers", workers, 0, MOST_WORKERS, "PostgreSQL")
    memory = maintenance_work_mem
    if memory is not None and not (isinstance(memory, str) and SIZE.fullmatch(memory)):
        raise InvalidSetting(
            f"maintenance_work_mem={shown(memory)} is not a size: give a number and "
            "its unit, such as '512MB' or '2GB'"
        )
    chosen = {
        "max_parallel_maintenance_workers": None if workers is None else str(workers),
        "maintenance_work_mem": maintenance_work_mem,
    }
    return {name: value for name, value in chosen.items() if value is not None}


def _query(name: str) -> bytes:
    return source.statement(name).encode()


def _registration(layout: IndexLayout, facts: Facts) -> dict[str, str | int]:
    return {
        "schema": facts.schema,
        "table": facts.table,
        "full_column": layout.column,
        "short_column": layout.short,
        "index_name": layout.name,
        "dims": layout.dims,
        "kind": layout.kind,
        "distance": layout.distance,
    }
