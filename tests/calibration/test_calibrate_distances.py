"""Calibrations on rows that are as far from their answers as real queries are."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from support.calibrations import calibrate, never_exact, promised
from support.databases import Server
from support.plans import force_index
from support.sql_calls import create, one, text
from support.sql_plans import scanning
from support.sql_state import notices
from support.tables import Docs, fresh_docs
from support.vectors import distances, matryoshka

from mrl_pg import MatryoshkaIndex

K = 5
NAME = "docs_embedding_8_halfvec_cosine_hnsw"
SHORT: dict[str, Any] = {"k": K, "dims": 8}
SAMPLE = 60
INDEX = MatryoshkaIndex("docs", "embedding", dims=8)


@pytest.fixture(scope="module")
def docs(pg_server: Server) -> Iterator[Docs]:
    with fresh_docs(pg_server, rows=400) as docs:
        create(docs.conn, dims=8)
        never_exact(docs.conn)
        force_index(docs.conn)
        one(docs.conn, "select mrl.sample_distances('docs', 'embedding', 1, 400)")
        yield docs


def edges_of_rows(docs: Docs) -> np.ndarray[Any, np.dtype[np.float64]]:
    """How far each row is from its k-th nearest other row."""
    return np.array(
        [np.sort(distances(docs.vectors, row, "cosine"))[K] for row in docs.vectors]
    )


def offer(docs: Docs, real: Any) -> None:
    """Store distances of real answers instead of those that are stored."""
    one(docs.conn, "select mrl.forget_queries('docs', 'embedding')")
    keep = "select mrl.keep_distance('docs', 'embedding', %s, %s)"
    with docs.conn.cursor() as cursor:
        cursor.executemany(keep, [(K, float(distance)) for distance in real])


def calibrated(docs: Docs, in_batches: bool, **options: Any) -> tuple[str, int]:
    """Calibrate in either way; returns basis and number of queries."""
    with scanning(docs.conn, NAME):
        if in_batches:
            made = INDEX.calibrate(docs.conn, k=K, sample=SAMPLE, **options)
            assert made.points
            return made.basis, made.queries
        points = calibrate(docs.conn, sample=SAMPLE, **SHORT, **options)
    ((basis, queries),) = {(point.basis, point.queries) for point in points}
    return basis, queries


@pytest.mark.parametrize("in_batches", [False, True])
def test_rows_are_chosen_by_the_distances_of_real_answers(
    docs: Docs, in_batches: bool
) -> None:
    edges = edges_of_rows(docs)
    real = np.sort(edges)[-200:]
    offer(docs, real)
    assert calibrated(docs, in_batches) == ("distances", SAMPLE)
    found = np.array(one(docs.conn, "select reach from mrl.calibrations limit 1"))
    wanted = np.quantile(real, np.linspace(0, 1, 21))
    assert found[1:-1] == pytest.approx(wanted[1:-1], rel=0.06)
    # rows as they come would be nearer
    assert found[10] > 1.05 * np.median(edges)
    promise = promised(docs.conn, K, 0.5, name=NAME)
    assert promise.standing == "corrected"
    assert promise.ef_search is not None
    assert promise.ef_search >= 80


@pytest.mark.parametrize("in_batches", [False, True])
def test_nothing_is_promised_where_real_queries_are_unlike_rows(
    docs: Docs, in_batches: bool
) -> None:
    offer(docs, np.full(300, 1.5 * edges_of_rows(docs).max()))
    with notices(docs.conn) as told:
        assert calibrated(docs, in_batches) == ("unlike", SAMPLE)
    assert any("real queries are unlike the rows: 100 %" in line for line in told)
    assert promised(docs.conn, K, 0.5, name=NAME).standing == "unreached"
    result = INDEX.search(docs.conn, docs.vectors[3], k=K, recall=0.5)
    assert "real queries are unlike the rows" in str(result.promise)
    assert "with real queries" in str(result.promise)
    made = INDEX.calibrate(docs.conn, k=K, sample=SAMPLE)
    assert made.cheapest(0.5) is None


@pytest.mark.parametrize("in_batches", [False, True])
def test_distances_are_for_calibrations_without_filter_and_queries(
    docs: Docs, in_batches: bool
) -> None:
    offer(docs, np.sort(edges_of_rows(docs))[-200:])
    assert calibrated(docs, in_batches, rows=True)[0] == "rows"
    assert calibrated(docs, in_batches, filter="n < 90")[0] == "rows"
    queries = matryoshka(20, seed=5)
    given = queries if in_batches else [text(query) for query in queries]
    assert calibrated(docs, in_batches, queries=given) == ("queries", 20)
    # too few
    offer(docs, np.full(60, 0.5))
    assert calibrated(docs, in_batches)[0] == "rows"


def test_answers_that_are_the_query_itself_are_like_rows_that_have_a_double(
    docs: Docs,
) -> None:
    """0 and what single precision makes of it differed by all of it."""
    call = (
        "select basis from mrl._rows_to_measure(1, array_fill(1.2e-5, array[200]),"
        " array_fill(1, array[200]), array_fill(0::float8, array[100]), 50)"
    )
    assert one(docs.conn, call) == "distances"


def test_distances_of_two_metrics_say_nothing(docs: Docs) -> None:
    offer(docs, np.sort(edges_of_rows(docs))[-200:])
    with docs.conn.transaction(force_rollback=True):
        create(docs.conn, dims=8, distance="l2")
        points = calibrate(docs.conn, sample=SAMPLE, index_name=NAME, k=K)
        assert {point.basis for point in points} == {"rows"}
