"""Reflection: a Table read from the database declares what mrl_pg made there."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from pgvector.sqlalchemy import HALFVEC, VECTOR
from sqlalchemy import (
    BigInteger,
    Column,
    Engine,
    MetaData,
    Table,
    create_engine,
    insert,
    select,
)
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.ext.automap import automap_base
from sqlalchemy.orm import Session
from support.databases import Conn, connect, role
from support.search_models import ask, driver, open_engine, sending
from support.sql_state import catalog
from support.vectors import DIMS, matryoshka, nearest

from mrl_pg.sqlalchemy import (
    Matryoshka,
    distance,
    indexes_of,
    register,
    registered,
    search,
)

pytestmark = pytest.mark.every_version

VECTORS = matryoshka(80)


def listening() -> MetaData:
    metadata = MetaData()
    register(metadata)
    return metadata


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    engine = open_engine(database)
    yield engine
    engine.dispose()


def declared(*items: Matryoshka, name: str = "docs", **options: Any) -> Table:
    return Table(
        name,
        MetaData(),
        Column("id", BigInteger, primary_key=True),
        Column("embedding", options.pop("full", VECTOR(DIMS)), *items),
        **options,
    )


def fill(session: Session, table: Table) -> None:
    rows = [{"id": i, "embedding": row} for i, row in enumerate(VECTORS, 1)]
    session.execute(insert(table), rows)


def answers(session: Session, table: Table) -> None:
    """Every index of a reflected table is searched by."""
    for index in indexes_of(table):
        statement = search(
            select(table.c.id, distance),
            table.c.embedding,
            VECTORS[5],
            k=5,
            candidates=len(VECTORS),
            index=index,
        )
        rows = ask(session, statement, scans=[index.name])
        assert [row.id for row in rows] == nearest(VECTORS, VECTORS[5], 5)


@pytest.mark.parametrize(
    "items",
    [
        [Matryoshka(32)],
        [Matryoshka(32, kind="vector", m=8, ef_construction=40)],
        # the index of sign bits says nothing about the distance of the second pass
        [Matryoshka(DIMS, kind="bit", distance="cosine")],
        [Matryoshka(DIMS, kind="bit", distance="l2")],
        [Matryoshka(DIMS, kind="bit", distance="ip")],
        [Matryoshka(16, distance="l2"), Matryoshka(8), Matryoshka(8, distance="ip")],
        [Matryoshka(8, short="Short %", name="My: index")],
        [],
    ],
    ids=lambda items: " ".join(map(repr, items)) or "none",
)
@pytest.mark.parametrize("full", [VECTOR(DIMS), HALFVEC(DIMS)], ids=["vector", "half"])
def test_what_was_declared_comes_back(
    engine: Engine, items: list[Matryoshka], full: Any
) -> None:
    table = declared(*items, full=full)
    table.create(engine)
    by_engine = Table("docs", listening(), autoload_with=engine)
    assert indexes_of(by_engine) == indexes_of(table)
    with Session(engine) as session:
        by_connection = listening()
        by_connection.reflect(session.connection())
        reflected = by_connection.tables["docs"]
        assert indexes_of(reflected) == indexes_of(table)
        fill(session, reflected)
        answers(session, reflected)


def test_the_reflected_short_column_is_computed_by_the_server(engine: Engine) -> None:
    declared(Matryoshka(32)).create(engine)
    table = Table("docs", listening(), autoload_with=engine)
    short = table.c.embedding_32_halfvec
    assert short.computed is not None
    assert short.computed.persisted
    assert [index.name for index in table.indexes] == [indexes_of(table)[0].name]


def test_a_reflected_table_can_be_made_elsewhere(engine: Engine, conn: Conn) -> None:
    declared(Matryoshka(32), Matryoshka(DIMS, kind="bit", distance="ip")).create(engine)
    made = catalog(conn)
    reflected = listening()
    reflected.reflect(engine)
    for index in [*reflected.tables["docs"].indexes]:
        # SQLAlchemy of 2024 forgets operator classes, without which none can be made
        if not index.dialect_options["postgresql"]["ops"]:
            reflected.tables["docs"].indexes.remove(index)
    reflected.drop_all(engine)
    assert conn.execute("select from mrl.indexes").fetchall() == []
    reflected.create_all(engine)
    # all but how the short column is stored, which CREATE TABLE of SQLAlchemy lacks
    assert catalog(conn)[1:] == made[1:]


def test_a_schema_off_the_search_path(engine: Engine, conn: Conn) -> None:
    conn.execute('create schema "Other %1"')
    there = declared(Matryoshka(16, distance="l2"), schema="Other %1")
    here = declared(Matryoshka(32))
    for table in (there, here):
        table.create(engine)
    for table in (there, here):
        reflected = Table(
            "docs", listening(), schema=table.schema, autoload_with=engine
        )
        assert indexes_of(reflected) == indexes_of(table)
    metadata = listening()
    metadata.reflect(engine, schema="Other %1")
    (reflected,) = metadata.tables.values()
    assert indexes_of(reflected) == indexes_of(there)
    with Session(engine) as session:
        fill(session, reflected)
        answers(session, reflected)


def test_a_table_of_the_same_name_that_the_path_hides(
    engine: Engine, conn: Conn
) -> None:
    conn.execute("create schema aside")
    declared(Matryoshka(16), schema="aside").create(engine)
    declared().create(engine)
    reflected = Table("docs", listening(), autoload_with=engine)
    assert indexes_of(reflected) == ()


@pytest.mark.parametrize("name", ["Docs", "100 %s", ":docs", 'a"b', "é" * 31])
def test_a_name_may_be_anything(engine: Engine, name: str) -> None:
    table = declared(Matryoshka(32), name=name)
    table.create(engine)
    reflected = Table(name, listening(), autoload_with=engine)
    assert indexes_of(reflected) == indexes_of(table)


def test_an_async_connection(database: str) -> None:
    table = declared(Matryoshka(16), Matryoshka(8, kind="bit", distance="l2"))

    async def run() -> MetaData:
        metadata = listening()
        engine = create_async_engine(driver(database))
        async with engine.begin() as connection:
            await connection.run_sync(table.metadata.create_all)
            await connection.run_sync(metadata.reflect)
            statement = insert(table)
            rows = [{"id": i, "embedding": row} for i, row in enumerate(VECTORS, 1)]
            await connection.execute(statement, rows)
            reflected = metadata.tables["docs"]
            found = search(select(reflected.c.id), reflected.c.embedding, VECTORS[2])
            keys = (await connection.scalars(found)).all()
            assert keys[0] == 3
        await engine.dispose()
        return metadata

    assert indexes_of(asyncio.run(run()).tables["docs"]) == indexes_of(table)


def test_automap(engine: Engine) -> None:
    table = declared(Matryoshka(32))
    table.create(engine)
    base: Any = automap_base(metadata=listening())
    base.prepare(autoload_with=engine)
    model = base.classes.docs
    assert indexes_of(model) == indexes_of(table)
    with Session(engine) as session:
        session.add_all(model(id=i, embedding=row) for i, row in enumerate(VECTORS, 1))
        session.flush()
        statement = search(select(model, distance), model.embedding, VECTORS[3], k=5)
        rows = ask(session, statement, scans=[indexes_of(model)[0].name])
        assert [doc.id for doc, _ in rows] == nearest(VECTORS, VECTORS[3], 5)


def test_a_column_written_by_hand_is_not_overruled(engine: Engine) -> None:
    declared(Matryoshka(32)).create(engine)
    table = Table(
        "docs",
        listening(),
        Column("embedding", VECTOR(DIMS), Matryoshka(16)),
        autoload_with=engine,
    )
    assert [index.dims for index in indexes_of(table)] == [16]
    copied = Table("docs", listening(), autoload_with=engine).to_metadata(MetaData())
    assert [index.dims for index in indexes_of(copied)] == [32]


def test_a_database_without_mrl(bare_database: str) -> None:
    with connect(bare_database) as conn:
        conn.execute("create extension vector")
        conn.execute("create table docs (id int primary key, embedding vector(4))")
    engine = create_engine(driver(bare_database))
    table = Table("docs", listening(), autoload_with=engine)
    assert indexes_of(table) == ()
    assert repr(table.c.embedding.type) == "VECTOR(dim=4)"
    engine.dispose()


def test_a_role_that_may_not_use_mrl(engine: Engine, conn: Conn, database: str) -> None:
    declared(Matryoshka(32)).create(engine)
    conn.execute("grant select on docs to public")
    conn.execute("revoke usage on schema mrl from public")
    role(conn, database, "stranger_to_mrl")
    stranger = create_engine(engine.url.set(username="stranger_to_mrl"))
    with stranger.begin() as connection:
        table = Table("docs", listening(), autoload_with=connection)
        assert table.c.keys()[:2] == ["id", "embedding"]
        assert indexes_of(table) == ()
        connection.execute(select(table.c.id))
        # who asks is told, or autogenerate would take all for missing
        with pytest.raises(ProgrammingError, match="permission denied for schema mrl"):
            registered(connection)
    stranger.dispose()


def test_other_tables_ask_nothing_of_mrl(engine: Engine, conn: Conn) -> None:
    conn.execute("create table plain (id int primary key, n int)")
    with sending(engine) as sent:
        Table("plain", listening(), autoload_with=engine)
    assert sent.statements
    assert not any("mrl" in statement for statement, _ in sent.statements)
