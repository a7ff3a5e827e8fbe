"""Searches of SQLAlchemy in rotated columns: declared, reflected, and refused."""

from typing import Any

import numpy as np
import pytest
from pgvector.sqlalchemy import VECTOR
from sqlalchemy import BigInteger, Column, MetaData, Table, select
from support.databases import Conn
from support.drivers import DRIVERS, run
from support.rotations import orthogonal
from support.vectors import distances, matryoshka, nearest

from mrl_pg import MatryoshkaColumn, MatryoshkaIndex
from mrl_pg.errors import RotationMismatch
from mrl_pg.load import load_blocks
from mrl_pg.rotation import Provenance, Rotation
from mrl_pg.sqlalchemy import Matryoshka, distance, register, search

ROWS = matryoshka(600)
TURN = Rotation(orthogonal(64), Provenance("random", 0))
QUERY = ROWS[7] * 0.7 + ROWS[8] * 0.3
INDEX = MatryoshkaIndex("docs", "embedding", dims=32)


def table_of(*, rotated: bool) -> Table:
    return Table(
        "docs",
        MetaData(),
        Column("id", BigInteger, primary_key=True),
        Column("embedding", VECTOR(64), Matryoshka(32, rotated=rotated)),
    )


@pytest.fixture
def loaded(conn: Conn) -> Conn:
    load_blocks(conn, ROWS, "docs", columns={"id": range(1, 601)}, rotation=TURN)
    INDEX.create(conn)
    conn.execute("analyze docs")
    return conn


def found(connection: Any, docs: Table, **options: Any) -> list[tuple[int, float]]:
    statement = select(docs.c.id, distance)
    rows = connection.execute(
        search(statement, docs.c.embedding, QUERY, k=5, **options)
    )
    return [(key, far) for key, far in rows]


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_declared_rotation(loaded: Conn, database: str, driver: str) -> None:
    truth = nearest(ROWS, QUERY, 5)
    far = distances(ROWS, QUERY, "cosine")

    def work(connection: Any) -> None:
        docs = table_of(rotated=True)
        for options in ({"candidates": 400}, {"exact": True}):
            hits = found(connection, docs, **options)
            assert [key for key, _ in hits] == truth
            assert np.allclose([each for _, each in hits], far[np.array(truth) - 1])
        reflected = Table("docs", MetaData(), autoload_with=connection)
        register(reflected.metadata)
        again = MetaData()
        register(again)
        known = Table("docs", again, autoload_with=connection)
        assert [key for key, _ in found(connection, known, candidates=400)] == truth

    run(database, driver, work)


@pytest.mark.parametrize("options", [{}, {"exact": True}])
@pytest.mark.parametrize("driver", DRIVERS)
def test_a_rotation_that_is_not_declared_is_refused(
    loaded: Conn, database: str, driver: str, options: dict[str, Any]
) -> None:
    def work(connection: Any) -> None:
        with pytest.raises(RotationMismatch, match="embedding is rotated"):
            found(connection, table_of(rotated=False), **options)

    run(database, driver, work)


def test_a_declared_rotation_that_is_none(conn: Conn, database: str) -> None:
    load_blocks(conn, ROWS, "docs", columns={"id": range(1, 601)})
    INDEX.create(conn)
    assert MatryoshkaColumn("docs", "embedding").rotation(conn) is None

    def work(connection: Any) -> None:
        with pytest.raises(Exception, match="is not rotated"):
            found(connection, table_of(rotated=True))

    run(database, "psycopg", work)
