"""`mrl-pg server`: start, stop and find the embedded PostgreSQL."""

import json

import typer

from mrl_pg import server
from mrl_pg.cli.commands import Command, Group
from mrl_pg.cli.options import PG_DEFAULT, Directory, Json, Pg, say
from mrl_pg.errors import ServerError

app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    help="The embedded PostgreSQL with pgvector: nothing to install or configure.",
)


@app.command(cls=Command)
def start(directory: Directory = None, pg: Pg = PG_DEFAULT) -> None:
    """Start the embedded server, making it first if need be, and print its URL.

    It stays running until `mrl-pg server stop`. Starting it twice does no harm.

    Example: mrl-pg server start --directory /data/vectors
    """
    running = server.start(directory, pg)
    say(f"PostgreSQL {running.version} runs in {running.directory}")
    typer.echo(running.url())


@app.command(cls=Command)
def stop(directory: Directory = None, pg: Pg = PG_DEFAULT) -> None:
    """Stop the embedded server; its data stays.

    Open connections are cut. Stopping it twice does no harm.

    Example: mrl-pg server stop
    """
    folder = server.data_directory(directory, pg)
    if server.stop(directory, pg):
        say(f"stopped the server in {folder}")
    else:
        say(f"no server was running in {folder}")


@app.command(cls=Command)
def status(
    directory: Directory = None, pg: Pg = PG_DEFAULT, as_json: Json = False
) -> None:
    """Say whether the embedded server runs, and where; exit code 6 if it does not.

    Example: mrl-pg server status --json
    """
    folder = server.data_directory(directory, pg)
    found = server.status(directory, pg)
    if as_json:
        facts = {
            "running": found is not None,
            "directory": str(folder),
            "version": found and found.version,
            "pid": found and found.pid,
            "url": found and found.url(),
            "log": found and str(found.log),
        }
        typer.echo(json.dumps(facts, indent=2))
    elif found is None:
        typer.echo(f"no server runs in {folder}")
    else:
        typer.echo(f"PostgreSQL {found.version} runs in {folder} (pid {found.pid})")
        typer.echo(f"url {found.url()}")
        typer.echo(f"log {found.log}")
    if found is None:
        raise typer.Exit(ServerError.exit_code)


@app.command(cls=Command)
def url(
    database: str = typer.Argument("postgres", help="Name of the database."),
    directory: Directory = None,
    pg: Pg = PG_DEFAULT,
) -> None:
    """Print the URL of the running embedded server; exit code 6 if it does not run.

    Example: psql "$(mrl-pg server url)"
    """
    typer.echo(server.url(directory, pg, database=database))
