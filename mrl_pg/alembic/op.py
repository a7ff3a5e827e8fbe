"""`alembic.op` together with mrl_pg's operations, with types for a type checker.

Alembic's own stub lists only Alembic's operations.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

import alembic.op
from alembic.operations import Operations

from mrl_pg.alembic.installation import InstallMrlOp, UninstallMrlOp
from mrl_pg.alembic.operations import (
    CreateMatryoshkaIndexOp,
    DropMatryoshkaIndexOp,
    ResizeMatryoshkaIndexOp,
)
from mrl_pg.alembic.registration import NAMES, is_registered
from mrl_pg.alembic.switching import SwitchMatryoshkaIndexOp
from mrl_pg.errors import InvalidSetting

if TYPE_CHECKING:
    from alembic.op import *  # noqa: F403

    P = ParamSpec("P")
    Operation = Callable[Concatenate[Operations, P], None]

    def _typed(operation: Operation[P]) -> Callable[P, None]:
        """Alembic's function of that name, with the parameters of the operation."""

    create_matryoshka_index = _typed(CreateMatryoshkaIndexOp.create_matryoshka_index)
    drop_matryoshka_index = _typed(DropMatryoshkaIndexOp.drop_matryoshka_index)
    resize_matryoshka_index = _typed(ResizeMatryoshkaIndexOp.resize_matryoshka_index)
    switch_matryoshka_index = _typed(SwitchMatryoshkaIndexOp.switch_matryoshka_index)
    install_mrl = _typed(InstallMrlOp.install_mrl)
    uninstall_mrl = _typed(UninstallMrlOp.uninstall_mrl)
else:

    def __getattr__(name: str) -> Any:
        """Alembic's attribute of that name, also what others registered."""
        if name in NAMES and not is_registered():
            raise InvalidSetting(
                f"Alembic does not know op.{name} yet: call mrl_pg.alembic.register() "
                "in env.py"
            )
        return getattr(alembic.op, name)
