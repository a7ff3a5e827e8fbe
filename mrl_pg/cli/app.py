"""The application behind `mrl-pg`: lists the commands and turns errors into exit codes.

Each command is a function in this folder, and one line below names its file.
"""

import sys
import warnings
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from mrl_pg.cli.commands import LazyGroup
from mrl_pg.errors import MrlError

if TYPE_CHECKING:
    from psycopg import Error


class MrlPg(LazyGroup):
    """The commands; each is imported when it runs."""

    places: ClassVar = {
        "demo": "mrl_pg.cli.demo:demo",
        "bench": "mrl_pg.cli.bench:bench",
        "plan": "mrl_pg.cli.plan:plan",
        "install": "mrl_pg.cli.install:install",
        "uninstall": "mrl_pg.cli.install:uninstall",
        "extension": "mrl_pg.cli.install:extension",
        "create": "mrl_pg.cli.create:create",
        "keep-as": "mrl_pg.cli.create:keep_as",
        "drop": "mrl_pg.cli.create:drop",
        "resize": "mrl_pg.cli.resize:resize",
        "switch": "mrl_pg.cli.switch:switch",
        "remodel": "mrl_pg.cli.switch:remodel",
        "rotate": "mrl_pg.cli.rotate:rotate",
        "tenants": "mrl_pg.cli.tenants:app",
        "parts": "mrl_pg.cli.parts:app",
        "indexes": "mrl_pg.cli.indexes:indexes",
        "status": "mrl_pg.cli.status:status",
        "repair": "mrl_pg.cli.status:repair",
        "doctor": "mrl_pg.cli.doctor:doctor",
        "maintenance": "mrl_pg.cli.maintenance:maintenance",
        "tune": "mrl_pg.cli.tune:tune",
        "search": "mrl_pg.cli.search:search",
        "calibrate": "mrl_pg.cli.calibrate:calibrate",
        "recall": "mrl_pg.cli.recall:recall",
        "queries": "mrl_pg.cli.queries:queries",
        "server": "mrl_pg.cli.server:app",
        "load": "mrl_pg.cli.load:load",
        "train": "mrl_pg.cli.train:train",
        "mcp": "mrl_pg.cli.mcp:mcp",
    }


app = typer.Typer(
    name="mrl-pg",
    cls=MrlPg,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Matryoshka two-pass retrieval for PostgreSQL and pgvector.",
    epilog="Exit codes: 0 done, 1 failed, 2 wrong input, 3 a problem with the table, "
    "4 a problem with its short index, 5 pgvector or mrl is missing, 6 no server, "
    "7 recall below the floor, 8 timed out or cancelled, 9 the server has too little "
    "memory, disk or connections, 10 try again, 11 not allowed, 130 interrupted.",
)


def _show_version(version_option: bool) -> None:
    if version_option:
        from importlib.metadata import version

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
    """Run the command in `sys.argv`; returns the exit code or raises SystemExit."""
    # one line, because nobody in a shell wants a line of Python's source
    warnings.showwarning = _warn
    try:
        app(prog_name="mrl-pg")
    except MrlError as error:
        return _fail(str(error), error.exit_code)
    except OSError as error:
        return _fail(str(error), MrlError.exit_code)
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        # imported here, because help needs no driver
        from psycopg import Error

        if isinstance(error, Error):
            return _fail_by_driver(error)
        raise
    return 0


def _fail_by_driver(error: "Error") -> int:
    from mrl_pg.errors.failures import failure_of, said

    failure = failure_of(error)
    if failure is None:
        return _fail(said(error), MrlError.exit_code)
    text = f"{failure.what}: {said(error)}"
    return _fail(f"{text} ({failure.step})", failure.exit_code)


def _warn(message: Warning | str, *_where: object, **_also: object) -> None:
    print(f"warning: {message}", file=sys.stderr)


def _fail(text: str, code: int) -> int:
    print(f"error: {text}", file=sys.stderr)
    return code
