"""Installs and removes the database side: the `mrl` schema of `sql/install.sql`."""

from dataclasses import dataclass
from importlib.metadata import version
from typing import cast

from mrl_pg import source
from mrl_pg.catalog.facts import check_pgvector
from mrl_pg.errors import NotInstalled, StillInUse
from mrl_pg.exchange import (
    AsyncConn,
    Conn,
    Exchange,
    Row,
    Script,
    Send,
    run,
    run_async,
    transaction,
)
from mrl_pg.exchange.server_message import server_message

VERSION = version("mrl_pg")

NOT_IN_PREREQUISITE_STATE = "55000"
"""SQLSTATE of the errors that the scripts themselves raise."""

DEPENDENT_OBJECTS_STILL_EXIST = "2BP01"


@dataclass(frozen=True, slots=True)
class InstallReport:
    """Version of the database side before (None: there was none) and after."""

    found: str | None
    version: str | None

    def __str__(self) -> str:
        """What happened, in one sentence."""
        match self.found, self.version:
            case None, None:
                return "mrl_pg was not installed"
            case found, None:
                return f"removed mrl_pg {found}; short columns and indexes stay"
            case None, now:
                return f"installed mrl_pg {now}"
            case found, now if found == now:
                return f"mrl_pg {now} was installed already; refreshed it"
            case found, now:
                return f"upgraded mrl_pg {found} to {now}"


def install(conn: Conn) -> InstallReport:
    """Install or upgrade the `mrl` schema, in one transaction; safe to repeat.

    Needs the right CREATE on the database. Revokes the rights that other roles hold on
    the schema and its objects, except those that mrl_pg grants to all roles.

    Raises PgvectorMissing or PgvectorTooOld. Raises NotInstalled if the database holds
    a newer version than this package, or if an object in the schema `mrl`, or an object
    that it uses, belongs to a role that the installer cannot trust.
    """
    return run(conn, installing())


async def install_async(conn: AsyncConn) -> InstallReport:
    """The same as `install` on an asynchronous connection."""
    return await run_async(conn, installing())


def uninstall(conn: Conn) -> InstallReport:
    """Remove the `mrl` schema, in one transaction; short columns and indexes stay.

    Raises StillInUse, with their names and with nothing changed, while objects of yours
    use it.
    """
    return run(conn, uninstalling())


async def uninstall_async(conn: AsyncConn) -> InstallReport:
    """The same as `uninstall` on an asynchronous connection."""
    return await run_async(conn, uninstalling())


def installing() -> Exchange[InstallReport]:
    """The verb behind `install`, for a connection of any driver."""
    try:
        return (yield from transaction(_install()))
    except Exception as error:
        reply = server_message(error)
        if reply.sqlstate == NOT_IN_PREREQUISITE_STATE:
            hint = f": {reply.hint}" if reply.hint else ""
            raise NotInstalled(f"{reply.message}{hint}") from error
        raise


def uninstalling() -> Exchange[InstallReport]:
    """The verb behind `uninstall`, for a connection of any driver."""
    try:
        return (yield from transaction(_uninstall()))
    except Exception as error:
        reply = server_message(error)
        if reply.sqlstate == NOT_IN_PREREQUISITE_STATE:
            # rotated columns
            raise StillInUse(f"nothing was removed: {reply}") from error
        if reply.sqlstate != DEPENDENT_OBJECTS_STILL_EXIST:
            raise
        # the server's hint is to drop them with `cascade`
        raise StillInUse(
            f"nothing was removed, because objects of yours use mrl: {reply.detail}; "
            "drop or change them, then uninstall again"
        ) from error


def read_version() -> Exchange[str | None]:
    """Version of the database side; None where it is not installed."""
    if not (yield from read_state())["mrl_installed"]:
        return None
    (row,) = yield Send(_VERSION)
    return cast("str | None", row["version"])


def read_state() -> Exchange[Row]:
    """Version of pgvector (None if it is missing), and whether `mrl` is installed."""
    (row,) = yield Send(_STATE)
    return cast("Row", row)


def _install() -> Exchange[InstallReport]:
    check_pgvector((yield from read_state())["pgvector_version"])
    found = yield from read_version()
    yield _script("install.sql")
    return InstallReport(found, VERSION)


def _uninstall() -> Exchange[InstallReport]:
    found = yield from read_version()
    yield _script("uninstall.sql")
    return InstallReport(found, None)


def _script(manifest: str) -> Script:
    return Script("\n".join(source.read(file) for file in source.manifest(manifest)))


_STATE = source.statement("pgvector")
_VERSION = source.statement("version")
