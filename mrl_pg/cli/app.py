"""The application behind `mrl-pg`: collects the commands, turns errors into exit codes.

A command is a function in a file of its own here, registered below by one line.
"""

import sys
from importlib.metadata import version
from typing import Annotated

import psycopg
import typer

from mrl_pg.cli import (
    calibrate,
    create,
    demo,
    indexes,
    install,
    load,
    queries,
    recall,
    search,
    server,
    tune,
)
from mrl_pg.errors import MrlError
from mrl_pg.errors.failures import failure_of

app = typer.Typer(
    name="mrl-pg",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Matryoshka two-pass retrieval for PostgreSQL and pgvector.",
    epilog="Exit codes: 0 done, 1 failed, 2 wrong input, 3 the table, 4 its short "
    "index, 5 pgvector or mrl is missing, 6 no server, 7 recall below the floor, "
    "8 timed out or cancelled, 9 the server is out of something, 10 try again, "
    "11 not allowed, 130 interrupted.",
)

app.command()(demo.demo)
app.command()(install.install)
app.command()(install.uninstall)
app.command()(create.create)
app.command()(create.drop)
app.command()(indexes.indexes)
app.command()(tune.tune)
app.command()(search.search)
app.command()(calibrate.calibrate)
app.command()(recall.recall)
app.command()(queries.queries)
app.add_typer(server.app, name="server")
app.command()(load.load)
# One line for each further command: app.command()(search.search)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mrl-pg {version('mrl_pg')}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_show_version,
            is_eager=True,
            help="Print the version and exit.",
        ),
    ] = False,
) -> None:
    pass


def run() -> int:
    """Run the command in `sys.argv`; the exit code, or SystemExit with it."""
    try:
        app(prog_name="mrl-pg")
    except MrlError as error:
        return _fail(str(error), error.exit_code)
    except psycopg.Error as error:
        failure = failure_of(error)
        if failure is None:
            return _fail(_said(error), MrlError.exit_code)
        text = f"{failure.what}: {_said(error)}"
        return _fail(f"{text} ({failure.step})", failure.exit_code)
    except OSError as error:
        return _fail(str(error), MrlError.exit_code)
    except KeyboardInterrupt:
        return 130
    return 0


def _said(error: psycopg.Error) -> str:
    diagnostic = error.diag
    parts = (
        diagnostic.message_primary,
        diagnostic.message_detail,
        diagnostic.message_hint,
    )
    return "; ".join(part for part in parts if part) or " ".join(str(error).split())


def _fail(text: str, code: int) -> int:
    print(f"error: {text}", file=sys.stderr)
    return code
