"""Whether this history installed the database side, or found it there.

A comment on the history's own version table remembers the answer. No other installation
writes to that comment.
"""

import logging
import re
from typing import Any, Protocol

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, MetaData, Table, inspect
from sqlalchemy.exc import NoSuchTableError
from sqlalchemy.schema import SetTableComment

from mrl_pg.alembic.place import translated
from mrl_pg.sqlalchemy.create import numbers

log = logging.getLogger(__name__)

_MARK = "mrl_pg {} was there before this history, whose downgrade leaves it."
_MARKED = re.compile(re.escape(_MARK).replace(r"\{\}", r"(\S+)"))


class Operations(Protocol):
    """Methods that we use of `alembic.op` or of an `Operations` object."""

    def get_context(self) -> MigrationContext:
        """The context of the running migration."""

    def get_bind(self) -> Connection:
        """The connection of an online migration."""


def installed_here(operations: Operations, version: str) -> bool:
    """Whether a downgrade may remove a release, because this history installed it.

    If the release was there before, the log says that it stays. With --sql there is no
    database to ask, and the answer is yes.
    """
    found = found_before(operations)
    if found is None or numbers(found) < numbers(version):
        return True
    log.warning(
        "mrl_pg %s was there before this history: it stays; `mrl-pg uninstall` removes "
        "it",
        found,
    )
    return False


def found_before(operations: Operations) -> str | None:
    """The version that the first revision found; None if it found none."""
    marked = _MARKED.search(_comment(operations) or "")
    return marked[1] if marked else None


def remember(operations: Operations, version: str | None) -> None:
    """Store, in a comment, the version that a revision finds, or that it finds none."""
    current = _comment(operations)
    if current is None:
        return
    # the user's own comment stays
    own = _MARKED.sub("", current).strip()
    noted = _MARK.format(version) if version else ""
    wanted = "\n".join(text for text in (noted, own) if text)
    if wanted != current:
        table = _version_table(operations, comment=wanted or None)
        operations.get_bind().execute(SetTableComment(table))


def _comment(operations: Operations) -> str | None:
    """The comment on the version table: "" without a comment, None without a table."""
    if operations.get_context().as_sql:
        return None
    table = _version_table(operations)
    bind = operations.get_bind()
    schema = translated(bind, table.schema)
    try:
        return inspect(bind).get_table_comment(table.name, schema)["text"] or ""
    except NoSuchTableError:
        return None


def _version_table(operations: Operations, **given: Any) -> Table:
    context = operations.get_context()
    schema = context.version_table_schema
    return Table(context.version_table, MetaData(), schema=schema, **given)
