"""Creates a short column and its index, concurrently or in one transaction."""

import re
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial

from psycopg.errors import (
    DuplicateColumn,
    FeatureNotSupported,
    InvalidParameterValue,
    ObjectNotInPrerequisiteState,
)

from mrl_pg import source
from mrl_pg.arguments import check_callable, check_whole, flag, shown
from mrl_pg.build import definitions, online, settings
from mrl_pg.build.fill import fill
from mrl_pg.build.progress import watch
from mrl_pg.build.report import BuildReport
from mrl_pg.build.row_sample import check_rows
from mrl_pg.build.steps import Step, carry_out, changes, lock, read_steps
from mrl_pg.catalog.facts import Facts, check_index, check_installed, check_short
from mrl_pg.catalog.read import forget_facts, read_facts
from mrl_pg.errors import IndexMismatch, InvalidSetting, RebuildRefused, SpreadTable
from mrl_pg.exchange import AnyConn, Exchange, Send, commits_each, transaction
from mrl_pg.exchange.progress import OnProgress
from mrl_pg.exchange.server_message import server_message
from mrl_pg.layout import IndexLayout

MOST_WORKERS = 1024
"""PostgreSQL's upper limit of `max_parallel_maintenance_workers`."""

SIZE = re.compile(r"\s*[0-9]{1,15}(\.[0-9]{1,15})?\s*(kB|MB|GB|TB)?\s*", re.ASCII)
"""What PostgreSQL reads as an amount of memory."""


def create(
    conn: AnyConn,
    layout: IndexLayout,
    *,
    rebuild: bool = False,
    concurrently: bool | None = None,
    workers: int | None = None,
    maintenance_work_mem: str | None = None,
    progress: OnProgress | None = None,
) -> Exchange[BuildReport]:
    """Add the short column, build its index, write the registry.

    Concurrently, no lock is held for longer than a moment, and each step is committed.
    Otherwise it is one transaction, all or nothing: a column locks the table until the
    transaction ends, an expression index keeps writers waiting.
    Safe to repeat, because it does what is missing. `conn` is watched from another
    connection, for `progress`.
    """
    chosen = settings_of(workers, maintenance_work_mem)
    check_callable("progress", progress)
    facts = check(layout, (yield from read_facts(layout)))
    watched = partial(watch, conn, progress)
    rebuild = flag("rebuild", rebuild)
    chosen |= yield from _more_workers(facts)
    plan = yield from decide(conn, layout, facts, rebuild, concurrently)
    at_once = partial(_create, layout, facts, rebuild, chosen, watched, plan.steps)
    if plan.online:
        filling = fill(layout, facts, progress)
        body = _create_online(layout, facts, rebuild, chosen, watched, filling)
        report = yield from online.alone(layout, facts.table_id, body)
    elif commits_each(conn):
        # all later statements on the table wait behind one that waits for its lock
        report = yield from online.with_short_lock(
            at_once, {}, facts.table_id, limits={}
        )
    else:
        report = yield from transaction(at_once())
    forget_facts(conn, layout)
    return report


def _more_workers(facts: Facts) -> Exchange[dict[str, str]]:
    """A setting with which PostgreSQL builds in parallel where it otherwise would not.

    It counts the pages of the table without TOAST, where full vectors usually are.
    """
    (row,) = yield Send(source.statement("wants_workers"), {"table_id": facts.table_id})
    return {"min_parallel_table_scan_size": "0"} if row["wanted"] else {}


@dataclass(frozen=True, slots=True)
class Plan:
    """Whether to build concurrently, and the steps of that if they were looked at."""

    online: bool
    steps: tuple[Step, ...] = ()


def decide(
    conn: AnyConn,
    layout: IndexLayout,
    facts: Facts,
    rebuild: bool,
    concurrently: bool | None,
) -> Exchange[Plan]:
    """Build concurrently if asked, else if possible and of any use."""
    possible = commits_each(conn)
    if concurrently is not None:
        if flag("concurrently", concurrently) and not possible:
            raise InvalidSetting(
                "concurrently=True in a transaction: PostgreSQL builds an index "
                "concurrently only outside any; open the connection with "
                "autocommit=True, or leave concurrently out"
            )
        return Plan(bool(concurrently))
    if not possible:
        return Plan(False)
    # the choice for an online build, which may be another one than in a transaction
    steps = tuple((yield from read(layout, facts, rebuild, concurrent=True)))
    # an index that is not registered was not verified
    useful = changes(steps) or any(step.how == "verify" for step in steps)
    return Plan(useful and steps[-1].kept_as != "generated", steps)


def _create_online(
    layout: IndexLayout,
    facts: Facts,
    rebuild: bool,
    chosen: settings.Settings,
    watched: Callable[[], AbstractContextManager[None]],
    filling: Exchange[None],
) -> Exchange[BuildReport]:
    # another session may have built it meanwhile
    facts = check(layout, (yield from read_facts(layout)))
    steps = yield from read(layout, facts, rebuild, concurrent=True)
    yield from check_rows(layout, facts)
    made = yield from online.carry_out(steps, chosen, watched, facts.table_id, filling)
    return (yield from report_of(layout, facts, steps, made))


def _create(
    layout: IndexLayout,
    facts: Facts,
    rebuild: bool,
    chosen: settings.Settings,
    watched: Callable[[], AbstractContextManager[None]],
    seen: Sequence[Step],
) -> Exchange[BuildReport]:
    steps = seen if changes(seen) else (yield from read(layout, facts, rebuild))
    if changes(steps):
        yield from lock(facts)
        # another session may have built it meanwhile; the server looks at all of it
        steps = yield from read(layout, facts, rebuild)
    yield from check_rows(layout, facts)
    start = time.perf_counter()
    with watched():
        done = yield from settings.local(chosen, carry_out(steps))
    took = time.perf_counter() - start if changes(steps) else 0.0
    rewritten = any(step.how == "rewrite" for step in steps)
    made = online.Carried(done, None, took if rewritten else 0.0)
    report = yield from report_of(layout, facts, steps, made)
    if rewritten or not took:
        return report
    # an index that is not built concurrently
    return replace(report, waited="writers", waited_seconds=took)


def report_of(
    layout: IndexLayout,
    facts: Facts,
    steps: Sequence[Step],
    made: online.Carried,
) -> Exchange[BuildReport]:
    """The report of a build, with the index as it is now."""
    names = {
        "schema": facts.schema,
        "table": facts.table,
        "index_name": layout.name,
    }
    (size,) = yield Send(source.statement("index_size"), names)
    kept_as, why = steps[-1].kept_as, steps[-1].why
    bytes, rows = size["index_bytes"], size["rows"]
    if facts.distribution is not None:
        # of the machine that was asked, which holds no row
        bytes = rows = 0
    return BuildReport(
        layout,
        made.done,
        bytes,
        rows,
        kept_as,
        why,
        made.recall,
        "readers and writers" if made.locked else None,
        made.locked,
    )


def check(layout: IndexLayout, facts: Facts) -> Facts:
    """Raise NotInstalled, or IndexMismatch for a column or an index of another's."""
    check_installed(facts)
    check_short(layout, facts)
    check_index(layout, facts)
    return facts


def read(
    layout: IndexLayout, facts: Facts, rebuild: bool, *, concurrent: bool = False
) -> Exchange[list[Step]]:
    """The steps, as `mrl.create_index` takes them; raises RebuildRefused."""
    found = replace(layout, schema=facts.schema)
    query = definitions.call(
        "create_steps", found, concurrent=concurrent, rebuild=rebuild
    )
    try:
        return (yield from read_steps(query))
    except DuplicateColumn as error:
        raise IndexMismatch(str(server_message(error))) from error
    except InvalidParameterValue as error:
        # sign bits of a rotated column
        raise InvalidSetting(f"{layout}: {server_message(error)}") from error
    except FeatureNotSupported as error:
        if facts.distribution is None:
            raise
        # a column in a table that Citus spreads
        raise SpreadTable(f"{layout}: {server_message(error)}") from error
    except ObjectNotInPrerequisiteState as error:
        raise rebuild_refused(error) from error


def rebuild_refused(error: ObjectNotInPrerequisiteState) -> RebuildRefused:
    """What to do if the server refuses to build vector indexes again."""
    return RebuildRefused(
        f"{error.diag.message_primary}, and nobody can read or write the table "
        "meanwhile: use keep='expression', or allow it with rebuild=True (--yes)"
    )


def settings_of(
    workers: int | None, maintenance_work_mem: str | None
) -> dict[str, str]:
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
