"""Alembic environment that installs the schema `mrl`, alone or beside your history.

Alone: `alembic -c migrations/alembic.ini -x dsn=postgresql:///docs upgrade head`, or
with DATABASE_URL in place of -x. The revisions have their own version table,
`mrl_alembic_version`.
"""

import os
import re

from alembic import context
from sqlalchemy import create_engine

from mrl_pg.alembic import VERSION_TABLE


def url() -> str:
    """The first of `-x dsn=…`, `sqlalchemy.url` and DATABASE_URL, for psycopg.

    Another driver in the URL is replaced by psycopg, because psycopg is installed.
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
