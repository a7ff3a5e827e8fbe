"""The server that a command connects to: named by you, by the environment, or embedded.

The first of these that is given names the server: `dsn`; `directory` (the embedded
server there); DATABASE_URL; the PG* variables. If none is given, it is the embedded
server in `.mrl_pg/pg18`. An embedded server is started if it does not run. It keeps
running until `mrl-pg server stop`, so that the next command is quick.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from mrl_pg import server
from mrl_pg.errors import InvalidSetting

PG_VARIABLES = ("PGHOST", "PGHOSTADDR", "PGPORT", "PGUSER", "PGDATABASE", "PGSERVICE")
"""If any of these is set, libpq's variables name the server."""


@dataclass(frozen=True, slots=True)
class Target:
    """A server to connect to; `origin` says who named it, without the password.

    `embedded` says that it is one of mrl_pg's own.
    """

    conninfo: str
    origin: str
    embedded: bool = False


@dataclass(frozen=True, slots=True)
class Embedded:
    """An embedded server to connect to, which may not run yet."""

    directory: Path
    version: int
    origin: str


def choose(
    dsn: str | None,
    environment: Mapping[str, str],
    *,
    directory: str | os.PathLike[str] | None = None,
    version: int = server.VERSIONS[0],
) -> Target | Embedded:
    """The server that `resolve` would choose, without starting it.

    Raises InvalidSetting for a text that is not a connection string, and for `dsn`
    and `directory` together.
    """
    if dsn is not None and directory is not None:
        raise InvalidSetting("--dsn and --directory name two servers: give one of them")
    if dsn is not None:
        return _named(dsn, "--dsn")
    if directory is None:
        if database_url := environment.get("DATABASE_URL"):
            return _named(database_url, "DATABASE_URL")
        used = [name for name in PG_VARIABLES if environment.get(name)]
        if used:
            shown = ", ".join(f"{name}={environment[name]}" for name in used)
            return Target("", f"the PG* variables ({shown})")
    return Embedded(
        server.data_directory(directory, version),
        version,
        _embedded_origin(directory, version),
    )


def resolve(
    dsn: str | None,
    *,
    directory: str | os.PathLike[str] | None = None,
    version: int = server.VERSIONS[0],
) -> Target:
    """The server to connect to; starts an embedded server that does not run.

    The server keeps running afterwards. `origin` says how to stop it.
    """
    choice = choose(dsn, os.environ, directory=directory, version=version)
    if isinstance(choice, Target):
        return choice
    # Without a directory, the server makes the default directory with a .gitignore.
    running = server.start(directory and choice.directory, choice.version)
    conninfo = running.url()
    if os.environ.get("PGHOSTADDR"):  # libpq would connect to this address
        conninfo = make_conninfo(conninfo, hostaddr="")
    return Target(conninfo, choice.origin, embedded=True)


def _named(text: str, giver: str) -> Target:
    # URLs of SQLAlchemy name a driver in their scheme.
    conninfo = re.sub(r"^postgres(ql)?\+\w+://", "postgresql://", text.strip())
    try:
        parts = conninfo_to_dict(conninfo)
        # An unescaped @ or / in the password moves the rest into other parts.
        malformed = any(
            "@" in str(parts.get(n, "")) for n in ("host", "port", "dbname")
        )
    except psycopg.ProgrammingError:
        malformed = True
    if malformed:
        # No cause and no value, because a message of libpq may quote the password.
        raise InvalidSetting(
            f"{giver} is not a PostgreSQL connection string: write "
            "postgresql://user@host:5432/database or 'host=… dbname=…', and "
            "percent-encode special characters in a URL"
        )
    named = ("service", "user", "host", "hostaddr", "port", "dbname")
    shown = " ".join(f"{name}={parts[name]}" for name in named if parts.get(name))
    return Target(conninfo, f"{giver} ({shown})" if shown else giver)


def _embedded_origin(directory: str | os.PathLike[str] | None, version: int) -> str:
    folder = Path(directory or Path(server.HOME, f"pg{version}"))
    options = ""
    if directory is not None:
        options = f" --directory {folder}"
    elif version != server.VERSIONS[0]:
        options = f" --pg {version}"
    stop = f"stop it with: mrl-pg server stop{options}"
    return f"the embedded server in {folder} ({stop})"
