"""`mrl-pg doctor`: what makes searches slow, wrong or expensive."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from mrl_pg.arguments import split_table
from mrl_pg.build.doctor import doctor as examine
from mrl_pg.cli.options import PG_DEFAULT, Directory, Dsn, Json, Pg, connection
from mrl_pg.cli.status import TableName
from mrl_pg.errors import ShortIndexError


def doctor(
    table: TableName = None,
    sample: Annotated[
        int,
        typer.Option(
            help="Vectors of each column to look at; 0 reads no row of a table."
        ),
    ] = 200,
    dsn: Dsn = None,
    directory: Directory = None,
    pg: Pg = PG_DEFAULT,
    as_json: Json = False,
) -> None:
    """Say what makes searches slow, wrong or expensive, why, and what mends it.

    It looks at versions, settings, memory, dead rows, vectors, calibrations and plans,
    and at your application's own searches if pg_stat_statements counts them. Nothing
    is changed. The exit code is 4 if anything is found, else 0.

    Example: mrl-pg doctor docs
    """
    schema, bare = split_table(table) if table else ("", None)
    with connection(dsn, directory, pg) as conn:
        found = examine(conn, bare, schema=schema, sample=sample)
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in found], indent=2))
    elif found:
        typer.echo("\n\n".join(map(str, found)))
    else:
        typer.echo("nothing was found")
    if found:
        raise typer.Exit(ShortIndexError.exit_code)
