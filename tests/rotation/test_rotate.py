"""`column.rotate`: a column in use is rotated into another, and back."""

import asyncio
from typing import Any

import numpy as np
import psycopg
import pytest
from support.databases import Conn
from support.plans import explain, first_pass, force_index
from support.rotations import orthogonal
from support.sql_calls import one
from support.tables import make_table
from support.vectors import assert_true, matryoshka, nearest

from mrl_pg import MatryoshkaColumn, MatryoshkaIndex
from mrl_pg.errors import InvalidSetting, RotationMismatch, TableError
from mrl_pg.exchange.progress import Progress
from mrl_pg.rotation import Provenance, Rotation

ROWS = (matryoshka(600) @ orthogonal(64, seed=7).T).astype(np.float32)
QUERY = ROWS[7] * 0.7 + ROWS[8] * 0.3
OTHER = Rotation(orthogonal(64, seed=2), Provenance("random", 0))
DOCS = MatryoshkaColumn("docs", "embedding")
TURNED = MatryoshkaColumn("docs", "turned")
WIDE: Any = {"k": 5, "candidates": 400}
SINGLE = 1e-5


def stored(conn: Conn, column: str) -> Any:
    """The vectors of a column by key, as they are stored."""
    return np.array(
        one(conn, f"select array_agg({column}::real[] order by id) from docs")
    )


def test_a_column_in_use_is_rotated_and_switched(conn: Conn) -> None:
    make_table(conn, ROWS)
    old = MatryoshkaIndex("docs", "embedding", dims=32)
    old.create(conn)
    seen: list[Progress] = []
    report = DOCS.rotate(conn, "turned", sample=400, progress=seen.append)
    assert (report.added, report.fitted, report.written) == (True, 400, 600)
    assert (report.filled, report.missing, report.complete) == (600, 0, True)
    assert seen[-1].done == seen[-1].total == 600
    known = TURNED.rotation(conn)
    assert known is not None and known == report.rotation
    assert known.provenance.rows == 400
    assert np.allclose(stored(conn, "turned"), known.apply(ROWS), atol=SINGLE)
    again = DOCS.rotate(conn, "turned")
    assert (again.written, again.fitted, again.rotation) == (0, 0, known)
    new = MatryoshkaIndex("docs", "turned", dims=16)
    new.create(conn)
    DOCS.switch(conn, "turned")
    conn.execute("analyze docs")
    force_index(conn)
    query: Any = {"embedding": QUERY, "turned": QUERY}
    found = DOCS.search(conn, query, **WIDE)
    assert found.index_name == new.name
    assert found.keys == nearest(ROWS, QUERY, 5)
    assert_true(found, ROWS, QUERY)
    assert first_pass(explain(conn, DOCS.plan(conn, query, **WIDE))) == [new.name]
    # the application writes the vector of the model to both
    DOCS.upsert(conn, [{"id": 5, "embedding": QUERY, "turned": QUERY}])
    assert np.allclose(stored(conn, "turned")[4], known.apply(QUERY), atol=SINGLE)
    assert np.allclose(stored(conn, "embedding")[4], QUERY, atol=SINGLE)


def test_it_goes_on_and_rotates_back(conn: Conn) -> None:
    make_table(conn, ROWS, full_type="halfvec")
    conn.execute("update docs set embedding = null where id = 3")
    first = DOCS.rotate(conn, "turned", rotation=OTHER)
    assert (first.fitted, first.filled, first.rotation) == (0, 599, OTHER)
    conn.execute("update docs set turned = null where id > 500")
    report = DOCS.rotate(conn, "turned")
    assert (report.written, report.rotation) == (100, OTHER)
    with pytest.raises(RotationMismatch, match=OTHER.version):
        DOCS.rotate(conn, "turned", rotation=Rotation(orthogonal(64), OTHER.provenance))
    with pytest.raises(InvalidSetting, match="already"):
        TURNED.rotate(conn, "twice")
    with pytest.raises(InvalidSetting, match="is not rotated"):
        DOCS.rotate(conn, "plain", undo=True)
    back = TURNED.rotate(conn, "plain", undo=True)
    assert (back.rotation, back.written) == (None, 599)
    kept = [place for place in range(600) if place != 2]
    plain = np.array(
        one(
            conn,
            "select array_agg(plain::vector::real[] order by id) from docs"
            " where id <> 3",
        )
    )
    # the column holds half precision
    assert np.allclose(plain, ROWS[kept], atol=2e-3)
    assert MatryoshkaColumn("docs", "plain").rotation(conn) is None


def test_async_and_text_keys(conn: Conn, database: str) -> None:
    conn.execute(
        "create table docs (a text, b uuid, embedding vector(64), primary key (a, b))"
    )
    conn.execute(
        "insert into docs select 'row ' || place, gen_random_uuid(), value::vector"
        " from unnest(%s::text[]) with ordinality as given (value, place)",
        [[str(row.tolist()) for row in ROWS[:50]]],
    )

    async def work() -> Rotation | None:
        async with await psycopg.AsyncConnection.connect(
            database, autocommit=True
        ) as conn:
            fitted = await DOCS.fit_rotation_async(conn, sample=40)
            assert fitted.provenance.rows == 40
            report = await DOCS.rotate_async(conn, "turned", sample=30)
            assert report.filled == 50
            return report.rotation

    rotation = asyncio.run(work())
    assert rotation is not None
    pairs = conn.execute("select embedding::real[], turned::real[] from docs")
    for before, after in pairs.fetchall():
        assert np.allclose(rotation.apply(np.array(before)), after, atol=SINGLE)


def test_what_is_refused(conn: Conn) -> None:
    make_table(conn, ROWS[:0])
    with pytest.raises(TableError, match="no vectors to fit"):
        DOCS.rotate(conn, "turned")
    with pytest.raises(InvalidSetting, match="both the old and the new"):
        DOCS.rotate(conn, "embedding")
    conn.execute("alter table docs add narrow vector(3), add full_one vector(64)")
    with pytest.raises(TableError, match=r"is vector\(3\)"):
        DOCS.rotate(conn, "narrow", rotation=OTHER)
    conn.execute(
        "insert into docs (id, embedding, full_one)"
        " select 1, array_fill(1, array[64])::vector, array_fill(2, array[64])::vector"
    )
    with pytest.raises(TableError, match="has vectors"):
        DOCS.rotate(conn, "full_one", rotation=OTHER)
    with conn.transaction(), pytest.raises(InvalidSetting, match="transaction"):
        DOCS.rotate(conn, "turned")
