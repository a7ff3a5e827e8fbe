"""`register(engine, fallback=True)`: code that is newer or older than the database."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from pgvector.sqlalchemy import VECTOR
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    MetaData,
    Table,
    create_engine,
    select,
    text,
)
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import Session
from support.databases import Conn
from support.plans import indexes
from support.scratch import sqlalchemy_url
from support.search_models import exact, explained, sending
from support.tables import make_table
from support.vectors import matryoshka

from mrl_pg import MatryoshkaIndex
from mrl_pg.sqlalchemy import (
    Matryoshka,
    fallback,
    index_name,
    register,
    search,
    stand_in,
)

VECTORS = matryoshka(300)
QUERY = VECTORS[3]
OLD = MatryoshkaIndex("docs", "embedding", dims=16)
NEW = MatryoshkaIndex("docs", "embedding", dims=32, keep="generated")
BITS = MatryoshkaIndex("docs", "embedding", dims=64, kind="bit", keep="expression")


def model(*declared: Matryoshka) -> Table:
    return Table(
        "docs",
        MetaData(),
        Column("id", BigInteger, primary_key=True),
        Column("embedding", VECTOR(64), *declared),
    )


NEWER = model(Matryoshka(32))
STATEMENT = search(select(NEWER.c.id), NEWER.c.embedding, QUERY, candidates=300)
TOLD = search(select(index_name, fallback), NEWER.c.embedding, QUERY, k=1)


@pytest.fixture
def docs(conn: Conn) -> Conn:
    """A table before the migration."""
    make_table(conn, VECTORS)
    OLD.create(conn)
    return conn


def used(connection: Connection, engine: Any, statement: Any = STATEMENT) -> str:
    """The index of a search, whose answer is true."""
    for way in ("seqscan", "bitmapscan", "sort"):
        connection.execute(text(f"set enable_{way} = off"))
    with sending(engine) as sent:
        assert list(connection.scalars(statement)) == exact(VECTORS, QUERY)
    root = explained(connection, sent.searches[-1])
    (name,) = [name for name in indexes(root) if name.endswith("_hnsw")]
    return name


def again(engine: Any, statement: Any = STATEMENT) -> str:
    """The same in a transaction of its own."""
    with engine.connect() as connection:
        return used(connection, engine, statement)


def test_newer_code_searches_by_what_is_there_until_the_migration(
    docs: Conn,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    engine = create_engine(sqlalchemy_url(database))
    register(engine, fallback=True)
    with caplog.at_level(logging.WARNING, "mrl_pg.sqlalchemy"):
        assert again(engine) == OLD.name
    assert f"is not there yet: searches use {OLD.name}" in caplog.text
    with engine.connect() as connection:
        assert connection.execute(TOLD).all() == [(OLD.name, True)]
        exact_too = search(
            select(index_name, fallback), NEWER.c.embedding, QUERY, k=1, exact=True
        )
        assert connection.execute(exact_too).all() == [(None, False)]
    # expand
    NEW.create(docs, rebuild=True)
    monkeypatch.setattr(stand_in, "SECONDS", 1e9)
    assert again(engine) == OLD.name
    monkeypatch.setattr(stand_in, "SECONDS", 0.0)
    assert again(engine) == NEW.name
    # nothing is missing, so nothing is read
    with engine.connect() as connection, sending(engine) as sent:
        assert list(connection.scalars(STATEMENT)) == exact(VECTORS, QUERY)
        assert connection.execute(TOLD).all() == [(NEW.name, False)]
    assert len(sent.statements) == 2
    # contract
    OLD.drop(docs)
    assert again(engine) == NEW.name
    engine.dispose()


def test_older_code_fails_once_after_the_contract(docs: Conn, database: str) -> None:
    engine = create_engine(sqlalchemy_url(database))
    register(engine, fallback=True)
    NEW.create(docs, rebuild=True)
    assert again(engine) == NEW.name
    NEW.drop(docs)
    with pytest.raises(ProgrammingError, match="does not exist"):
        again(engine)
    assert again(engine) == OLD.name
    engine.dispose()


def test_the_session_of_an_application_begins_as_always(
    docs: Conn, database: str
) -> None:
    BITS.create(docs)
    engine = create_engine(sqlalchemy_url(database))
    register(engine, fallback=True)
    # an expression that is there is no reason to take another
    bits = search(
        select(NEWER.c.id), NEWER.c.embedding, QUERY, candidates=300, index=BITS
    )
    with Session(engine) as session, session.begin():
        assert used(session.connection(), engine, bits) == BITS.name
    # a filter, an alias, and a recall that nobody calibrated
    other = NEWER.alias()
    found = search(
        select(other.c.id).where(other.c.id < 200),
        other.c.embedding,
        QUERY,
        recall=0.9,
    )
    with engine.begin() as connection:
        assert connection.scalars(found).first() == 4
    engine.dispose()


def test_a_schema_of_each_tenant(
    conn: Conn, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One compiled statement serves all tenants, so an index counts if all have it."""
    monkeypatch.setattr(stand_in, "SECONDS", 0.0)
    tenants = ("tenant_1", "tenant_2")
    for schema in tenants:
        conn.execute(f"create schema {schema}".encode())
        make_table(conn, VECTORS, schema=schema)
        replace(OLD, schema=schema).create(conn)
    engine = create_engine(sqlalchemy_url(database))
    register(engine, fallback=True)

    def assert_all_use(index: MatryoshkaIndex, stands_in: bool) -> None:
        for schema in tenants:
            tenant = engine.execution_options(schema_translate_map={None: schema})
            assert again(tenant) == index.name
            with tenant.connect() as connection:
                told = connection.execute(TOLD).all()
            assert told == [(index.name, stands_in)]

    assert_all_use(OLD, True)
    for schema in tenants:
        # not before the last tenant has it
        assert_all_use(OLD, True)
        replace(NEW, schema=schema).create(conn, rebuild=True)
    assert_all_use(NEW, False)
    engine.dispose()


def test_without_it_and_without_mrl_a_search_says_what_is_missing(
    docs: Conn, database: str, bare_database: str
) -> None:
    engine = create_engine(sqlalchemy_url(database))
    register(engine)
    with pytest.raises(ProgrammingError, match="embedding_32_halfvec"):
        again(engine)
    engine.dispose()
    bare = create_engine(sqlalchemy_url(bare_database))
    register(bare, fallback=True)
    with pytest.raises(ProgrammingError):
        again(bare)
    bare.dispose()


def test_asyncpg(docs: Conn, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stand_in, "SECONDS", 0.0)

    async def main(migrate: Callable[[], object]) -> list[str]:
        engine = create_async_engine(sqlalchemy_url(database, "asyncpg"))
        register(engine, fallback=True)
        names = []
        for step in (None, migrate, lambda: OLD.drop(docs)):
            if step is not None:
                step()
            async with engine.connect() as connection:
                names.append(await connection.run_sync(used, engine))
        await engine.dispose()
        return names

    found = asyncio.run(main(lambda: NEW.create(docs, rebuild=True)))
    assert found == [OLD.name, NEW.name, NEW.name]
