"""`mrl-pg server`: start, stop and find the embedded PostgreSQL."""

import json

import typer

from mrl_pg import server
from mrl_pg.cli.commands import Command, Group
from mrl_pg.cli.options import PG_DEFAULT, Directory, Json, Pg, say
from mrl_pg.errors import ServerError

app = typer.Typer(cls=Group, no_args_is_help=True)


@app.callback()
def _about() -> None:
    """The embedded PostgreSQL with pgvector: nothing to install or configure."""


@app.command(cls=Command)
def start(directory: Directory = None, pg: Pg = PG_DEFAULT) -> None:
    """Start the embedded server, which is made at the first start, and print its URL.

    The server runs until `mrl-pg server stop`. Starting it twice does no harm.

    Example: mrl-pg server start --directory /data/vectors
    """
    running = server.start(directory, pg)
    say(f"PostgreSQL {running.version} runs in {running.directory}")
    typer.echo(running.url())


@app.command(cls=Command)
def stop(directory: Directory = None, pg: Pg = PG_DEFAULT) -> None:
    """Stop the embedded server; its data stays.

    Open connections are closed. Stopping the server twice does no harm.

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
    """Show whether the embedded server runs, and where; exit code 6 if it does not run.

    Example: mrl-pg server status --json
    """
    folder = server.data_directory(directory, pg)
    running = server.status(directory, pg)
    if as_json:
        facts = {
            "running": running is not None,
            "directory": str(folder),
            "version": running and running.version,
            "pid": running and running.pid,
            "url": running and running.url(),
            "log": running and str(running.log),
        }
        typer.echo(json.dumps(facts, indent=2))
    elif running is None:
        typer.echo(f"no server runs in {folder}")
    else:
        typer.echo(f"PostgreSQL {running.version} runs in {folder} (pid {running.pid})")
        typer.echo(f"url {running.url()}")
        typer.echo(f"log {running.log}")
    if running is None:
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
