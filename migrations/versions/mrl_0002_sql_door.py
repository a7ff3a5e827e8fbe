"""Upgrade to mrl_pg 0.2: search, indexes and recall from SQL.

Takes an ACCESS EXCLUSIVE lock on `mrl.registry` for a moment, none on any table of
yours, and rewrites nothing. The downgrade keeps the registry's rows and
drops what was calibrated and measured.
"""

from alembic import op

from mrl_pg.alembic import install_release, installed_here, run_manifest

revision = "mrl_0002"
down_revision = "mrl_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the files of release 0.2.0 over those of 0.1.0."""
    install_release(op, "0.2.0")


def downgrade() -> None:
    """Go back to release 0.1.0."""
    if installed_here(op, "0.2.0"):
        run_manifest(op, "releases/0.2.0.down.sql")
