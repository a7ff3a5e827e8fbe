"""SQLAlchemy and Citus, by a catalog that looks like that of Citus."""

from typing import Any

import pytest
from pgvector.sqlalchemy import VECTOR
from sqlalchemy import (
    BigInteger,
    Column,
    MetaData,
    Table,
    create_engine,
    event,
    select,
)
from support.citus import citus_fixture, distribute
from support.databases import Conn
from support.scratch import sqlalchemy_url
from support.tables import make_table
from support.vectors import matryoshka, nearest

from mrl_pg import MatryoshkaColumn, MatryoshkaIndex, SpreadTable
from mrl_pg.sqlalchemy import Matryoshka, register, search, sharded

VECTORS = matryoshka(400)
QUERY = VECTORS[3]
COLUMN = MatryoshkaColumn("docs", "embedding")
INDEX = MatryoshkaIndex("docs", "embedding", dims=32, keep="expression")

citus = citus_fixture()


def model() -> Table:
    return Table(
        "docs",
        MetaData(),
        Column("id", BigInteger, primary_key=True),
        Column("embedding", VECTOR(64), Matryoshka(32, keep="expression")),
    )


def test_a_registered_engine_refuses_a_table_of_citus(
    citus: Conn, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_table(citus, VECTORS)
    INDEX.create(citus)
    monkeypatch.setattr(sharded, "SECONDS", 0.0)
    engine = create_engine(sqlalchemy_url(database))
    register(engine)
    table = model()
    statement = search(select(table.c.id), table.c.embedding, QUERY)
    with engine.connect() as connection:
        found = list(connection.scalars(statement))
    assert found == nearest(VECTORS, QUERY, 10)
    distribute(citus, "docs")
    with (
        engine.connect() as connection,
        pytest.raises(SpreadTable, match=r"MatryoshkaColumn\.search"),
    ):
        connection.execute(statement)
    # the way out
    result = COLUMN.search(citus, QUERY)
    assert result.shards == 8
    with engine.connect() as connection:
        chosen = select(table.c.id).where(table.c.id.in_(result.keys))
        assert {*connection.scalars(chosen)} == {*result.keys}
    citus.execute("delete from pg_catalog.pg_dist_partition")
    with engine.connect() as connection:
        assert list(connection.scalars(statement)) == found
    engine.dispose()


def test_without_citus_an_engine_asks_once(conn: Conn, database: str) -> None:
    make_table(conn, VECTORS)
    INDEX.create(conn)
    engine = create_engine(sqlalchemy_url(database))
    register(engine)
    sent: list[str] = []

    def hear(*told: Any) -> None:
        sent.append(told[2])

    event.listen(engine, "before_cursor_execute", hear)
    for _ in range(3):
        with engine.connect() as connection:
            connection.exec_driver_sql("select 1")
    assert sum("pg_dist_partition" in statement for statement in sent) == 1
    engine.dispose()
