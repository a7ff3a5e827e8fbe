"""Whether the registry knows what a revision is to drop, which alone can be dropped."""

import logging

from alembic.operations import Operations

from mrl_pg.alembic.run import run_statement
from mrl_pg.build import definitions
from mrl_pg.index import MatryoshkaIndex
from mrl_pg.sqlalchemy.reflect import registered

log = logging.getLogger(__name__)


def is_known(operations: Operations, index: MatryoshkaIndex) -> bool:
    """Whether the registry has an index, entered anew where only the registry lost it.

    As when the schema `mrl` was removed and installed again, or a full column renamed.
    Says so in the log when there is no such index.
    """
    if operations.get_context().as_sql:
        return True
    there = registered(operations.get_bind(), index.table, index.schema or None)
    known = {
        (found.index.name, found.index.column) for found in there if found.up_to_date
    }
    if (index.name, index.column) in known:
        return True
    found = run_statement(operations, definitions.call("find_index", index)).all()
    if any(usable for *_, usable in found):
        run_statement(operations, definitions.call("call_register", index))
        return True
    log.warning(
        "%s: there is no usable index %s, so nothing is left to drop; were its short "
        "column %s still there, op.create_matryoshka_index would take it up",
        index,
        index.name,
        index.short,
    )
    return False
