"""`mrl-pg maintenance`: does what is due, and says what it did."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from mrl_pg.arguments import split_table
from mrl_pg.cli.bar import bar, shown_by
from mrl_pg.cli.options import PG_DEFAULT, Directory, Dsn, Json, Pg, connection, say
from mrl_pg.cli.status import TableName
from mrl_pg.errors import ShortIndexError
from mrl_pg.upkeep.maintain import CHANGED, DEAD, RECALL, SAMPLE, maintain


def maintenance(
    table: TableName = None,
    recall: Annotated[
        float,
        typer.Option(
            help="Watch the search that keeps this recall by its calibration."
        ),
    ] = RECALL,
    dead: Annotated[
        float,
        typer.Option(help="Vacuum from this share of dead rows on, 1,000 at least."),
    ] = DEAD,
    changed: Annotated[
        float,
        typer.Option(
            help="Measure again from this share of changed rows on; 0: after each."
        ),
    ] = CHANGED,
    sample: Annotated[
        int,
        typer.Option(help="Queries of a measurement; each reads every row twice."),
    ] = SAMPLE,
    workers: Annotated[
        int | None,
        typer.Option(help="Parallel workers of a reindex.  \\[default: the server's]"),
    ] = None,
    maintenance_work_mem: Annotated[
        str | None,
        typer.Option(
            "--maintenance-work-mem",
            metavar="SIZE",
            help="Memory of a reindex, such as 2GB.  \\[default: the server's]",
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Say what is due with its statements; change nothing."
        ),
    ] = False,
    dsn: Dsn = None,
    directory: Directory = None,
    pg: Pg = PG_DEFAULT,
    as_json: Json = False,
) -> None:
    """Vacuum, reindex and calibrate what is due, and say what was done and why.

    A table with many dead rows is vacuumed. Once enough rows have changed, recall is
    measured; if it lies below the interval of the calibration and the graph is to
    blame, the index is built again, concurrently. Stale calibrations are repeated.
    Nobody who reads or writes has to wait. Only tables that you own are looked at. Run
    it each night; if it is interrupted, run it again. The exit code is 4 if anything is
    left that only you can do.

    Example: mrl-pg maintenance docs --dry-run
    """
    schema, bare = split_table(table) if table else ("", None)
    with (
        connection(dsn, directory, pg) as conn,
        bar("maintenance") as update,
    ):
        report = maintain(
            conn,
            bare,
            schema=schema,
            recall=recall,
            dead=dead,
            changed=changed,
            sample=sample,
            dry_run=dry_run,
            workers=workers,
            maintenance_work_mem=maintenance_work_mem,
            progress=shown_by(update),
        )
    if as_json:
        typer.echo(json.dumps(asdict(report), indent=2))
    elif dry_run and report.due:
        for step in report.due:
            typer.echo(f"-- {step.step}: {step.reason}\n{step.statement};")
        for step in report.left:
            say(str(step))
    else:
        typer.echo(str(report))
    if report.left:
        raise typer.Exit(ShortIndexError.exit_code)
