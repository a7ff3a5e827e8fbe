"""`mrl-pg install` and `mrl-pg uninstall`: the database side."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

import mrl_pg
from mrl_pg import extension as extensions
from mrl_pg.cli.options import PG_DEFAULT, Directory, Dsn, Json, Pg, connection
from mrl_pg.installation import InstallReport


def install(
    dsn: Dsn = None,
    directory: Directory = None,
    pg: Pg = PG_DEFAULT,
    as_json: Json = False,
) -> None:
    """Install or upgrade the mrl schema: functions, registry and the view mrl.indexes.

    Runs in one transaction and is safe to repeat. pgvector must be in the database
    already (create extension vector). None of your tables is changed.

    Example: mrl-pg install --dsn postgresql://localhost/docs
    """
    with connection(dsn, directory, pg) as conn:
        _print(mrl_pg.install(conn), as_json)


def uninstall(
    dsn: Dsn = None,
    directory: Directory = None,
    pg: Pg = PG_DEFAULT,
    as_json: Json = False,
) -> None:
    """Remove the mrl schema; short columns and their indexes stay and keep working.

    Refused, with nothing changed, while objects of yours use mrl; it names them.

    Example: mrl-pg uninstall --dsn postgresql://localhost/docs
    """
    with connection(dsn, directory, pg) as conn:
        _print(mrl_pg.uninstall(conn), as_json)


def extension(
    folder: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="Folder for the files; made if missing."),
    ],
) -> None:
    """Write mrl_pg as an extension: its control file and its script.

    Copy both to `$(pg_config --sharedir)/extension` of your server. Then `create
    extension mrl_pg` makes what `mrl-pg install` makes; use one of the two.

    Example: mrl-pg extension dist/extension
    """
    for path in extensions.write(folder):
        typer.echo(path)


def _print(report: InstallReport, as_json: bool) -> None:
    typer.echo(json.dumps(asdict(report)) if as_json else str(report))
