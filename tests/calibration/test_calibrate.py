"""mrl.calibrate: what it keeps is what searches find, and only what no other beats."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from support.calibrations import EVERYTHING, NAME, calibrate, lower_bound, recalls_of
from support.databases import Conn, Server
from support.plans import force_index
from support.sql_calls import create, many, one, stock, text
from support.sql_plans import ordered, planned, scanning
from support.tables import Docs, fresh_docs
from support.vectors import distances, matryoshka

ROWS = 200
QUERIES = matryoshka(25, seed=7)
ASKED = [text(query) for query in QUERIES]


@pytest.fixture(scope="module")
def docs(pg_server: Server) -> Iterator[Docs]:
    with fresh_docs(pg_server, rows=ROWS) as docs:
        create(docs.conn, dims=8)
        force_index(docs.conn)
        yield docs


FILTERED = {"filter": "n < $1::int", "args": ["30"]}


@pytest.mark.parametrize("k", [1, 5])
@pytest.mark.parametrize("options", [{}, {"dims": 8}, FILTERED])
def test_points_are_what_searches_find(
    docs: Docs, k: int, options: dict[str, Any]
) -> None:
    """Each search is run again, and judged here."""
    name = f"docs_embedding_{options.get('dims', 32)}_halfvec_cosine_hnsw"
    with scanning(docs.conn, name):
        kept = calibrate(docs.conn, k=k, queries=ASKED, **options)
    among = np.arange(1, ROWS + 1) % 100 < 30 if "filter" in options else None
    # how many are kept depends on times, but never is the best recall left out
    assert max(point.recall for point in kept) == 1
    for point in kept:
        effort = {"candidates": point.candidates, "ef_search": point.ef_search}
        answers = many(docs.conn, [*QUERIES], k=k, **effort, **options)
        found = recalls_of(answers, docs.vectors, QUERIES, k, among=among)
        assert point.recall == pytest.approx(np.mean(found), abs=1e-9)
        assert point.low == pytest.approx(lower_bound(found), abs=1e-6)
        least = np.quantile(found, 0.05, method="inverted_cdf")
        assert point.p05 == pytest.approx(least, abs=1e-9)
        assert 0 < point.median_ms <= point.p95_ms
        assert point.ef_search >= point.candidates >= k
    assert {(point.index_name, point.k, point.queries) for point in kept} == {
        (name, k, len(ASKED))
    }
    rows = docs.vectors if among is None else docs.vectors[among]
    edges = [np.sort(distances(rows, query, "cosine"))[k - 1] for query in QUERIES]
    # three of twenty are .15 of them, whatever a product of floats says
    shares = np.clip(np.linspace(0, 1, 21) - 1e-9, 0, 1)
    reach = np.quantile(edges, shares, method="inverted_cdf")
    assert all(point.reach == pytest.approx(reach, abs=1e-6) for point in kept)
    share = 0.3 if "filter" in options else 1
    assert {(point.rows, point.m, point.ef_construction) for point in kept} == {
        (ROWS, 16, 64)
    }
    assert {point.share for point in kept} == {share}
    assert {point.filter for point in kept} == {
        "n < $1::int {30}" if "filter" in options else ""
    }
    root = planned(docs.conn, "batch", [*QUERIES], k=k, **options)
    assert ordered(root) == [name]


def test_what_is_kept_is_a_front(docs: Docs) -> None:
    kept = calibrate(docs.conn, k=3, sample=30)
    assert kept == sorted(kept, key=lambda point: point.median_ms)
    for point in kept:
        for other in kept:
            cheaper = (other.median_ms, other.candidates) < (
                point.median_ms,
                point.candidates,
            )
            as_good = other.recall >= point.recall and other.low >= point.low
            assert not (cheaper and as_good), (point, other)
    assert max(point.recall for point in kept) == 1


def test_sampled_rows_are_not_their_own_answers(docs: Docs) -> None:
    """All rows are asked, so mrl.recall must find the same, itself left out."""
    kept = calibrate(docs.conn, k=2, sample=ROWS + 5)
    assert {point.queries for point in kept} == {ROWS}
    for point in kept:
        found = one(
            docs.conn,
            "select recall from mrl.recall('docs', 'embedding', k => 2,"
            " candidates => %s, ef_search => %s, sample => 1000)",
            point.candidates,
            point.ef_search,
        )
        assert point.recall == pytest.approx(found, abs=1e-9)
    # with itself among the two, half of each answer would be for nothing
    recall = (
        "select recall from mrl.recall('docs', 'embedding', k => 2, candidates => 2,"
    )
    left_out = f"{recall} sample => 1000)"
    given = f"{recall} queries => %s)"
    asked = [text(row) for row in docs.vectors]
    assert one(docs.conn, given, asked) > one(docs.conn, left_out)


def test_a_calibration_takes_the_place_of_its_elder_alone(docs: Docs) -> None:
    docs.conn.execute("delete from mrl._calibrations")
    calibrate(docs.conn, k=5, sample=10)
    calibrate(docs.conn, k=7, sample=10)
    calibrate(docs.conn, k=5, sample=10, dims=8)
    calibrate(docs.conn, k=5, sample=10, filter="n < 50")
    calibrate(docs.conn, k=5, sample=10, filter="n < $1::int", args=["50"])
    calibrate(docs.conn, k=5, sample=10, filter="n < $1::int", args=["60"])
    before = docs.conn.execute(EVERYTHING).fetchall()
    again = calibrate(docs.conn, k=5, sample=12)
    after = docs.conn.execute(EVERYTHING).fetchall()

    def others(rows: list[Any]) -> list[Any]:
        return [row for row in rows if (row[1], row[2], row[3]) != (NAME, 5, "")]

    assert others(after) == others(before)
    assert len({(row[1], row[2], row[3]) for row in after}) == 6
    mine = [row for row in after if row not in others(after)]
    assert sorted(mine) == sorted(tuple(row) for row in again)
    assert {row.queries for row in again} == {12}


def test_fewer_rows_than_k(docs: Docs) -> None:
    """All there are is all there is to be found."""
    kept = calibrate(docs.conn, k=20, queries=ASKED, filter="id <= 7")
    assert [(point.candidates, point.recall) for point in kept] == [(20, 1)]
    # a row alone has nothing to find, and two rows each other
    alone = calibrate(docs.conn, k=5, filter="id = 5")
    assert {(row.basis, row.recall) for row in alone} == {("rows", 1)}
    assert {row.queries for row in alone} == {ROWS - 1}
    assert calibrate(docs.conn, k=5, filter="id = 5", queries=[]) == []
    pair = calibrate(docs.conn, k=5, filter="id < 3")
    assert {(row.basis, row.queries) for row in pair} == {("rows", ROWS)}


def test_nothing_to_measure_keeps_nothing(docs: Docs) -> None:
    calibrate(docs.conn, k=4, sample=5, filter="id > 0")
    odd: list[dict[str, Any]] = [{"filter": "id < 0"}, {"queries": []}]
    for options in odd:
        assert calibrate(docs.conn, k=4, **options) == []


def test_null_and_zero_rows(conn: Conn) -> None:
    vectors = matryoshka(200)
    vectors[60:160] = 0
    stock(conn, vectors)
    conn.execute("update docs set embedding = null where id > 190")
    kept = calibrate(conn, k=3, sample=500)
    # neither is asked with, nor found
    assert {point.queries for point in kept} == {90}
    assert max(point.recall for point in kept) == 1
    conn.execute("delete from docs")
    assert calibrate(conn, k=3) == []
