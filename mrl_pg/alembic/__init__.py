"""The interface for Alembic: operations for revisions, --autogenerate from models.

Importing it changes nothing in Alembic; `mrl_pg.alembic.register()` in `env.py` is all
the set-up there is.
"""

from mrl_pg.alembic import op
from mrl_pg.alembic.autogenerate import VERSION_TABLE
from mrl_pg.alembic.installation import InstallMrlOp, UninstallMrlOp
from mrl_pg.alembic.operations import (
    ContractMatryoshkaIndexOp,
    CreateMatryoshkaIndexOp,
    DropMatryoshkaIndexOp,
    ResizeMatryoshkaIndexOp,
)
from mrl_pg.alembic.origin import installed_here
from mrl_pg.alembic.registration import register
from mrl_pg.alembic.run import install_release, run_manifest
from mrl_pg.alembic.switching import SwitchMatryoshkaIndexOp

__all__ = [
    "VERSION_TABLE",
    "ContractMatryoshkaIndexOp",
    "CreateMatryoshkaIndexOp",
    "DropMatryoshkaIndexOp",
    "InstallMrlOp",
    "ResizeMatryoshkaIndexOp",
    "SwitchMatryoshkaIndexOp",
    "UninstallMrlOp",
    "install_release",
    "installed_here",
    "op",
    "register",
    "run_manifest",
]
