"""Alembic environment: `alembic init -t async`, and two lines for mrl_pg."""

import asyncio
from logging.config import fileConfig

from alembic import context
from notes.database import url
from notes.models import Base
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

import mrl_pg.alembic

mrl_pg.alembic.register()  # operations for op, and autogenerate

if context.config.config_file_name is not None:
    fileConfig(context.config.config_file_name)


def offline() -> None:
    """Print the revisions as SQL."""
    context.configure(
        dialect_name="postgresql", target_metadata=Base.metadata, literal_binds=True
    )
    with context.begin_transaction():
        context.run_migrations()


def run(connection: Connection) -> None:
    """Run the revisions on a connection."""
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


async def online() -> None:
    """Connect, and run the revisions."""
    engine = create_async_engine(url(), poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(run)
    await engine.dispose()


if context.is_offline_mode():
    offline()
else:
    asyncio.run(online())
