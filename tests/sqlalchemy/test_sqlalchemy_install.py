"""`mrl_pg.sqlalchemy.install` and `registered`, sync and async."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import (
    Connection,
    Engine,
    MetaData,
    Table,
    create_engine,
    inspect,
    text,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from support.databases import Conn, connect
from support.installs import catalog
from support.models import Base
from support.search_models import driver, open_engine

from mrl_pg import MatryoshkaIndex
from mrl_pg.errors import InvalidSetting, NotInstalled, PgvectorMissing
from mrl_pg.installation import VERSION
from mrl_pg.sqlalchemy import Registered, indexes_of, install, register, registered
from mrl_pg.sqlalchemy.create import installed_version


@pytest.fixture
def vector_database(bare_database: str) -> str:
    """A database with pgvector and without mrl."""
    with connect(bare_database) as conn:
        conn.execute("create extension vector")
    return bare_database


@pytest.fixture
def engine(vector_database: str) -> Iterator[Engine]:
    engine = create_engine(driver(vector_database))
    yield engine
    engine.dispose()


def test_it_is_the_installation_of_the_other_doors(
    engine: Engine, vector_database: str, database: str
) -> None:
    with engine.begin() as connection:
        report = install(connection)
        assert (report.found, report.version) == (None, VERSION)
    assert catalog(vector_database) == catalog(database)
    with engine.begin() as connection:
        assert install(connection).found == VERSION
    assert catalog(vector_database) == catalog(database)


def test_it_belongs_to_the_callers_transaction(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.execute(text("create table mine (id int)"))
        install(connection)
        assert installed_version(connection) == VERSION
        connection.rollback()
        assert installed_version(connection) is None
        assert not inspect(connection).has_table("mine")
        install(connection)
        connection.commit()
    with engine.connect() as connection:
        assert installed_version(connection) == VERSION


@pytest.mark.parametrize("level", ["AUTOCOMMIT", "SERIALIZABLE"])
def test_any_isolation_level(vector_database: str, database: str, level: str) -> None:
    engine = create_engine(driver(vector_database), isolation_level=level)
    with engine.begin() as connection:
        install(connection)
    engine.dispose()
    assert catalog(vector_database) == catalog(database)


DRIVERS = ("psycopg", "asyncpg")


def run_async(url: str, driver: str, work: Callable[[Connection], Any]) -> Any:
    """Do some work on an asynchronous connection in a transaction."""

    async def run() -> Any:
        engine = create_async_engine(url.replace("://", f"+{driver}://", 1))
        try:
            async with engine.begin() as connection:
                return await connection.run_sync(work)
        finally:
            await engine.dispose()

    return asyncio.run(run())


@pytest.mark.parametrize("driver", DRIVERS)
def test_an_async_connection(vector_database: str, database: str, driver: str) -> None:
    """asyncpg used to say that it cannot insert multiple commands."""

    def work(connection: Connection) -> None:
        assert registered(connection) == []
        with connection.begin_nested() as savepoint:
            assert install(connection).found is None
            savepoint.rollback()
        assert installed_version(connection) is None
        assert install(connection).version == VERSION
        assert install(connection).found == VERSION
        Base.metadata.create_all(connection)
        for found in (
            registered(connection, "docs"),
            registered(connection, "docs", "public"),
        ):
            assert [known.index.name for known in found] == [
                "docs_embedding_32_halfvec_cosine_hnsw"
            ]
        assert len(registered(connection)) > 1
        metadata = MetaData()
        register(metadata)
        reflected = Table("docs", metadata, autoload_with=connection)
        assert [index.dims for index in indexes_of(reflected)] == [32]

    run_async(vector_database, driver, work)
    assert catalog(vector_database) == catalog(database)


@pytest.mark.parametrize("driver", DRIVERS)
def test_what_the_server_refuses_is_said_alike(
    vector_database: str, driver: str
) -> None:
    with connect(vector_database) as conn:
        conn.execute(STRANGER)

    def work(connection: Connection) -> str:
        said = refused(connection)
        # the transaction goes on
        assert installed_version(connection) == "99.0.0"
        return said

    said = run_async(vector_database, driver, work)
    assert "mrl_pg 99.0.0" in said
    assert ": " in said


@pytest.mark.parametrize("driver", DRIVERS)
def test_an_async_connection_under_autocommit(
    vector_database: str, database: str, driver: str
) -> None:
    async def run() -> None:
        engine = create_async_engine(
            vector_database.replace("://", f"+{driver}://", 1),
            isolation_level="AUTOCOMMIT",
        )
        async with engine.connect() as connection:
            # stands in the way of one of the last files
            await connection.exec_driver_sql("create schema mrl")
            await connection.exec_driver_sql("create table mrl.indexes ()")
            with pytest.raises(DBAPIError):
                await connection.run_sync(install)
            assert await connection.run_sync(installed_version) is None
            await connection.exec_driver_sql("drop schema mrl cascade")
            await connection.run_sync(install)
        await engine.dispose()

    asyncio.run(run())
    assert catalog(vector_database) == catalog(database)


def test_an_engine_is_no_connection(engine: Engine) -> None:
    given: Any = engine
    with pytest.raises(InvalidSetting, match=r"type Engine: with engine\.begin\(\)"):
        install(given)


def test_pgvector_is_missing(bare_database: str) -> None:
    engine = create_engine(driver(bare_database))
    with engine.begin() as connection, pytest.raises(PgvectorMissing):
        install(connection)
    engine.dispose()


STRANGER = """
create schema mrl;
create function mrl.version() returns text language sql immutable return '99.0.0';
"""


def refused(connection: Connection) -> str:
    """What install says."""
    with pytest.raises(NotInstalled) as caught:
        install(connection)
    return str(caught.value)


def test_a_newer_version_is_refused_and_the_transaction_goes_on(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(STRANGER)
        assert "99.0.0" in refused(connection)
        connection.execute(text("create table mine (id int)"))
    with engine.connect() as connection:
        assert inspect(connection).has_table("mine")
        assert installed_version(connection) == "99.0.0"


def test_half_an_installation_is_none(vector_database: str) -> None:
    engine = create_engine(driver(vector_database), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        # stands in the way of one of the last files
        connection.exec_driver_sql("create schema mrl; create table mrl.indexes ()")
        with pytest.raises(DBAPIError):
            install(connection)
        assert inspect(connection).get_table_names("mrl") == ["indexes"]
        assert installed_version(connection) is None
    engine.dispose()


# ------------------------------------------------------------------ registered


def test_what_is_registered(database: str, conn: Conn) -> None:
    engine = open_engine(database)
    with engine.begin() as connection:
        assert registered(connection) == []
        Base.metadata.create_all(connection)
        (found,) = registered(connection, "docs")
        index = MatryoshkaIndex(
            "docs", "embedding", dims=32, schema="public", keep="generated"
        )
        assert found == Registered(index=index, usable=True, visible=True)
        assert registered(connection, "docs", "public") == [found]
        assert registered(connection, "docs", "other") == []
        assert registered(connection, "nothing") == []
        every = [known.index.table for known in registered(connection)]
        assert every == sorted(every)
        assert set(every) >= {"docs", "mixed", "annotation"}
    conn.execute(f"drop index {index.name}".encode())
    with engine.begin() as connection:
        assert registered(connection, "docs") == [replace(found, usable=False)]
    engine.dispose()
