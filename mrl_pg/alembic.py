"""The Alembic door: runs files of `sql/` inside a revision, online and offline."""

from typing import Protocol

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection

from mrl_pg import source


class Operations(Protocol):
    """What is used of `alembic.op` or of an `Operations` object."""

    def get_context(self) -> MigrationContext:
        """The context of the running migration."""

    def get_bind(self) -> Connection:
        """The connection of an online migration."""


def run_manifest(operations: Operations, name: str) -> None:
    """Run every file that `install.sql` or `uninstall.sql` names, in order.

    The text goes to the server, or with --sql to the output, byte for byte.
    """
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
