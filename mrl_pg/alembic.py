"""The Alembic door: runs files of `sql/` inside a revision, online and offline."""

import logging
import re
from typing import Protocol

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection

from mrl_pg import source

log = logging.getLogger(__name__)


class Operations(Protocol):
    """What is used of `alembic.op` or of an `Operations` object."""

    def get_context(self) -> MigrationContext:
        """The context of the running migration."""

    def get_bind(self) -> Connection:
        """The connection of an online migration."""


def install_release(operations: Operations, version: str) -> None:
    """Run every file of one release, unless the database holds it, or a newer one.

    So a database that psql or `mrl_pg.install` brought further is left as it is, and
    only the revision is noted. The text goes to the server, or with --sql to the
    output, byte for byte.
    """
    if not operations.get_context().as_sql:
        found = installed_version(operations.get_bind())
        if found is not None and _numbers(found) >= _numbers(version):
            log.warning("mrl_pg %s is there: %s is not installed", found, version)
            return
    run_manifest(operations, f"releases/{version}.sql")


def installed_version(connection: Connection) -> str | None:
    """Version of the database side; None when there is none."""
    state = connection.exec_driver_sql(source.statement("queries/pgvector.sql"))
    if not state.one().mrl_installed:
        return None
    version = connection.exec_driver_sql(source.statement("queries/version.sql"))
    return str(version.scalar_one())


def run_manifest(operations: Operations, name: str) -> None:
    """Run every file that a manifest such as `uninstall.sql` names, in order."""
    for part in source.manifest(name):
        run_verbatim(operations, source.read(part))


def run_verbatim(operations: Operations, text: str) -> None:
    """Send SQL as it is: neither `:name` nor `%` in it means anything."""
    context = operations.get_context()
    if context.as_sql:
        context.impl.static_output(text)
    else:
        operations.get_bind().exec_driver_sql(
            text, execution_options={"no_parameters": True}
        )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])
