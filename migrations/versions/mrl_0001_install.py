"""Install mrl_pg 0.2: the schema `mrl` with its functions, tables and views.

It locks and rewrites no table of yours. The downgrade removes the schema. Short columns
and their indexes stay and keep working.
"""

from alembic import op

from mrl_pg.alembic import install_release, installed_here, run_manifest

revision = "mrl_0001"
down_revision = None
branch_labels = ("mrl_pg",)
depends_on = None


def upgrade() -> None:
    """Run the files of release 0.2.0."""
    install_release(op, "0.2.0")


def downgrade() -> None:
    """Remove the objects that these files made, if this revision ran the files."""
    if installed_here(op, "0.2.0"):
        run_manifest(op, "releases/0.2.0.down.sql")
