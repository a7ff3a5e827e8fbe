"""Alembic environment: installs mrl_pg's database side, alone or beside your history.

Alone: `alembic -c migrations/alembic.ini -x dsn=postgresql:///docs upgrade
head` (or DATABASE_URL in place of -x). Its version table, `mrl_alembic_version`,
keeps out of your application's.
"""

import os
import re

from alembic import context
from sqlalchemy import create_engine

from mrl_pg.alembic import VERSION_TABLE


def url() -> str:
    """`-x dsn=…`, `sqlalchemy.url` or DATABASE_URL, whichever is there first.

    Whatever driver it names, psycopg is the one used here: mrl_pg brings it along.
    """
    chosen = (
        context.get_x_argument(as_dictionary=True).get("dsn")
        or context.config.get_main_option("sqlalchemy.url")
        or os.environ.get("DATABASE_URL")
    )
    if not chosen:
        raise SystemExit("no database: pass -x dsn=postgresql://…")
    return re.sub(r"^postgres(ql)?(\+\w+)?://", "postgresql+psycopg://", chosen)


def main() -> None:
    """Run the revisions, or print them with --sql."""
    if context.is_offline_mode():
        context.configure(
            dialect_name="postgresql", literal_binds=True, version_table=VERSION_TABLE
        )
        with context.begin_transaction():
            context.run_migrations()
        return
    with create_engine(url()).connect() as connection:
        context.configure(connection=connection, version_table=VERSION_TABLE)
        with context.begin_transaction():
            context.run_migrations()


main()
