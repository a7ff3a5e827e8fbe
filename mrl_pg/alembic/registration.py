"""`register`: gives Alembic the operations, and has autogenerate compare declarations.

Importing mrl_pg registers nothing. `env.py` calls `register`, and Alembic runs `env.py`
before any revision.
"""

from typing import Any

from alembic import util
from alembic.autogenerate import comparators, renderers
from alembic.operations import BatchOperations, Operations

from mrl_pg.alembic import carry_out, columns, write
from mrl_pg.alembic.autogenerate import compare
from mrl_pg.alembic.columns import AddDeclaredColumnOp
from mrl_pg.alembic.installation import InstallMrlOp, UninstallMrlOp
from mrl_pg.alembic.operations import (
    CreateMatryoshkaIndexOp,
    DropMatryoshkaIndexOp,
    ResizeMatryoshkaIndexOp,
)
from mrl_pg.alembic.switching import SwitchMatryoshkaIndexOp
from mrl_pg.sqlalchemy.declare import Matryoshka

OPERATIONS: tuple[tuple[str, Any, Any, Any], ...] = (
    (
        "create_matryoshka_index",
        CreateMatryoshkaIndexOp,
        carry_out.create,
        write.create,
    ),
    ("drop_matryoshka_index", DropMatryoshkaIndexOp, carry_out.drop, write.drop),
    (
        "resize_matryoshka_index",
        ResizeMatryoshkaIndexOp,
        carry_out.resize,
        write.resize,
    ),
    (
        "switch_matryoshka_index",
        SwitchMatryoshkaIndexOp,
        carry_out.switch,
        write.switch,
    ),
    ("install_mrl", InstallMrlOp, carry_out.install, write.install),
    ("uninstall_mrl", UninstallMrlOp, carry_out.uninstall, write.uninstall),
)
"""Name and class of each operation, and what runs it and writes it in a revision."""

NAMES = frozenset(name for name, *_ in OPERATIONS)
"""Names that `register` adds to `op`."""


def register() -> None:
    """Add mrl_pg to Alembic. Call it in `env.py`, before the revisions run.

    From then on, `op` has `create_matryoshka_index` and the other operations,
    `op.add_column` creates what `Matryoshka` declares, and `alembic revision
    --autogenerate` and `alembic check` compare what models declare with what the
    database has. Calling it again changes nothing.
    """
    if is_registered():
        return
    for name, operation, carried_out, written in OPERATIONS:
        Operations.register_operation(name)(operation)
        Operations.implementation_for(operation)(carried_out)
        renderers.dispatch_for(operation)(written)
    Operations.register_operation("add_column")(AddDeclaredColumnOp)
    BatchOperations.register_operation("add_column", "batch_add_column")(
        AddDeclaredColumnOp
    )
    Operations.implementation_for(AddDeclaredColumnOp)(columns.add_column)
    comparators.dispatch_for("schema", **_after_alembics_own())(compare)
    Matryoshka.made_by_alembic = True


def is_registered() -> bool:
    """Whether `register` was called."""
    return Matryoshka.made_by_alembic


def _after_alembics_own() -> dict[str, Any]:
    """Options for Alembic 1.18 and later, which orders comparisons by priority."""
    priority = getattr(util, "DispatchPriority", None)
    return {} if priority is None else {"priority": priority.LAST}
