"""Sessions and connections of every making, sync and async, and what they keep."""

import asyncio
from typing import Any

import psycopg
import pytest
from sqlalchemy import create_engine, func, select, text
from sqlalchemy.exc import DBAPIError, NoResultFound
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session, selectinload
from support.databases import connect, role
from support.plans import first_pass
from support.search_models import (
    INDEX,
    SESSION,
    Author,
    Doc,
    Library,
    ask,
    author_of,
    driver,
    exact,
    explained,
    library_fixture,
    open_engine,
    prepare,
    rows_where,
    sending,
    settings,
    tags_of,
)
from support.sql_state import SETTINGS
from support.vectors import matryoshka

from mrl_pg.sqlalchemy import distance, search

QUERIES = matryoshka(8, seed=9)
ONE = QUERIES[0]
LOCAL = ["55", "off", "6789", "2.5"]
FOUND = search(select(Doc.id).where(Doc.n < 60), Doc.embedding, ONE)
AMONG = rows_where(lambda row: row % 100 < 60)


library = library_fixture()


@pytest.fixture(scope="module")
def truth(library: Library) -> list[int]:
    return exact(library.vectors, ONE, AMONG)


def change(connection: Any, values: list[str]) -> None:
    """Settings of this transaction."""
    for name, value in zip(SETTINGS, values, strict=True):
        connection.execute(select(func.set_config(name, value, True)))


def test_every_way_to_ask_a_session(library: Library, truth: list[int]) -> None:
    one = search(select(Doc), Doc.embedding, ONE, k=1)
    none = search(select(Doc).where(Doc.n < 0), Doc.embedding, ONE)
    with Session(library.engine) as session:
        assert session.scalars(FOUND).all() == truth
        assert session.scalar(FOUND) == truth[0]
        assert session.execute(FOUND).first() == (truth[0],)
        assert session.execute(FOUND.limit(0)).all() == []
        assert [row["id"] for row in session.execute(FOUND).mappings()] == truth
        assert [*session.execute(FOUND).partitions(4)][2] == [(k,) for k in truth[8:]]
        doc = session.scalars(one).one()
        assert doc.id == exact(library.vectors, ONE)[0]
        assert session.scalars(one).one() is doc
        assert session.scalars(none).one_or_none() is None
        with pytest.raises(NoResultFound):
            session.execute(none).one()
        assert settings(session.connection()) == SESSION


STREAMS: dict[str, dict[str, Any]] = {
    "yield_per": {"yield_per": 3},
    "stream_results": {"stream_results": True},
    "a buffer": {"stream_results": True, "max_row_buffer": 2},
    "both": {"stream_results": True, "yield_per": 7},
}


@pytest.mark.parametrize("name", STREAMS)
def test_answers_are_streamed(library: Library, truth: list[int], name: str) -> None:
    long = search(select(Doc).where(Doc.n < 60), Doc.embedding, ONE, k=50)
    options = STREAMS[name]
    with Session(library.engine) as session:
        found = session.scalars(long.execution_options(**options))
        keys = [doc.id for doc in found]
        assert keys == exact(library.vectors, ONE, AMONG, 50)
        assert settings(session.connection()) == SESSION
        # given up half-way, the settings are back all the same
        with session.scalars(long.execution_options(**options)) as some:
            assert next(some).id == truth[0]
        assert settings(session.connection()) == SESSION


def test_settings_of_a_transaction_stay(library: Library, truth: list[int]) -> None:
    with Session(library.engine) as session:
        change(session, LOCAL)
        for _ in range(2):
            assert session.scalars(FOUND).all() == truth
            assert settings(session) == LOCAL
        none = search(select(Doc.id).where(Doc.n < 0), Doc.embedding, ONE)
        assert session.scalars(none).all() == []
        assert settings(session) == LOCAL
        with session.begin_nested():
            assert session.scalars(FOUND).all() == truth
        assert settings(session) == LOCAL
        session.rollback()
        assert settings(session) == SESSION


def test_an_error_in_a_savepoint_leaves_nothing_behind(
    library: Library, truth: list[int]
) -> None:
    broken = select(Doc.id).where(1 / (Doc.id - Doc.id) > 0)
    with Session(library.engine) as session:
        change(session, LOCAL)
        for failing in (
            search(broken, Doc.embedding, ONE),
            search(select(Doc.id), Doc.embedding, ONE).where(1 / (Doc.n - Doc.n) > 0),
        ):
            with pytest.raises(DBAPIError, match="division"), session.begin_nested():
                session.execute(failing)
            assert settings(session) == LOCAL
            assert session.scalars(FOUND).all() == truth
            assert settings(session) == LOCAL


LEVELS = ["AUTOCOMMIT", "REPEATABLE READ", "SERIALIZABLE"]


@pytest.mark.parametrize("level", LEVELS)
def test_isolation_levels(library: Library, truth: list[int], level: str) -> None:
    engine = library.engine.execution_options(isolation_level=level)
    with engine.connect() as connection:
        for _ in range(3):
            with sending(library.engine) as sent:
                assert connection.execute(FOUND).scalars().all() == truth
            assert first_pass(explained(connection, sent.searches[0])) == [INDEX]
            assert settings(connection) == SESSION


def test_a_read_only_transaction(library: Library, truth: list[int]) -> None:
    engine = library.engine.execution_options(postgresql_readonly=True)
    with Session(engine) as session:
        assert session.scalars(FOUND).all() == truth
        assert session.scalar(text("show transaction_read_only")) == "on"
        assert settings(session) == SESSION


def test_a_fresh_session_of_an_ordinary_role(
    library: Library, truth: list[int]
) -> None:
    with connect(library.url) as conn:
        conn.execute("grant select on docs to public")
        url = role(conn, library.url, "reader")
    # connected without the settings that load pgvector's library
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(url)
    )
    with engine.connect() as connection:
        assert connection.execute(FOUND).scalars().all() == truth
        assert settings(connection) == ["40", "off", "20000", "1"]
    engine.dispose()


def test_row_security_filters_the_first_pass(library: Library) -> None:
    with connect(library.url) as conn:
        conn.execute("grant select on docs to public")
        url = role(conn, library.url, "tenant")
        conn.execute("create policy own on docs to tenant using (author_id = 5)")
        conn.execute("alter table docs enable row level security")
    engine = open_engine("postgresql://", creator=lambda: psycopg.connect(url))
    try:
        with Session(engine) as session:
            rows = ask(session, search(select(Doc.id), Doc.embedding, ONE))
        among = rows_where(lambda row: author_of(row) == 5)
        assert [row.id for row in rows] == exact(library.vectors, ONE, among)
    finally:
        engine.dispose()
        with connect(library.url) as conn:
            conn.execute("alter table docs disable row level security")


def test_a_pool_that_others_opened(library: Library, truth: list[int]) -> None:
    """A connection that was there before mrl_pg.sqlalchemy knew of it works too."""
    with connect(library.url) as conn:
        engine = create_engine("postgresql+psycopg://", creator=lambda: conn)
        with engine.connect() as connection:
            assert connection.execute(FOUND).scalars().all() == truth
        engine.dispose()


# ------------------------------------------------------------------ async


def test_an_async_session(library: Library, truth: list[int]) -> None:
    async def ask_it() -> None:
        engine = create_async_engine(driver(library.url))
        prepare(engine.sync_engine)
        statement = (
            select(Doc, distance)
            .join(Doc.author)
            .where(Author.id < 20)
            .options(selectinload(Doc.tags))
        )
        among = rows_where(lambda row: author_of(row) < 20)
        async with AsyncSession(engine) as session:
            for query in QUERIES:
                searched = search(statement, Doc.embedding, query)
                with sending(engine) as sent:
                    rows = (await session.execute(searched)).all()
                keys = [row.Doc.id for row in rows]
                assert keys == exact(library.vectors, query, among)
                for row in rows:
                    assert [tag.name for tag in row.Doc.tags] == tags_of(row.Doc.id)
                connection = await session.connection()
                root = await connection.run_sync(explained, sent.searches[0])
                assert first_pass(root) == [INDEX]
                assert await session.run_sync(settings) == SESSION
            assert (await session.scalars(FOUND)).all() == truth
            assert await session.scalar(FOUND) == truth[0]
            streamed = await session.stream_scalars(FOUND)
            assert [key async for key in streamed] == truth
        async with engine.connect() as connection:
            assert (await connection.execute(FOUND)).scalars().all() == truth
            async with connection.stream(FOUND) as rows_of:
                assert [row.id async for row in rows_of] == truth
            assert await connection.run_sync(settings) == SESSION
        await engine.dispose()

    asyncio.run(ask_it())


def test_async_sessions_side_by_side(library: Library) -> None:
    async def ask_all() -> list[list[int]]:
        engine = create_async_engine(driver(library.url), pool_size=3)
        prepare(engine.sync_engine)

        async def one(query: Any) -> list[int]:
            async with AsyncSession(engine) as session:
                found = search(select(Doc.id), Doc.embedding, query)
                return [*(await session.scalars(found))]

        try:
            return await asyncio.gather(*map(one, QUERIES))
        finally:
            await engine.dispose()

    found = asyncio.run(ask_all())
    assert found == [exact(library.vectors, query) for query in QUERIES]
