"""Rotated columns from Python: written, searched and read as if they were not."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from support.databases import Conn, connect
from support.plans import explain, first_pass, force_index
from support.rotations import make_rotated, orthogonal, set_matrix
from support.sql_calls import one
from support.tables import make_table
from support.vectors import assert_true, matryoshka, nearest

from mrl_pg import MatryoshkaColumn, MatryoshkaIndex, RecallReport
from mrl_pg.errors import (
    InvalidSetting,
    NotInstalled,
    RotationMismatch,
    TableError,
)
from mrl_pg.load import load, load_blocks, update_blocks
from mrl_pg.rotation import Provenance, Rotation, fit

ROWS = matryoshka(600)
TURN = Rotation(orthogonal(64), Provenance("random", 0, source="a test"))
OTHER = Rotation(orthogonal(64, seed=2), Provenance("random", 0))
QUERY = ROWS[7] * 0.7 + ROWS[8] * 0.3
TRUTH = nearest(ROWS, QUERY, 5)
SINGLE = 1e-5
DOCS = MatryoshkaColumn("docs", "embedding")
INDEX = MatryoshkaIndex("docs", "embedding", dims=32)
WIDE: Any = {"k": 5, "candidates": 400}


def stored(conn: Conn, column: str = "embedding") -> Any:
    """The vectors of the table as they are stored, by key."""
    call = f"select array_agg({column}::real[] order by id) from docs"
    return np.array(one(conn, call))


def measured(report: RecallReport) -> float:
    """The recall of a report, which is None only without queries."""
    assert report.recall is not None
    return report.recall


@pytest.fixture
def loaded(conn: Conn) -> Conn:
    load_blocks(conn, ROWS, "docs", columns={"id": range(1, 601)}, rotation=TURN)
    INDEX.create(conn)
    conn.execute("analyze docs")
    force_index(conn)
    return conn


def test_a_load_rotates_and_keeps_the_rotation(loaded: Conn) -> None:
    assert np.allclose(stored(loaded), TURN.apply(ROWS), atol=SINGLE)
    known = DOCS.rotation(loaded)
    assert known == TURN
    assert known.provenance == TURN.provenance
    row = loaded.execute("select version, dims from mrl.column_rotations").fetchone()
    assert row == (TURN.version, 64)


def test_every_search_rotates_its_query(loaded: Conn) -> None:
    plan = INDEX.plan(loaded, QUERY, **WIDE)
    assert first_pass(explain(loaded, plan)) == [INDEX.name]
    for searched in (INDEX, DOCS):
        found = searched.search(loaded, QUERY, **WIDE)
        assert found.keys == TRUTH
        assert_true(found, ROWS, QUERY)
        (first, _) = searched.search_many(loaded, [QUERY, ROWS[3]], **WIDE)
        assert first.keys == TRUTH
        exact = searched.search(loaded, QUERY, k=5, exact=True)
        assert exact.keys == TRUTH
        assert_true(exact, ROWS, QUERY)
        filtered = searched.search(loaded, QUERY, filter="id > 0", **WIDE)
        assert filtered.keys == TRUTH
    loaded.execute("alter table docs add title text default 'no'")
    hybrid = INDEX.hybrid(loaded, QUERY, "yes", text="title", **WIDE)
    assert hybrid.keys == TRUTH
    same = INDEX.search_mmr(loaded, QUERY, diversity=0.0, **WIDE)
    assert same.keys == TRUTH
    make_table(loaded, ROWS, table="plain")
    plain = MatryoshkaIndex("plain", "embedding", dims=32)
    plain.create(loaded)
    mmr = INDEX.search_mmr(loaded, QUERY, diversity=0.7, **WIDE)
    assert mmr.keys == plain.search_mmr(loaded, QUERY, diversity=0.7, **WIDE).keys


def test_async_as_sync(loaded: Conn, database: str) -> None:
    async def work() -> None:
        async with await psycopg.AsyncConnection.connect(
            database, autocommit=True
        ) as conn:
            assert (await INDEX.search_async(conn, QUERY, **WIDE)).keys == TRUTH
            assert await DOCS.rotation_async(conn) == TURN
            row = {"id": 1000, "embedding": QUERY}
            await DOCS.upsert_async(conn, [row])
            (got,) = await DOCS.get_async(conn, [1000])
            assert got is not None
            assert np.allclose(numbers(got["embedding"]), QUERY, atol=SINGLE)
            await conn.execute(
                "create table papers (id int primary key, embedding vector(64))"
            )
            await MatryoshkaColumn("papers", "embedding").set_rotation_async(
                conn, OTHER
            )

    asyncio.run(work())


def numbers(text: str) -> Any:
    return np.array(text[1:-1].split(","), dtype=np.float32)


def test_upsert_rotates_and_get_rotates_back(loaded: Conn) -> None:
    vector = np.arange(64, dtype=np.float32) + 1
    INDEX.upsert(
        loaded, [{"id": 7, "embedding": vector}, {"id": 999, "embedding": None}]
    )
    kept = one(loaded, "select embedding::real[] from docs where id = 7")
    assert np.allclose(kept, TURN.apply(vector), rtol=1e-5, atol=1e-3)
    assert INDEX.search(loaded, vector, **WIDE).keys[0] == 7
    row, empty = INDEX.get(loaded, [7, 999])
    assert row is not None and empty is not None
    assert np.allclose(numbers(row["embedding"]), vector, atol=1e-3)
    assert empty["embedding"] is None


def test_hits_have_the_vectors_of_the_model(loaded: Conn) -> None:
    (hit,) = DOCS.search(loaded, ROWS[4], k=1, columns=["embedding"])
    assert hit.key == 5
    assert np.allclose(numbers(hit["embedding"]), ROWS[4], atol=SINGLE)


def test_get_keeps_the_type_of_the_loader(loaded: Conn) -> None:
    from pgvector import Vector
    from pgvector.psycopg import register_vector

    register_vector(loaded)
    (row,) = DOCS.get(loaded, [8])
    assert row is not None
    value = row["embedding"]
    assert isinstance(value, (np.ndarray, Vector))
    given = value if isinstance(value, np.ndarray) else value.to_numpy()
    assert np.allclose(given, ROWS[7], atol=SINGLE)


def test_loads_into_a_rotated_column_rotate_unasked(
    loaded: Conn, tmp_path: Path
) -> None:
    more = matryoshka(50, seed=5)
    path = tmp_path / "more.npz"
    np.savez(path, id=np.arange(601, 651), embedding=more)
    load(loaded, path, "docs")
    assert np.allclose(stored(loaded)[600:], TURN.apply(more), atol=SINGLE)
    load(loaded, path_of(tmp_path, 700), "docs", rotation=TURN)
    with pytest.raises(RotationMismatch, match=TURN.version):
        load(loaded, path_of(tmp_path, 800), "docs", rotation=OTHER)
    update_blocks(loaded, more[::-1].copy(), "docs", columns={"id": range(601, 651)})
    assert np.allclose(stored(loaded)[600:650], TURN.apply(more[::-1]), atol=SINGLE)


def path_of(folder: Path, first: int) -> Path:
    path = folder / f"{first}.npz"
    np.savez(path, id=np.arange(first, first + 5), embedding=ROWS[:5])
    return path


def test_a_rotation_for_rows_that_are_not_rotated_is_refused(conn: Conn) -> None:
    make_table(conn, ROWS)
    with pytest.raises(TableError, match="has vectors"):
        DOCS.set_rotation(conn, TURN)
    rows = {"id": [900]}
    with pytest.raises(TableError, match="has vectors"):
        load_blocks(conn, ROWS[:1], "docs", columns=rows, rotation=TURN)
    with pytest.raises(InvalidSetting, match="64 dimensions"):
        load_blocks(conn, ROWS[:1, :32], "new", rotation=TURN)
    narrow = Rotation(orthogonal(32), Provenance("random", 0))
    with pytest.raises(InvalidSetting, match="for 32 dimensions"):
        DOCS.set_rotation(conn, narrow)
    INDEX.create(conn)
    with pytest.raises(TableError, match="has short indexes"):
        DOCS.set_rotation(conn, TURN, already=True)
    assert DOCS.rotation(conn) is None


def test_no_registry_no_rotation(bare_database: str) -> None:
    with connect(bare_database) as conn:
        conn.execute("create extension vector")
        with pytest.raises(NotInstalled, match="rotation"):
            load_blocks(conn, ROWS[:5], "docs", rotation=TURN)
        load_blocks(conn, ROWS[:5], "docs")
        with pytest.raises(NotInstalled):
            DOCS.rotation(conn)


def test_other_sessions_notice_a_rotation(conn: Conn, database: str) -> None:
    """Their cached facts say that the column is not rotated."""
    make_table(conn, ROWS)
    INDEX.create(conn)
    with connect(database) as other:
        force_index(other)
        assert INDEX.search(other, QUERY, **WIDE).keys == TRUTH
        assert INDEX.search(other, QUERY, k=5, exact=True).keys == TRUTH
        assert DOCS.get(other, [1], columns=["n"]) is not None
        INDEX.drop(conn)
        turned = [str(row) for row in TURN.apply(ROWS).tolist()]
        conn.execute(
            "update docs set embedding = turned.value::vector from unnest(%s::text[])"
            " with ordinality as turned (value, place) where id = place",
            [turned],
        )
        DOCS.set_rotation(conn, TURN, already=True)
        assert INDEX.search(other, QUERY, k=5, exact=True).keys == TRUTH
        (row,) = DOCS.get(other, [1])
        assert row is not None
        assert np.allclose(numbers(row["embedding"]), ROWS[0], atol=SINGLE)
        INDEX.create(conn)
        found = INDEX.search(other, QUERY, **WIDE)
        assert found.keys == TRUTH
        assert_true(found, ROWS, QUERY)


def test_recall_and_calibration_rotate_the_given_queries(loaded: Conn) -> None:
    queries = matryoshka(30, seed=9)
    report = INDEX.recall(loaded, queries=queries, k=5)
    assert measured(report) > 0.9
    with loaded.transaction():
        whole = INDEX.recall(loaded, queries=queries, k=5)
    assert measured(whole) == pytest.approx(measured(report), abs=0.02)
    made = INDEX.calibrate(loaded, k=5, queries=queries)
    assert max(point.recall for point in made.points) > 0.95
    with loaded.transaction():
        made = INDEX.calibrate(loaded, k=5, queries=queries)
    assert max(point.recall for point in made.points) > 0.95
    found = INDEX.search(loaded, QUERY, k=5, recall=0.9)
    assert set(found.keys) & set(TRUTH)


def test_real_queries_are_kept_as_they_came(loaded: Conn) -> None:
    loaded.execute("select mrl.sample_queries('docs', 'embedding', 1, 150)")
    for query in matryoshka(400, seed=4):
        INDEX.keep_query(loaded, query)
    kept = one(loaded, "select array_agg(query::real[]) from mrl.kept_queries")
    known = {tuple(np.round(row, 3)) for row in matryoshka(400, seed=4)}
    assert {tuple(np.round(row, 3)) for row in np.array(kept, np.float32)} <= known
    report = INDEX.recall(loaded, real_queries=True, sample=30, k=5)
    assert measured(report) > 0.9
    made = INDEX.calibrate(loaded, k=5, real_queries=True)
    assert max(point.recall for point in made.points) > 0.95
    made = INDEX.calibrate(loaded, k=5)
    assert made.basis == "queries"


def test_bits_are_refused(loaded: Conn) -> None:
    with pytest.raises(InvalidSetting, match=r"is rotated.*\.585"):
        MatryoshkaIndex("docs", "embedding", dims=64, kind="bit").create(loaded)


def test_halves_are_searched_in_a_fitted_rotation(conn: Conn) -> None:
    """Rows whose prefixes mean nothing are found by those of rotated rows."""
    rows = (ROWS @ orthogonal(64, seed=7).T).astype(np.float32)
    turn = fit(rows[:500])
    query = rows[7] * 0.7 + rows[8] * 0.3
    shares = []
    for name, rotation in (("plain", None), ("turned", turn)):
        load_blocks(conn, rows, name, rotation=rotation, kind="halfvec")
        index = MatryoshkaIndex(name, "embedding", dims=8)
        index.create(conn)
        shares.append(measured(index.recall(conn, queries=rows[:40] + 0.02, k=5)))
        exact = index.search(conn, query, k=5, exact=True)
        assert exact.keys == nearest(rows, query, 5)
    assert shares[1] > shares[0] + 0.1


def test_a_damaged_matrix_is_refused(conn: Conn) -> None:
    matrix = orthogonal(64, seed=12)
    make_rotated(conn, ROWS, matrix)
    set_matrix(conn, matrix, version="made-up", already=True)
    with pytest.raises(TableError, match="made-up"):
        INDEX.search(conn, QUERY, exact=True)
