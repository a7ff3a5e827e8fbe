"""A Select for a recall finds the calibration, whatever things are called by now."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from pgvector.sqlalchemy import VECTOR
from sqlalchemy import Column, Engine, Integer, MetaData, Table, insert, select
from sqlalchemy.orm import Session
from support.calibrations import calibrate, put
from support.databases import Conn, Server
from support.search_models import ask, open_engine
from support.vectors import matryoshka

from mrl_pg.sqlalchemy import Matryoshka, search, seen, standing

ROWS = matryoshka(200, dims=16)
INDEX = "docs_embedding_8_halfvec_cosine_hnsw"


@pytest.fixture(scope="module")
def database(pg_server: Server) -> Iterator[str]:
    with pg_server.fresh() as url:
        yield url


@pytest.fixture(scope="module")
def conn(database: str) -> Iterator[Conn]:
    with psycopg.connect(database, autocommit=True) as conn:
        yield conn


@pytest.fixture
def engine(database: str, conn: Conn) -> Iterator[Engine]:
    """A database with a calibrated table `docs`, made anew."""
    conn.execute("drop table if exists docs, papers")
    engine = open_engine(database)
    docs = model(Matryoshka(8))
    docs.metadata.create_all(engine)
    with engine.begin() as connection:
        rows = [{"id": i, "embedding": row} for i, row in enumerate(ROWS.tolist())]
        connection.execute(insert(docs), rows)
    # a session that ends reports what it changed, which is no change after calibrating
    engine.dispose()
    conn.execute("analyze docs")
    calibrate(conn, k=1, sample=20)
    yield engine
    engine.dispose()


def model(*declared: Matryoshka, table: str = "docs", full: str = "embedding") -> Table:
    return Table(
        table,
        MetaData(),
        Column("id", Integer, primary_key=True),
        Column(full, VECTOR(16), *declared, key="embedding"),
    )


RENAMED: dict[str, tuple[list[str], Table, str]] = {
    "nothing": ([], model(Matryoshka(8)), INDEX),
    "the table": (
        ["alter table docs rename to papers"],
        model(Matryoshka(8), table="papers"),
        INDEX,
    ),
    "the index": (
        [f"alter index {INDEX} rename to nearest"],
        model(Matryoshka(8)),
        "nearest",
    ),
    "the index, declared": (
        [f"alter index {INDEX} rename to nearest"],
        model(Matryoshka(8, name="nearest")),
        "nearest",
    ),
    "the short column": (
        ["alter table docs rename embedding_8_halfvec to brief"],
        model(Matryoshka(8, short="brief")),
        INDEX,
    ),
    "the full column": (
        ["alter table docs rename embedding to vector"],
        model(Matryoshka(8, short="embedding_8_halfvec"), full="vector"),
        INDEX,
    ),
}


@pytest.mark.parametrize("what", RENAMED)
def test_what_was_renamed_is_calibrated_still(
    what: str, engine: Engine, conn: Conn
) -> None:
    statements, table, index = RENAMED[what]
    for statement in statements:
        conn.execute(statement.encode())
    assert found(engine, table, index) == (7, "rows")


def test_another_distance_has_a_calibration_of_its_own(
    engine: Engine, conn: Conn
) -> None:
    by_l2 = Matryoshka(8, distance="l2", name="by_l2")
    conn.execute("select mrl.create_index('docs', 'embedding', 8, distance => 'l2')")
    assert found(engine, model(by_l2), "docs_embedding_8_halfvec_l2_hnsw") == (
        7,
        "uncalibrated",
    )


def test_a_quantile_is_read_by_the_statement(engine: Engine, conn: Conn) -> None:
    docs = model(Matryoshka(8))
    plain: Any = select(docs.c.id, seen)
    asked: dict[str, Any] = {"k": 1, "recall": 0.5}
    searched = [
        search(plain, docs.c.embedding, ROWS[7], **asked, quantile=quantile)
        for quantile in (None, 0.95)
    ]
    conn.execute("delete from mrl._calibrations")
    put(conn, 5, 0.9, 0.9, 1.0, k=1, name=INDEX, shares={0: 50, 1: 450})
    put(conn, 60, 0.9, 0.9, 2.0, k=1, name=INDEX, shares={0: 1, 1: 499})
    with Session(engine) as session:
        answers = [ask(session, one, scans=[INDEX]) for one in searched]
    assert answers == [[(7, 5)], [(7, 60)]]


def found(engine: Engine, table: Table, index: str) -> tuple[int, str]:
    """Key of the nearest row and the standing, of a search that the index answers."""
    statement: Any = select(table.c.id, standing)
    searched = search(statement, table.c.embedding, ROWS[7], k=1, recall=0.5)
    with Session(engine) as session:
        ((key, kept),) = ask(session, searched, scans=[index])
    return key, kept
