"""`mrl-pg switch` and `remodel`: another index or full column as the one in use."""

import json
from dataclasses import asdict
from typing import Annotated, Any

import typer

from mrl_pg.arguments import split_table
from mrl_pg.cli.describe import (
    Column,
    DistanceName,
    KindName,
    Name,
    Short,
    Table,
    describe,
)
from mrl_pg.cli.options import PG_DEFAULT, Directory, Dsn, Json, Pg, connection
from mrl_pg.column import MatryoshkaColumn
from mrl_pg.errors import InvalidSetting, TableError


def switch(
    table: Table,
    column: Column,
    dims: Annotated[
        int | None,
        typer.Option("--dims", "-d", help="Dimensions of the short vectors."),
    ] = None,
    kind: KindName = "halfvec",
    distance: DistanceName = "cosine",
    short: Short = "",
    name: Name = "",
    to: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Another column of full vectors, those of another model: searches "
            "that bring a query for each column use it in place of COLUMN.",
        ),
    ] = None,
    allow_missing: Annotated[
        bool,
        typer.Option(
            "--allow-missing",
            help="With --to: although rows with an old vector have no new one.",
        ),
    ] = False,
    dsn: Dsn = None,
    directory: Directory = None,
    pg: Pg = PG_DEFAULT,
    as_json: Json = False,
) -> None:
    """Make an index, or the column of another model, the one in use from now on.

    With --dims: searches that name no index use that index. With --to: searches that
    bring a query for each column use the other column. Programs that run notice it at
    their next search. Nothing is locked or built. To go back, run it with the old
    index, or with both columns exchanged.

    After a switch with --to it counts the rows that others wrote meanwhile without a
    new vector. If there are any, the exit code is 3, and the switch stays.

    Example: mrl-pg switch docs embedding --dims 256

    Example: mrl-pg switch docs embedding --to embedding_v2
    """
    if (dims is None) == (to is None):
        raise InvalidSetting(
            "switch to what? give either --dims of another index of the column, or "
            "--to with another column"
        )
    code = 0
    with connection(dsn, directory, pg) as conn:
        if to is not None:
            schema, bare = split_table(table)
            report = MatryoshkaColumn(bare, column, schema).switch(
                conn, to, allow_missing=allow_missing
            )
            told = {
                "table": table,
                "column": column,
                "in_use": to,
                "index": report.index_name,
                "missing": report.missing,
                "uncommitted": list(report.writers),
            }
            said = str(report)
            code = TableError.exit_code if report.missing and not allow_missing else 0
        elif dims is not None:
            index = describe(
                table, column, dims, kind, distance, short=short, name=name
            )
            index.switch(conn)
            told = named(index)
            said = f"{index}: searches that name no index use {index.name} now"
    typer.echo(json.dumps(told, indent=2) if as_json else said)
    if code:
        raise typer.Exit(code)


def remodel(
    table: Table,
    column: Column,
    to: Annotated[
        str,
        typer.Option(
            metavar="COLUMN", help="The column of full vectors of the other model."
        ),
    ],
    dsn: Dsn = None,
    directory: Directory = None,
    pg: Pg = PG_DEFAULT,
    as_json: Json = False,
) -> None:
    """Show how far the change to the vectors of another model is, and the next step.

    It shows whether the new column is there, how many rows have a new vector, which
    short indexes the new column has, and which column searches use. It reads every row
    and changes nothing. docs/remodel.md has the steps.

    Example: mrl-pg remodel docs embedding --to embedding_v2
    """
    schema, bare = split_table(table)
    with connection(dsn, directory, pg) as conn:
        known = MatryoshkaColumn(bare, column, schema).remodel_status(conn, to)
    typer.echo(json.dumps(asdict(known), indent=2) if as_json else str(known))


def named(index: Any) -> dict[str, Any]:
    """An index as values for JSON."""
    names = ("table", "column", "dims", "kind", "distance")
    return {name: getattr(index, name) for name in names} | {"index": index.name}
