"""Installs and removes the database side: the `mrl` schema of `sql/install.sql`."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version

from psycopg.errors import ObjectNotInPrerequisiteState

from mrl_pg import source
from mrl_pg.catalog.facts import check_pgvector
from mrl_pg.catalog.read import AsyncConn, Conn
from mrl_pg.errors import NotInstalled
from mrl_pg.exchange import cursors

VERSION = version("mrl_pg")


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

    Needs CREATE on the database. Raises PgvectorMissing or PgvectorTooOld, and
    NotInstalled when the database holds a newer version than this package, or a
    schema `mrl` with something in it that belongs to, or uses what belongs to, a role
    that the installer cannot rely on. Rights that others hold on the schema and on what
    is in it, but for those that mrl_pg grants to all, are taken away.
    """
    try:
        with cursors.tuples(conn) as cursor, conn.transaction():
            pgvector, _, installed = cursor.execute(_STATE).fetchall()[0]
            check_pgvector(pgvector)
            found = cursor.execute(_VERSION).fetchall()[0][0] if installed else None
            for script in _scripts("install.sql"):
                cursor.execute(script)
    except ObjectNotInPrerequisiteState as error:
        raise refused(error.diag.message_primary, error.diag.message_hint) from error
    return InstallReport(found, VERSION)


async def install_async(conn: AsyncConn) -> InstallReport:
    """The same on an asynchronous connection."""
    try:
        async with (
            cursors.tuples_async(conn) as cursor,
            conn.transaction(),
        ):
            await cursor.execute(_STATE)
            pgvector, _, installed = (await cursor.fetchall())[0]
            check_pgvector(pgvector)
            found = None
            if installed:
                await cursor.execute(_VERSION)
                found = (await cursor.fetchall())[0][0]
            for script in _scripts("install.sql"):
                await cursor.execute(script)
    except ObjectNotInPrerequisiteState as error:
        raise refused(error.diag.message_primary, error.diag.message_hint) from error
    return InstallReport(found, VERSION)


def uninstall(conn: Conn) -> InstallReport:
    """Remove the `mrl` schema, in one transaction; short columns and indexes stay.

    PostgreSQL refuses, and nothing changes, while an object of yours uses it.
    """
    with cursors.tuples(conn) as cursor, conn.transaction():
        installed = cursor.execute(_STATE).fetchall()[0][2]
        found = cursor.execute(_VERSION).fetchall()[0][0] if installed else None
        for script in _scripts("uninstall.sql"):
            cursor.execute(script)
    return InstallReport(found, None)


async def uninstall_async(conn: AsyncConn) -> InstallReport:
    """The same on an asynchronous connection."""
    async with cursors.tuples_async(conn) as cursor, conn.transaction():
        await cursor.execute(_STATE)
        found = None
        if (await cursor.fetchall())[0][2]:
            await cursor.execute(_VERSION)
            found = (await cursor.fetchall())[0][0]
        for script in _scripts("uninstall.sql"):
            await cursor.execute(script)
    return InstallReport(found, None)


_STATE = source.statement("pgvector").encode()
_VERSION = source.statement("version").encode()


def _scripts(manifest: str) -> Sequence[bytes]:
    return [source.read(name).encode() for name in source.manifest(manifest)]


def refused(said: str | None, hint: str | None) -> NotInstalled:
    """What schema.sql or refuse_downgrade.sql says, with the next step."""
    return NotInstalled(f"{said}: {hint}" if hint else f"{said}")
