"""`mrl-pg status` and `mrl-pg repair`: what is wrong, and mending it."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from mrl_pg.arguments import split_table
from mrl_pg.build.repair import RepairReport
from mrl_pg.build.repair import repair as mend
from mrl_pg.build.status import IndexStatus
from mrl_pg.build.status import status as read
from mrl_pg.cli.options import PG_DEFAULT, Directory, Dsn, Json, Pg, connection, say
from mrl_pg.cli.rows import show
from mrl_pg.errors import ShortIndexError

TableName = Annotated[
    str | None,
    typer.Argument(
        metavar="[TABLE]",
        help="docs or schema.docs.  \\[default: every table]",
        show_default=False,
    ),
]
Rows = Annotated[
    bool,
    typer.Option(
        "--rows",
        help="Also read every row whose short value a trigger keeps, and count wrong "
        "values; and count rows without a vector of the model that is in use.",
    ),
]


def status(
    table: TableName = None,
    rows: Rows = False,
    dsn: Dsn = None,
    directory: Directory = None,
    pg: Pg = PG_DEFAULT,
    as_json: Json = False,
) -> None:
    """Show each short column, its index, and what is wrong with it.

    It finds invalid and missing indexes, dropped and renamed columns, partitions
    without their part, triggers that are missing or disabled, and what a broken build
    left. Of a rotated column it shows the version of the rotation. Nothing is changed.
    The exit code is 4 if anything is wrong, else 0.

    Example: mrl-pg status docs
    """
    schema, bare = split_table(table) if table else ("", None)
    with connection(dsn, directory, pg) as conn:
        states = read(conn, bare, schema=schema, rows=rows)
    if as_json:
        typer.echo(json.dumps([_facts(state) for state in states], indent=2))
    elif states:
        _print(states)
    else:
        typer.echo("no short columns yet: mrl-pg create TABLE COLUMN --dims 256")
    if not all(state.ok for state in states):
        raise typer.Exit(ShortIndexError.exit_code)


def repair(
    table: TableName = None,
    rows: Rows = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Print the statements and change nothing."),
    ] = False,
    dsn: Dsn = None,
    directory: Directory = None,
    pg: Pg = PG_DEFAULT,
    as_json: Json = False,
) -> None:
    """Mend what `mrl-pg status` finds, or say what to do.

    New names of renamed columns and indexes are written into the registry. Missing and
    invalid indexes are built concurrently, while others read and write. What a broken
    build left is dropped, if it has our name. Nothing else is touched. You can repeat
    the command, also after an interruption. The exit code is 4 if anything is left.

    Example: mrl-pg repair docs --dry-run
    """
    schema, bare = split_table(table) if table else ("", None)
    with connection(dsn, directory, pg) as conn:
        report = mend(conn, bare, schema=schema, rows=rows, dry_run=dry_run)
    if as_json:
        typer.echo(json.dumps(_report(report), indent=2))
    elif dry_run:
        for statement in report.statements:
            typer.echo(f"{statement.strip()};")
        for text in (*report.refused, *map(str, report.left)):
            say(text)
    else:
        typer.echo(str(report))
    if report.left:
        raise typer.Exit(ShortIndexError.exit_code)


def _facts(state: IndexStatus) -> dict[str, object]:
    return {**asdict(state), "ok": state.ok}


def _report(report: RepairReport) -> dict[str, object]:
    return {
        "changed": report.changed,
        "done": [{"step": step, "seconds": took} for step, took in report.done],
        "statements": list(report.statements),
        "refused": list(report.refused),
        "left": [_facts(state) for state in report.left],
    }


def _state(state: IndexStatus) -> str:
    said = "ok" if state.ok else "see below"
    return said if state.rotation is None else f"{said}, rotated by {state.rotation}"


def _print(states: tuple[IndexStatus, ...]) -> None:
    heads = ("table", "full", "short", "kept as", "index", "size", "rows", "state")
    lines = [
        (
            f"{state.schema}.{state.table}",
            state.column or "",
            "" if state.kind is None else f"{state.kind}({state.dims})",
            state.kept_as or "",
            state.name or "",
            f"{(state.index_bytes or 0) / 1e6:,.1f} MB",
            "?" if state.rows is None else f"{state.rows:,}",
            _state(state),
        )
        for state in states
    ]
    show(heads, lines)
    for state in states:
        if not state.ok:
            typer.echo(str(state))
