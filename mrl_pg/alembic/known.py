"""Whether the registry has an index, because a revision can drop no other index."""

import logging

from alembic.operations import Operations

from mrl_pg.alembic.run import run_statement
from mrl_pg.build import definitions
from mrl_pg.index import MatryoshkaIndex
from mrl_pg.sqlalchemy.reflect import registered

log = logging.getLogger(__name__)


def is_known(operations: Operations, index: MatryoshkaIndex) -> bool:
    """Whether the registry has an index; registers a lost index again if it is usable.

    The registry loses a usable index when the schema `mrl` is removed and installed
    again, or when the full column is renamed. If there is no such index, the log says
    so.
    """
    if operations.get_context().as_sql:
        return True
    existing = registered(operations.get_bind(), index.table, index.schema or None)
    known = {
        (found.index.name, found.index.column) for found in existing if found.up_to_date
    }
    if (index.name, index.column) in known:
        return True
    found = run_statement(operations, definitions.call("find_index", index)).all()
    if any(usable for *_, usable in found):
        run_statement(operations, definitions.call("call_register", index))
        return True
    log.warning(
        "%s: there is no usable index %s, so there is nothing to drop; if its short "
        "column %s still exists, op.create_matryoshka_index uses it again",
        index,
        index.name,
        index.short,
    )
    return False
