"""`mrl-pg install` and `mrl-pg uninstall`: the database side."""

import json
from dataclasses import asdict

import typer

import mrl_pg
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

    Refused, with nothing changed, while one of your objects uses a function of mrl.

    Example: mrl-pg uninstall --dsn postgresql://localhost/docs
    """
    with connection(dsn, directory, pg) as conn:
        _print(mrl_pg.uninstall(conn), as_json)


def _print(report: InstallReport, as_json: bool) -> None:
    typer.echo(json.dumps(asdict(report)) if as_json else str(report))
