"""Installs the database side and makes short columns on a SQLAlchemy connection."""

import re
from typing import Any

from sqlalchemy import Connection

from mrl_pg.build import definitions
from mrl_pg.errors import InvalidSetting, NotInstalled
from mrl_pg.installation import InstallReport, installing, read_state, read_version
from mrl_pg.layout import IndexLayout
from mrl_pg.sqlalchemy.driver import run, send


def install(connection: Connection) -> InstallReport:
    """Install or upgrade the `mrl` schema in the connection's transaction.

    This is `mrl_pg.install` for a `Connection`; with an `AsyncConnection`, write
    `await connection.run_sync(install)`. It installs all or nothing, even under
    AUTOCOMMIT. Raises what `mrl_pg.install` raises.
    """
    if not isinstance(connection, Connection):
        raise InvalidSetting(
            f"install takes a Connection, this is of type {type(connection).__name__}: "
            "with engine.begin() as connection, session.connection(), or await "
            "connection.run_sync(install)"
        )
    return run(connection, installing())


def installed_version(connection: Connection) -> str | None:
    """Version of the database side; None if it is not installed."""
    return run(connection, read_version())


def has_pgvector(connection: Connection) -> bool:
    """Whether the extension pgvector is in this database."""
    return run(connection, read_state())["pgvector_version"] is not None


def check_installed(connection: Any) -> None:
    """Raise NotInstalled unless the database side, which creates indexes, is there."""
    if isinstance(connection, Connection) and installed_version(connection) is None:
        raise NotInstalled(
            "mrl_pg is not installed in this database: op.install_mrl() in a revision, "
            "mrl_pg.sqlalchemy.install(connection), `mrl-pg install` or psql -f "
            "sql/install.sql installs it"
        )


def create(connection: Any, index: IndexLayout) -> None:
    """Have the server build what is missing of a short column and its index."""
    send(connection, definitions.call("call_create_index", index).as_string())


def numbers(version: str) -> tuple[int, ...]:
    """`0.2.1` as (0, 2, 1), so that versions can be compared."""
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])
