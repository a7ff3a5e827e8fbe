"""`check_plan` for Selects, on each driver, in a transaction and without one."""

import pytest
from pgvector.sqlalchemy import VECTOR
from sqlalchemy import BigInteger, Column, Connection, MetaData, Table, select, text
from sqlalchemy.orm import Session
from support.databases import Conn
from support.drivers import DRIVERS, open_engine, run
from support.tables import make_table
from support.vectors import matryoshka

from mrl_pg import IndexNotUsed, InvalidSetting, MatryoshkaIndex
from mrl_pg.sqlalchemy import Matryoshka, check_plan, search

INDEX = MatryoshkaIndex("docs", "embedding", dims=32)
QUERY = matryoshka(1, seed=3)[0]
DOCS = Table(
    "docs",
    MetaData(),
    Column("id", BigInteger, primary_key=True),
    Column("embedding", VECTOR(64), Matryoshka(32)),
)
FULL = select(DOCS.c.id).order_by(DOCS.c.embedding.l2_distance(QUERY)).limit(5)


def check_all(connection: Connection) -> None:
    nearest = search(select(DOCS.c.id), DOCS.c.embedding, QUERY, k=3)
    assert check_plan(connection, nearest).index_names == (INDEX.name,)
    assert check_plan(connection, FULL).index_names == ("docs_full",)
    cosine = DOCS.c.embedding.cosine_distance(QUERY)
    missed = select(DOCS.c.id).order_by(cosine).limit(5)
    with pytest.raises(IndexNotUsed, match="No index fits"):
        check_plan(connection, missed)
    plain = text(
        "select id from docs order by embedding <-> cast(:q as vector) limit 1"
    )
    found = check_plan(connection, plain.bindparams(q=str(QUERY.tolist())))
    assert found.index_names == ("docs_full",)
    # what was turned off is on again, and nothing was run
    assert connection.execute(text("show enable_seqscan")).scalar_one() == "on"
    assert connection.execute(nearest).scalars().first() is not None


@pytest.fixture
def filled(conn: Conn, database: str) -> str:
    make_table(conn, matryoshka(30))
    INDEX.create(conn)
    conn.execute("create index docs_full on docs using hnsw (embedding vector_l2_ops)")
    return database


@pytest.mark.parametrize("driver", DRIVERS)
def test_selects_on_each_driver(filled: str, driver: str) -> None:
    run(filled, driver, check_all)


def test_in_a_transaction_and_a_session(filled: str) -> None:
    engine = open_engine(filled, "psycopg", isolation_level="READ COMMITTED")
    try:
        with engine.begin() as connection:
            check_all(connection)
        with Session(engine) as session:
            assert check_plan(session, FULL).index_names == ("docs_full",)
            session.execute(text("select 1"))
    finally:
        engine.dispose()
    with pytest.raises(InvalidSetting, match="neither a Connection nor a Session"):
        check_plan(engine, FULL)
