"""Install mrl_pg 0.1: the `mrl` schema, its functions, registry and view.

Takes no lock on any table of yours and rewrites nothing. The downgrade removes
the schema; short columns and their indexes stay and keep working.
"""

from alembic import op

from mrl_pg.alembic import run_manifest

revision = "mrl_0001"
down_revision = None
branch_labels = ("mrl_pg",)
depends_on = None


def upgrade() -> None:
    """Run the files of `sql/install.sql`."""
    run_manifest(op, "install.sql")


def downgrade() -> None:
    """Run the file of `sql/uninstall.sql`."""
    run_manifest(op, "uninstall.sql")
