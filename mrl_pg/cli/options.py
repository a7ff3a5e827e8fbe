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
    dsn: str | None,
    directory: Path | None,
    pg: int,
    *,
    autocommit: bool = True,
    installs: bool = False,
) -> Iterator[psycopg.Connection]:
    """Connect to the server that the options choose, and print its origin on stderr.

    An embedded server is started if it is not running, and stays running. With
    `installs`, it gets the schema `mrl` if it has none: it is ours, unlike any other.
    If a lock times out, the processes that hold it are printed.
    """
    target = connect.resolve(dsn, directory=directory, version=pg)
    say(f"using {target.origin}")
    with psycopg.connect(target.conninfo, autocommit=autocommit) as conn:
        if installs and target.embedded:
            _install(conn)
        try:
            yield conn
        except psycopg.errors.LockNotAvailable:
            conn.rollback()
            _name_holders(conn)
            raise


def _install(conn: psycopg.Connection) -> None:
    # imported here, because most commands do not install
    from mrl_pg.exchange import run
    from mrl_pg.installation import install, read_version

    if run(conn, read_version()) is None:
        say(str(install(conn)))


def _name_holders(conn: psycopg.Connection) -> None:
    holders = source.statement("lock_holders").encode()
    for pid, role, state, since in conn.execute(holders):
        say(f"process {pid} of role {role} holds locks since {since}: {state}")
