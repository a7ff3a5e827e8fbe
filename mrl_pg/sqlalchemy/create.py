"""Sends SQL on a SQLAlchemy connection: installs, and makes short columns."""

import re
from contextlib import nullcontext
from typing import Any

from psycopg import sql
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from mrl_pg import source
from mrl_pg.build import definitions
from mrl_pg.catalog import slots
from mrl_pg.catalog.facts import check_pgvector
from mrl_pg.errors import InvalidSetting, NotInstalled
from mrl_pg.install import VERSION, InstallReport, refused
from mrl_pg.layout import IndexLayout

NOT_IN_PREREQUISITE_STATE = "55000"
"""SQLSTATE of what the scripts refuse; each driver has a class of its own for it."""


def send(connection: Any, statement: str) -> Any:
    """Run SQL as it is: neither `:name` nor `%` in it means anything.

    A mock connection, as `create_mock_engine` makes one, is handed it as text, and
    Alembic's offline mode prints it.
    """
    if isinstance(connection, Connection):
        return connection.exec_driver_sql(
            statement, execution_options={"no_parameters": True}
        )
    if hasattr(connection, "static_output"):
        return connection.static_output(statement + ";")
    return connection.execute(text(statement.replace(":", "\\:")))


def send_script(connection: Any, script: str) -> None:
    """Run several statements that are sent as one, which is one transaction.

    asyncpg can only prepare, and PostgreSQL prepares no more than one.
    """
    if _sends_one(connection):
        whole = slots.statement("at_once", script=sql.Literal(script))
        script = whole.as_string()
    send(connection, script)


def _sends_one(connection: Any) -> bool:
    return isinstance(connection, Connection) and connection.dialect.driver == "asyncpg"


def install(connection: Connection) -> InstallReport:
    """Install or upgrade the `mrl` schema in the connection's transaction.

    The twin of `mrl_pg.install` for `Connection`, and for an `AsyncConnection` as
    `await conn.run_sync(install)`. All or nothing under AUTOCOMMIT as well. Raises
    what that raises.
    """
    if not isinstance(connection, Connection):
        raise InvalidSetting(
            f"install takes a Connection, this is of type {type(connection).__name__}: "
            "with "
            "engine.begin() as connection, session.connection(), or await "
            "connection.run_sync(install)"
        )
    check_pgvector(send(connection, _STATE).one().pgvector_version)
    found = installed_version(connection)
    try:
        # texts that are sent as one are one transaction where there is none
        with nullcontext() if autocommits(connection) else connection.begin_nested():
            files = source.manifest("install.sql")
            send_script(connection, "\n".join(source.read(name) for name in files))
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == NOT_IN_PREREQUISITE_STATE:
            raise refused(*_said(error)) from error
        raise
    return InstallReport(found, VERSION)


def _said(error: DBAPIError) -> tuple[str | None, str | None]:
    """What the server says, and its hint."""
    orig: Any = error.orig
    if hasattr(orig, "diag"):
        return orig.diag.message_primary, orig.diag.message_hint
    # SQLAlchemy's own error stands before asyncpg's
    cause = orig.__cause__
    return getattr(cause, "message", str(orig)), getattr(cause, "hint", None)


def autocommits(connection: Connection) -> bool:
    """Whether the driver begins no transactions, as under isolation_level AUTOCOMMIT.

    A Connection only knows of the level that was asked of itself, not of its engine.
    """
    return bool(getattr(connection.connection.dbapi_connection, "autocommit", False))


def installed_version(connection: Connection) -> str | None:
    """Version of the database side; None when there is none."""
    if not send(connection, _STATE).one().mrl_installed:
        return None
    return str(send(connection, _VERSION).scalar_one())


def has_pgvector(connection: Connection) -> bool:
    """Whether the extension is in this database."""
    return send(connection, _STATE).one().pgvector_version is not None


def check_installed(connection: Any) -> None:
    """Raise NotInstalled unless the database side is there, to create indexes."""
    if isinstance(connection, Connection) and installed_version(connection) is None:
        raise NotInstalled(
            "mrl_pg is not installed in this database: op.install_mrl() in a revision, "
            "mrl_pg.sqlalchemy.install(connection), `mrl-pg install` or psql -f "
            "sql/install.sql installs it"
        )


def create(connection: Any, index: IndexLayout) -> None:
    """Have the server make a short column and its index; what is there stays."""
    send(connection, definitions.call("call_create_index", index).as_string())


def numbers(version: str) -> tuple[int, ...]:
    """`0.2.1` as (0, 2, 1), to be compared."""
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


_STATE = source.statement("pgvector")
_VERSION = source.statement("version")
