"""create_all with declared short columns: what it makes, where, and what it refuses."""

from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from pgvector.sqlalchemy import BIT, VECTOR
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    MetaData,
    Table,
    create_engine,
    create_mock_engine,
    insert,
    inspect,
    select,
    text,
)
from sqlalchemy.orm import Session
from support.databases import Conn
from support.models import Base
from support.search_models import ask, driver, open_engine
from support.sql_calls import one
from support.sql_state import catalog
from support.vectors import DIMS, matryoshka, nearest

from mrl_pg.errors import (
    InvalidSetting,
    MrlError,
    NoPrimaryKey,
    NotAVectorColumn,
    NotInstalled,
)
from mrl_pg.kinds import Keep
from mrl_pg.sqlalchemy import Matryoshka, distance, indexes_of, install, search

VECTORS = matryoshka(60)
ODD = [
    "Capital Letters",
    "100 %s",
    "%(mrl_query)s",
    ":name",
    'he said "no"',
    "it's",
    "{table}",
    "back\\slash",
    "select",
    "mrl_query",
    "distance",
    "x" * 63,
    "é" * 31,
]


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    engine = open_engine(database)
    yield engine
    engine.dispose()


@pytest.fixture
def bare_engine(bare_database: str) -> Iterator[Engine]:
    engine = create_engine(driver(bare_database))
    yield engine
    engine.dispose()


def autocommit(engine: Engine) -> Connection:
    """A connection whose every statement is a transaction: nothing is rolled back."""
    return engine.connect().execution_options(isolation_level="AUTOCOMMIT")


def declared(
    table: str = "docs",
    column: str = "embedding",
    key: str = "id",
    keep: Keep = "generated",
    **options: Any,
) -> Table:
    """A table with a short column of 32 dimensions."""
    return Table(
        table,
        MetaData(),
        Column(key, BigInteger, primary_key=True),
        Column(column, VECTOR(DIMS), Matryoshka(32, keep=keep)),
        **options,
    )


@pytest.mark.parametrize("keep", ["generated", "trigger"])
@pytest.mark.parametrize("name", ODD, ids=repr)
def test_a_name_may_be_anything(
    engine: Engine, conn: Conn, name: str, keep: Keep
) -> None:
    column = f"2 {name[:29]}"
    table = declared(name, column, name, keep, schema=name)
    with engine.begin() as connection:
        quoted = connection.dialect.identifier_preparer.quote_schema(name)
        connection.exec_driver_sql(f"create schema {quoted}")
        table.metadata.create_all(connection)
        table.metadata.create_all(connection)
    (index,) = indexes_of(table)
    with Session(engine) as session:
        rows = [{name: i, column: row} for i, row in enumerate(VECTORS, 1)]
        session.execute(insert(table), rows)
        statement = select(table.c[name], distance).where(table.c[name] > 2)
        statement = search(statement, table.c[column], VECTORS[0], k=4)
        found = ask(session, statement, scans=[index.name])
        want = [key for key in nearest(VECTORS, VECTORS[0], 60) if key > 2]
        assert [row[0] for row in found] == want[:4]
        session.commit()
    index_there = index.create(conn)
    assert not index_there.changed
    table.metadata.drop_all(engine)
    table.metadata.create_all(engine)
    assert inspect(engine).has_table(name, schema=name)


def test_create_all_drop_all_and_again(engine: Engine, conn: Conn) -> None:
    def registry() -> list[Any]:
        return conn.execute("select short_column from mrl.indexes").fetchall()

    table = declared()
    table.metadata.create_all(engine)
    first = catalog(conn)
    table.metadata.create_all(engine)
    assert catalog(conn) == first
    table.metadata.drop_all(engine)
    assert registry() == []
    with engine.begin() as connection:
        table.metadata.create_all(connection)
    assert catalog(conn) == first
    assert registry() == [("embedding_32_halfvec",)]


def test_a_translated_schema(engine: Engine, conn: Conn) -> None:
    conn.execute('create schema "tenant %1"; create schema two')
    table, other = declared(), declared("other", schema="placeholder")
    places = {None: "tenant %1", "placeholder": "two"}
    translated = engine.execution_options(schema_translate_map=places)
    table.metadata.create_all(translated)
    other.metadata.create_all(translated)
    there = "select table_name::text, usable from mrl.indexes order by 1"
    assert conn.execute(there).fetchall() == [
        ('"tenant %1".docs', True),
        ("two.other", True),
    ]
    with Session(translated) as session:
        rows = [{"id": i, "embedding": row} for i, row in enumerate(VECTORS, 1)]
        session.execute(insert(table), rows)
        statement = search(select(table.c.id), table.c.embedding, VECTORS[3])
        found = ask(session, statement, scans=[indexes_of(table)[0].name])
        assert [row.id for row in found] == nearest(VECTORS, VECTORS[3])


def test_the_first_schema_of_the_search_path(engine: Engine, conn: Conn) -> None:
    conn.execute("create schema mine")
    with engine.begin() as connection:
        connection.execute(text("set local search_path = mine, public"))
        declared().metadata.create_all(connection)
    assert one(conn, "select table_name::text from mrl.indexes") == "mine.docs"


def test_a_mock_engine_prints_what_would_be_sent(database: str, conn: Conn) -> None:
    printed: list[str] = []

    def echo(statement: Any, *args: Any, **kw: Any) -> None:
        printed.append(str(statement.compile(dialect=mock.dialect)))

    mock = create_mock_engine("postgresql+psycopg://", echo)
    table = declared("docs:1")
    table.metadata.create_all(mock)
    assert [text.split()[0].lower() for text in printed] == ["create", "select"]
    for statement in printed:
        conn.execute(statement.encode())
    made = catalog(conn, '"docs:1"')
    conn.execute('drop table "docs:1"')
    sender = create_engine(driver(database))
    table.create(sender)
    sender.dispose()
    assert catalog(conn, '"docs:1"') == made


@pytest.mark.parametrize("name", ["docs", "docs:1"])
def test_op_create_table_takes_a_declaration(conn: Conn, name: str) -> None:
    out = StringIO()
    context = MigrationContext.configure(
        dialect_name="postgresql", opts={"as_sql": True, "output_buffer": out}
    )
    table = declared(name)
    columns = [column._copy() for column in table.columns]
    Operations(context).create_table(name, *columns)
    conn.execute(out.getvalue().encode())
    quoted = '"' + name + '"'
    made = catalog(conn, quoted)
    assert made[2] != []
    assert not indexes_of(table)[0].create(conn).changed


# ------------------------------------------------------------------ refusals


def key() -> Column[Any]:
    return Column("id", BigInteger, primary_key=True)


@pytest.mark.parametrize(
    ("columns", "error", "parts"),
    [
        (
            lambda: [key(), Column("embedding", VECTOR(8), Matryoshka(16))],
            InvalidSetting,
            ["Matryoshka(16)", "above the 8 dimensions of docs.embedding", "at most"],
        ),
        (
            lambda: [key(), Column("embedding", VECTOR, Matryoshka(4))],
            NotAVectorColumn,
            ["docs.embedding declares no dimensions", "give VECTOR(n)"],
        ),
        (
            lambda: [key(), Column("embedding", BIT(8), Matryoshka(4))],
            NotAVectorColumn,
            ["column docs.embedding is of type BIT(", "VECTOR(n) or HALFVEC(n)"],
        ),
        (
            lambda: [Column("embedding", VECTOR(8), Matryoshka(4))],
            NoPrimaryKey,
            ["table docs has no primary key", "add one"],
        ),
    ],
    ids=["dims", "no dims", "type", "key"],
)
def test_a_bad_declaration_is_refused_before_anything_is_made(
    engine: Engine,
    columns: Callable[[], list[Column[Any]]],
    error: type[MrlError],
    parts: list[str],
) -> None:
    table = Table("docs", MetaData(), *columns())
    with pytest.raises(error) as caught:
        table.metadata.create_all(engine)
    for part in parts:
        assert part in str(caught.value)
    with autocommit(engine) as connection:
        with pytest.raises(error):
            table.create(connection)
        assert not inspect(connection).has_table("docs")


def test_create_all_without_mrl_makes_no_table(bare_engine: Engine) -> None:
    with autocommit(bare_engine) as connection:
        connection.execute(text("create extension vector"))
        with pytest.raises(NotInstalled) as caught:
            Base.metadata.create_all(connection)
        for part in ("mrl_pg is not installed", "install(connection)", "install.sql"):
            assert part in str(caught.value)
        assert inspect(connection).get_table_names() == []
        install(connection)
        Base.metadata.create_all(connection)
        assert "docs" in inspect(connection).get_table_names()
