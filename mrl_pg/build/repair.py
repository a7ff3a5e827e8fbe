"""Mends what `status` finds, or says what to do."""

from contextlib import nullcontext
from dataclasses import dataclass

from psycopg import sql

from mrl_pg.arguments import flag
from mrl_pg.build import online
from mrl_pg.build.status import IndexStatus, find_table, read_status
from mrl_pg.build.steps import Step, read_steps
from mrl_pg.catalog import slots
from mrl_pg.errors import InvalidSetting
from mrl_pg.exchange import (
    AnyConn,
    AsyncConn,
    Conn,
    Exchange,
    commits_each,
    run,
    run_async,
)

ROUNDS = 20
"""Most rounds for one table. A round mends what the round before made possible."""


@dataclass(frozen=True, slots=True)
class RepairReport:
    """What a `repair` did, and what is left.

    `done` names the steps in order with the seconds each took. `statements` has the
    SQL of the steps; with `dry_run=True` the first that `repair` would run. `refused`
    says why a step could not be made. `left` has the short columns that are still not
    in order; the `remedy` of each finding says what to do.
    """

    done: tuple[tuple[str, float], ...]
    statements: tuple[str, ...]
    refused: tuple[str, ...]
    left: tuple[IndexStatus, ...]

    @property
    def changed(self) -> bool:
        """Whether anything was done."""
        return bool(self.done)

    def __str__(self) -> str:
        """What was done and what is left, one a line."""
        lines = [f"{label} in {took:.1f} s" for label, took in self.done]
        lines += [f"not done: {text}" for text in self.refused]
        lines += [str(state) for state in self.left]
        return "\n".join(lines) or "nothing to do"


def repair(
    conn: Conn,
    table: str | None = None,
    *,
    schema: str = "",
    rows: bool = False,
    dry_run: bool = False,
) -> RepairReport:
    """Mend what is wrong with the short columns of a table, or of all tables.

    Writes new names of renamed columns and indexes into the registry, builds missing
    and invalid indexes concurrently, gives partitions their parts, registers what the
    registry does not know, and drops what a broken build left under our names. It
    touches nothing else, and the report says what is left to do by hand. `rows=True`
    also looks for wrong short values, as in `status`. `dry_run=True` changes nothing.

    `conn` must be in autocommit and in no transaction. You can repeat it, also after an
    interruption. Only the table's owner may repair.

    Raises BuildRunning if another session builds on the table now, TableNotFound,
    InvalidSetting and NotInstalled.
    """
    return run(conn, _repair(conn, table, schema, rows, dry_run))


async def repair_async(
    conn: AsyncConn,
    table: str | None = None,
    *,
    schema: str = "",
    rows: bool = False,
    dry_run: bool = False,
) -> RepairReport:
    """The same as `repair` on an asynchronous connection."""
    return await run_async(conn, _repair(conn, table, schema, rows, dry_run))


def _repair(
    conn: AnyConn, table: str | None, schema: str, rows: bool, dry_run: bool
) -> Exchange[RepairReport]:
    rows, dry_run = flag("rows", rows), flag("dry_run", dry_run)
    if not (dry_run or commits_each(conn)):
        raise InvalidSetting(
            "repair in a transaction: PostgreSQL builds an index concurrently only "
            "outside any; open the connection with autocommit=True"
        )
    table_id = yield from find_table(table, schema)
    before = yield from read_status(table_id, rows)
    broken = {
        state.table_id: f"{state.schema}.{state.table}"
        for state in before
        if any(finding.mends for finding in state.findings)
    }
    reports = []
    for broken_id, name in broken.items():
        body = _mend(broken_id, rows, dry_run)
        if not dry_run:
            body = online.alone(name, broken_id, body)
        reports.append((yield from body))
    after = before if dry_run else (yield from read_status(table_id, rows))
    return RepairReport(
        done=tuple(step for done, _, _ in reports for step in done),
        statements=tuple(text for _, sent, _ in reports for text in sent),
        refused=tuple(dict.fromkeys(text for _, _, no in reports for text in no)),
        left=tuple(state for state in after if not state.ok),
    )


def _mend(
    table_id: int, rows: bool, dry_run: bool
) -> Exchange[tuple[list[tuple[str, float]], list[str], list[str]]]:
    """What was done, the statements, and why others could not be made."""
    done: list[tuple[str, float]] = []
    sent: list[str] = []
    for _ in range(ROUNDS):
        todo = yield from _read(table_id, rows)
        refused = [step.label or "" for step in todo if not step.statement]
        steps = [step for step in todo if step.statement]
        if dry_run or not any(step.statement not in sent for step in steps):
            break
        done += (yield from online.carry_out(steps, {}, nullcontext, table_id)).done
        sent += [step.statement for step in steps]
    if dry_run:
        sent = [step.statement for step in steps]
    return done, sent, refused


def _read(table_id: int, rows: bool) -> Exchange[list[Step]]:
    query = slots.statement(
        "repair_steps", table_id=sql.Literal(table_id), check_rows=sql.Literal(rows)
    )
    return (yield from read_steps(query))
