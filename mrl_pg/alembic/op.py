"""`alembic.op` with mrl_pg's operations in it, as a type checker knows them.

Alembic's own is a stub that lists Alembic's operations alone.
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

if TYPE_CHECKING:
    from alembic.op import *  # noqa: F403
else:

    def __getattr__(name: str) -> Any:
        """All else is Alembic's, operations that others registered too."""
        return getattr(alembic.op, name)


P = ParamSpec("P")


def _typed(operation: Callable[Concatenate[Operations, P], None]) -> Callable[P, None]:
    """Alembic's function of that name, with the parameters that the operation has."""
    function: Callable[P, None] = getattr(alembic.op, operation.__name__)
    return function


create_matryoshka_index = _typed(CreateMatryoshkaIndexOp.create_matryoshka_index)
drop_matryoshka_index = _typed(DropMatryoshkaIndexOp.drop_matryoshka_index)
resize_matryoshka_index = _typed(ResizeMatryoshkaIndexOp.resize_matryoshka_index)
install_mrl = _typed(InstallMrlOp.install_mrl)
uninstall_mrl = _typed(UninstallMrlOp.uninstall_mrl)
