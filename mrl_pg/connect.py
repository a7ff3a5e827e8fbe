"""Which server to talk to: one you name, one the environment names, or the embedded.

In this order: `dsn`; a named `directory` (the embedded server there); DATABASE_URL;
the PG* variables; the embedded server in `.mrl_pg/pg18`, which is started if need be
and left running, so that the next command is quick. `mrl-pg server stop` stops it.
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
"""Any of these says that libpq's variables name a server."""


@dataclass(frozen=True, slots=True)
class Target:
    """A server to connect to; `origin` says in words who chose it, never a password."""

    conninfo: str
    origin: str


@dataclass(frozen=True, slots=True)
class Embedded:
    """The choice of an embedded server, which may have to be started first."""

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
    """What `resolve` would pick, without starting anything.

    Raises InvalidSetting for a string that is no connection string, and for `dsn`
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
    """The server to talk to; starts the embedded one if it is chosen and not running.

    It stays running afterwards; the origin says how to stop it.
    """
    choice = choose(dsn, os.environ, directory=directory, version=version)
    if isinstance(choice, Target):
        return choice
    # Without a folder the default one is meant, which gets a .gitignore of its own.
    running = server.start(directory and choice.directory, choice.version)
    conninfo = running.url()
    if os.environ.get("PGHOSTADDR"):  # libpq would go there
        conninfo = make_conninfo(conninfo, hostaddr="")
    return Target(conninfo, choice.origin)


def _named(text: str, giver: str) -> Target:
    # SQLAlchemy writes its driver into the scheme.
    conninfo = re.sub(r"^postgres(ql)?\+\w+://", "postgresql://", text.strip())
    try:
        parts = conninfo_to_dict(conninfo)
        # A password with an unescaped @ or / spills into the parts behind it.
        spilt = any("@" in str(parts.get(n, "")) for n in ("host", "port", "dbname"))
    except psycopg.ProgrammingError:
        spilt = True
    if spilt:
        # No cause and no value: what libpq says may quote the password.
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
