"""One connection of each driver that mrl_pg.sqlalchemy is for, and work done on it."""

import asyncio
from collections.abc import Callable
from typing import Any

from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import URL, Connection, create_engine
from sqlalchemy.ext.asyncio import create_async_engine

from mrl_pg.sqlalchemy import register

DRIVERS = ("psycopg", "psycopg_async", "asyncpg")


def open_engine(conninfo: str, driver: str, **options: Any) -> Any:
    """An engine without transactions, whose pool has one connection."""
    parts: dict[str, Any] = dict(conninfo_to_dict(conninfo))
    url = URL.create(
        f"postgresql+{driver}",
        username=parts["user"],
        password=parts.get("password"),
        database=parts["dbname"],
        query={"host": parts["host"], "port": str(parts.get("port", 5432))},
    )
    make = create_engine if driver == "psycopg" else create_async_engine
    options = {"isolation_level": "AUTOCOMMIT", "pool_size": 1, **options}
    engine = make(url, **options)
    register(engine)
    return engine


def run(conninfo: str, driver: str, work: Callable[[Connection], Any]) -> Any:
    """The result of some work on one connection of a driver."""
    engine = open_engine(conninfo, driver)

    async def run_async() -> Any:
        try:
            async with engine.connect() as connection:
                return await connection.run_sync(work)
        finally:
            await engine.dispose()

    if driver != "psycopg":
        return asyncio.run(run_async())
    try:
        with engine.connect() as connection:
            return work(connection)
    finally:
        engine.dispose()
