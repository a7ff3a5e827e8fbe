"""`mrl-pg tenants`: indexes of their own for the large tenants of a table."""

import json
from dataclasses import asdict
from typing import Annotated, Any, cast

import typer

from mrl_pg.arguments import split_table
from mrl_pg.build.tenants import MOST, THRESHOLD, TenantsReport, TenantState
from mrl_pg.cli.commands import Command, Group
from mrl_pg.cli.create import Memory, Workers, watched
from mrl_pg.cli.describe import (
    Column,
    KnownDims,
    KnownDistance,
    KnownKind,
    Table,
)
from mrl_pg.cli.options import PG_DEFAULT, Directory, Dsn, Json, Pg, connection, say
from mrl_pg.cli.rows import show
from mrl_pg.column import MatryoshkaColumn
from mrl_pg.kinds import Distance, Kind

app = typer.Typer(cls=Group, no_args_is_help=True)

DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Print the statements and the reason for each; change nothing.",
    ),
]


@app.callback()
def _about() -> None:
    """Many tenants in one table: an index of its own for each large tenant.

    `set` says which column tells whose row it is. `run`, now and then, builds and drops
    indexes as tenants grow and shrink. `mrl-pg search --tenant KEY` and `tenant=` in
    Python use them; the search of a small tenant is exact.
    """


@app.command("set", cls=Command)
def set_(
    table: Table,
    column: Column,
    key: Annotated[
        str,
        typer.Argument(metavar="KEY", help="Column that says whose row it is."),
    ],
    threshold: Annotated[
        int, typer.Option(help="Rows at which a tenant gets an index.")
    ] = THRESHOLD,
    low: Annotated[
        int | None,
        typer.Option(
            help="Rows below which it loses the index.  \\[default: half the threshold]"
        ),
    ] = None,
    most: Annotated[
        int,
        typer.Option(
            help="Most indexes, because each makes all plans of the table slower."
        ),
    ] = MOST,
    dims: KnownDims = None,
    kind: KnownKind = None,
    distance: KnownDistance = None,
    dsn: Dsn = None,
    directory: Directory = None,
    pg: Pg = PG_DEFAULT,
) -> None:
    """Say which column tells whose row it is, and when a tenant gets an index.

    Builds nothing; run `mrl-pg tenants run` next. Without an index of the column, and
    without --dims and --kind, the indexes hold the signs of all dimensions.

    Example: mrl-pg tenants set docs embedding tenant_id --threshold 5000
    """
    place = _place(table, column)
    with connection(dsn, directory, pg, installs=True) as conn:
        place.set_tenants(
            conn,
            key,
            threshold=threshold,
            low=low,
            most=most,
            dims=dims,
            # the verb checks the names
            kind=cast("Kind | None", kind),
            distance=cast("Distance | None", distance),
        )
        would = place.run_tenants(conn, dry_run=True)
    builds = sum(
        step.what == "build" and step.how == "concurrently" for step in would.steps
    )
    say(f"{builds} tenants get an index: mrl-pg tenants run {table} {column}")


@app.command(cls=Command)
def run(
    table: Table,
    column: Column,
    dry_run: DryRun = False,
    measure: Annotated[
        bool,
        typer.Option("--measure", help="Measure the recall of indexes that have none."),
    ] = False,
    calibrate: Annotated[
        bool,
        typer.Option(
            "--calibrate",
            help="Measure what searches with --tenant and --recall need, of indexes "
            "that have no calibration or other rows by now.",
        ),
    ] = False,
    workers: Workers = None,
    memory: Memory = None,
    dsn: Dsn = None,
    directory: Directory = None,
    pg: Pg = PG_DEFAULT,
    as_json: Json = False,
) -> None:
    """Bring the indexes of tenants up to date, while others read and write.

    Counts the rows of each tenant by the ordinary index of the key, which it builds
    first if there is none. Builds an index for each tenant of enough rows, finishes
    what an interrupted run left, and drops indexes of tenants that became small. It
    drops only what it built. Run it by cron or systemd, as often as tenants change.

    Exit code 4: another session builds on the table now.

    Example: mrl-pg tenants run docs embedding --json
    """
    place = _place(table, column)
    with connection(dsn, directory, pg) as conn, watched(f"{place}") as progress:
        report = place.run_tenants(
            conn,
            dry_run=dry_run,
            measure=measure,
            calibrate=calibrate,
            workers=workers,
            maintenance_work_mem=memory,
            progress=progress,
        )
    _print(report, as_json)


@app.command("show", cls=Command)
def show_(
    table: Table,
    column: Column,
    dsn: Dsn = None,
    directory: Directory = None,
    pg: Pg = PG_DEFAULT,
    as_json: Json = False,
) -> None:
    """List the tenants that have an index: rows, size, state and recall.

    Only the owner of the table sees them: the view mrl.tenant_indexes.

    Example: mrl-pg tenants show docs embedding
    """
    place = _place(table, column)
    with connection(dsn, directory, pg) as conn:
        states = place.tenants(conn)
    if as_json:
        typer.echo(json.dumps([asdict(state) for state in states], indent=2))
        return
    if not states:
        typer.echo(f"no tenant has an index: mrl-pg tenants run {table} {column}")
        return
    show(
        ("tenant", "index", "state", "rows", "size", "recall"),
        [_line(state) for state in states],
    )


@app.command(cls=Command)
def drop(
    table: Table,
    column: Column,
    dry_run: DryRun = False,
    dsn: Dsn = None,
    directory: Directory = None,
    pg: Pg = PG_DEFAULT,
    as_json: Json = False,
) -> None:
    """Drop all indexes of tenants, and forget the key.

    The ordinary index of the key stays.

    Example: mrl-pg tenants drop docs embedding
    """
    with connection(dsn, directory, pg) as conn:
        report = _place(table, column).drop_tenants(conn, dry_run=dry_run)
    _print(report, as_json)


def _place(table: str, column: str) -> MatryoshkaColumn:
    schema, bare = split_table(table)
    return MatryoshkaColumn(bare, column, schema)


def _line(state: TenantState) -> tuple[str, ...]:
    return (
        state.tenant,
        state.index_name,
        state.state,
        "?" if state.rows is None else f"{state.rows:,}",
        f"{(state.index_bytes or 0) / 1e6:,.1f} MB",
        "-" if state.recall is None else f"{state.recall:.3f} (k {state.k})",
    )


def _print(report: TenantsReport, as_json: bool) -> None:
    if not as_json:
        typer.echo(str(report))
        if report.dry_run:
            for step in report.steps:
                typer.echo(f"{step.statement};")
        return
    took = report.seconds or [None] * len(report.steps)
    facts: dict[str, Any] = {
        "changed": report.changed,
        "dry_run": report.dry_run,
        "steps": [
            {**asdict(step), "seconds": seconds}
            for step, seconds in zip(report.steps, took, strict=True)
        ],
        "indexes": [asdict(state) for state in report.indexes],
    }
    typer.echo(json.dumps(facts, indent=2))
