"""The Alembic door: operations for revisions, and --autogenerate from models.

`import mrl_pg.alembic` in `env.py` is all the set-up there is: it gives `op` the
operations, and lets `alembic revision --autogenerate` and `alembic check` compare
what models declare with what the database has.
"""

from mrl_pg.alembic import autogenerate, carry_out, columns, op, write
from mrl_pg.alembic.autogenerate import VERSION_TABLE
from mrl_pg.alembic.installation import InstallMrlOp, UninstallMrlOp
from mrl_pg.alembic.operations import (
    CreateMatryoshkaIndexOp,
    DropMatryoshkaIndexOp,
    ResizeMatryoshkaIndexOp,
)
from mrl_pg.alembic.origin import installed_here
from mrl_pg.alembic.run import install_release, run_manifest

__all__ = [
    "VERSION_TABLE",
    "CreateMatryoshkaIndexOp",
    "DropMatryoshkaIndexOp",
    "InstallMrlOp",
    "ResizeMatryoshkaIndexOp",
    "UninstallMrlOp",
    "autogenerate",
    "carry_out",
    "columns",
    "install_release",
    "installed_here",
    "op",
    "run_manifest",
    "write",
]
