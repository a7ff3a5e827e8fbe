"""Options that several commands share, and the connection that they choose."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TypeAlias

import psycopg
import typer

from mrl_pg import connect, server, source

SERVER = "Which server"
"""Panel of `--help` with the options below."""

Dsn: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--dsn",
        metavar="URL",
        help="Connection string. Default: DATABASE_URL, else the PG* variables, "
        "else the embedded server.",
        rich_help_panel=SERVER,
        show_default=False,
    ),
]
Directory: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--directory",
        "-D",
        metavar="DIR",
        help="Use the embedded server whose data is in this folder. "
        "Default: .mrl_pg/pg18.",
        rich_help_panel=SERVER,
        show_default=False,
    ),
]
Pg: TypeAlias = Annotated[
    int,
    typer.Option(
        "--pg",
        metavar="18|16",
        help="Major version of the embedded server.",
        rich_help_panel=SERVER,
    ),
]
Json: TypeAlias = Annotated[
    bool,
    typer.Option("--json", help="Print the result as JSON on stdout."),
]

PG_DEFAULT = server.VERSIONS[0]
"""Default of `Pg`: `pg: Pg = PG_DEFAULT`."""


def say(text: str) -> None:
    """Print a message for people on stderr, because stdout has only results."""
    typer.echo(text, err=True)


@contextmanager
def connection(
    dsn: str | None, directory: Path | None, pg: int, *, autocommit: bool = True
) -> Iterator[psycopg.Connection]:
    """Connect to the server that the options choose, and print its origin on stderr.

    An embedded server is started if it is not running, and stays running. If a lock
    times out, the processes that hold it are printed.
    """
    target = connect.resolve(dsn, directory=directory, version=pg)
    say(f"using {target.origin}")
    with psycopg.connect(target.conninfo, autocommit=autocommit) as conn:
        try:
            yield conn
        except psycopg.errors.LockNotAvailable:
            conn.rollback()
            _name_holders(conn)
            raise


def _name_holders(conn: psycopg.Connection) -> None:
    holders = source.statement("lock_holders").encode()
    for pid, role, state, since in conn.execute(holders):
        say(f"process {pid} of role {role} holds locks since {since}: {state}")
