"""Carries out what is due on tables, step by step, as `mrl.maintenance` decides."""

import time
from collections.abc import Sequence
from typing import Any

from psycopg import errors

from mrl_pg import arguments, source
from mrl_pg.build import online, settings
from mrl_pg.build.create import settings_of
from mrl_pg.build.progress import watch
from mrl_pg.build.status import find_table, read_table
from mrl_pg.calibration.calibrate import calibrate
from mrl_pg.calibration.recall_report import RecallReport, recall
from mrl_pg.catalog.in_use import registered
from mrl_pg.catalog.read import forget_facts
from mrl_pg.errors import IndexNotFound, InvalidSetting, TableError
from mrl_pg.exchange import (
    AnyConn,
    AsyncConn,
    Conn,
    Exchange,
    Row,
    commits_each,
    run,
    run_async,
)
from mrl_pg.exchange.progress import OnProgress, Progress
from mrl_pg.exchange.server_message import server_message
from mrl_pg.layout import ColumnLayout, IndexLayout
from mrl_pg.search.options import MAX_ROWS, SearchOptions
from mrl_pg.search.promise import check_recall
from mrl_pg.upkeep.report import MaintenanceReport, MaintenanceStep

ROUNDS = 50
"""Most steps of one table. Each step decides which step is next."""

OLD_SNAPSHOT = (
    "they stay as long as an old transaction, a replication slot or a prepared "
    "transaction may see them: end it, and run this again"
)
"""Why rows may still be dead after a vacuum."""

RECALL = 0.95
DEAD = 0.2
CHANGED = 0.05
SAMPLE = 100


def maintain(
    conn: Conn,
    table: str | None = None,
    *,
    schema: str = "",
    recall: float = RECALL,
    dead: float = DEAD,
    changed: float = CHANGED,
    sample: int = SAMPLE,
    dry_run: bool = False,
    workers: int | None = None,
    maintenance_work_mem: str | None = None,
    progress: OnProgress | None = None,
) -> MaintenanceReport:
    """Do what is due on a table of yours, or on all of them, and say what was done.

    - Vacuums a table if a share of `dead` of its rows or more is dead, and analyzes a
      table that never was.
    - Measures the recall of the search that keeps `recall` by its calibration, with
      `sample` queries, once a share of `changed` of the rows or more has changed.
    - Reindexes concurrently if the measured interval lies below that of the calibration
      and the graph loses most of the difference, and measures again.
    - Calibrates again what is stale, with stored real queries if there are any, or as
      before; and an index whose new graph did not help.

    It looks at the index in use of each column, and leaves what it cannot do. Nothing
    is locked that readers and writers wait for. If it is interrupted, call it again.
    `conn` must be in autocommit and in no transaction. `workers` and
    `maintenance_work_mem` are for the reindex, as in `create`. `dry_run=True` changes
    nothing.

    Raises BuildRunning if another session builds on or maintains the table now,
    TableNotFound, TableError if you do not own the table, InvalidSetting and
    NotInstalled.
    """
    asked = {"recall": recall, "dead": dead, "changed": changed, "sample": sample}
    chosen = settings_of(workers, maintenance_work_mem)
    return run(conn, _maintain(conn, table, schema, asked, dry_run, chosen, progress))


async def maintain_async(
    conn: AsyncConn,
    table: str | None = None,
    *,
    schema: str = "",
    recall: float = RECALL,
    dead: float = DEAD,
    changed: float = CHANGED,
    sample: int = SAMPLE,
    dry_run: bool = False,
    workers: int | None = None,
    maintenance_work_mem: str | None = None,
    progress: OnProgress | None = None,
) -> MaintenanceReport:
    """The same as `maintain` on an asynchronous connection."""
    return await run_async(
        conn,
        _maintain(
            conn,
            table,
            schema,
            {"recall": recall, "dead": dead, "changed": changed, "sample": sample},
            dry_run,
            settings_of(workers, maintenance_work_mem),
            progress,
        ),
    )


def _maintain(
    conn: AnyConn,
    table: str | None,
    schema: str,
    asked: dict[str, Any],
    dry_run: bool,
    chosen: settings.Settings,
    progress: OnProgress | None,
) -> Exchange[MaintenanceReport]:
    dry_run = arguments.flag("dry_run", dry_run)
    arguments.check_callable("progress", progress)
    asked = _checked(asked)
    if not (dry_run or commits_each(conn)):
        raise InvalidSetting(
            "maintain in a transaction: PostgreSQL vacuums and reindexes concurrently "
            "only outside any; open the connection with autocommit=True"
        )
    table_id = yield from find_table(table, schema)
    try:
        yield from read_table(
            source.statement("check_upkeep"), {**asked, "table_id": table_id}
        )
    except errors.InsufficientPrivilege as error:
        raise TableError(str(server_message(error))) from error
    rows = yield from _due(asked, table_id)
    if dry_run:
        return _report((), rows)
    done: list[MaintenanceStep] = []
    for each, name in {row["table_id"]: _table_of(row) for row in rows}.items():
        # only what may be left needs no lock
        if any(row["statement"] for row in rows if row["table_id"] == each):
            body = _of_table(conn, each, asked, chosen, progress)
            done += yield from online.alone(name, each, body)
    rows = yield from _due(asked, table_id)
    still = [_step(row, remedy=OLD_SNAPSHOT) for row in rows if row["step"] == "vacuum"]
    return MaintenanceReport(tuple(done), (), (*still, *_report((), rows).left))


def _checked(asked: dict[str, Any]) -> dict[str, Any]:
    shares = {name: arguments.number(name, asked[name]) for name in ("dead", "changed")}
    for name, value in shares.items():
        if not 0 <= value <= 1:
            raise InvalidSetting(f"{name}={value} is not a share from 0 to 1")
    sample = arguments.check_whole(
        "sample", asked["sample"], 1, MAX_ROWS, "a measurement"
    )
    return {**shares, "recall": check_recall(asked["recall"]), "sample": sample}


def _due(asked: dict[str, Any], table_id: int | None) -> Exchange[Sequence[Row]]:
    return (
        yield from read_table(
            source.statement("upkeep"), {**asked, "table_id": table_id}
        )
    )


def _of_table(
    conn: AnyConn,
    table_id: int,
    asked: dict[str, Any],
    chosen: settings.Settings,
    progress: OnProgress | None,
) -> Exchange[list[MaintenanceStep]]:
    """What was done. Each step is chosen by what the server says after the last one."""
    done: list[MaintenanceStep] = []
    tried: set[tuple[Any, ...]] = set()
    built: dict[str | None, int] = {}
    for _ in range(ROUNDS):
        for row in (yield from _due(asked, table_id)):
            index = row["index"]
            # once, but a measurement once for each graph
            key = tuple(row[name] for name in ("step", "k", "filter", "statement"))
            key = (*key, index, built.get(index, 0))
            if row["statement"] and key not in tried:
                break
        else:
            break
        tried.add(key)
        start = time.perf_counter()
        outcome = yield from _carry_out(conn, row, chosen, progress)
        took = time.perf_counter() - start
        if row["step"] == "reindex":
            built[index] = built.get(index, 0) + 1
        done.append(_step(row, outcome, took))
    return done


def _carry_out(
    conn: AnyConn,
    row: Row,
    chosen: settings.Settings,
    progress: OnProgress | None,
) -> Exchange[str]:
    """What came of a step, in words."""
    if progress is not None:
        progress(Progress(f"{row['step']} of {_table_of(row)}"))
    if row["step"] == "measure":
        layout = yield from _layout(row)
        options = SearchOptions(
            k=row["k"],
            candidates=row["candidates"],
            ef_search=row["ef_search"],
            rerank=row["rerank"],
        )
        report = yield from recall(
            conn,
            layout,
            options,
            sample=row["queries"],
            queries=None,
            real_queries=row["real_queries"],
            keep=True,
            progress=progress,
        )
        return _measured(report)
    if row["step"] == "calibrate":
        layout = yield from _layout(row)
        calibration = yield from calibrate(
            conn,
            layout,
            k=row["k"],
            sample=None if row["real_queries"] else row["queries"],
            queries=None,
            real_queries=False,
            rows=False,
            # as it was written out, so that a percent sign is one
            filter=row["filter"].replace("%", "%%") or None,
            params=None,
            progress=progress,
        )
        best = max((point.recall for point in calibration.points), default=0.0)
        return f"{len(calibration.points)} searches, recall up to {best:.4f}"
    if row["step"] == "reindex":
        with watch(conn, progress):
            yield from online.concurrently(row["statement"], chosen)
        forget_facts(conn, (yield from _layout(row)))
        return "a new graph"
    yield from online.concurrently(row["statement"], {})
    return ""


def _layout(row: Row) -> Exchange[IndexLayout]:
    """The index of a step; raises IndexNotFound if it was dropped just now."""
    column = ColumnLayout(row["table"], row["column"], row["schema"])
    for layout in (yield from registered(column)):
        if layout.name == row["index"]:
            return layout
    raise IndexNotFound(f"{row['index']} was dropped while it was maintained")


def _measured(report: RecallReport) -> str:
    if report.recall is None or report.low is None or report.high is None:
        return "no query had anything to be found"
    return (
        f"recall {report.recall:.4f} ({report.low:.4f} to {report.high:.4f}), of which "
        f"the graph loses {report.loss_graph or 0:.4f}"
    )


def _report(done: Sequence[MaintenanceStep], rows: Sequence[Row]) -> MaintenanceReport:
    steps = [_step(row) for row in rows]
    return MaintenanceReport(
        tuple(done),
        tuple(step for step in steps if step.statement is not None),
        tuple(step for step in steps if step.statement is None),
    )


def _step(
    row: Row, outcome: str = "", seconds: float = 0.0, remedy: str | None = None
) -> MaintenanceStep:
    return MaintenanceStep(
        step=row["step"],
        table=_table_of(row),
        index=row["index"],
        reason=row["reason"],
        statement=row["statement"],
        remedy=remedy or row["remedy"],
        k=row["k"],
        filter=row["filter"] or None,
        outcome=outcome,
        seconds=seconds,
    )


def _table_of(row: Row) -> str:
    return f"{row['schema']}.{row['table']}"
