"""Calibrations with a filter: rows that it turns away are queries as well."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from support.calibrations import calibrate, never_exact, promised, put
from support.databases import Conn
from support.plans import explain, first_pass, force_index
from support.sql_calls import one, stock, text
from support.sql_plans import scanning
from support.tables import make_table
from support.vectors import Vectors, matryoshka

from mrl_pg import MatryoshkaIndex, normalise

NAME = "docs_embedding_8_halfvec_cosine_hnsw"
INDEX = MatryoshkaIndex("docs", "embedding", dims=8)
K = 4
ROWS, PASSING = 200, 40
TOPIC = range(1, PASSING + 1)
RANDOM = sorted(np.random.default_rng(3).choice(ROWS, PASSING, replace=False) + 1)


def clustered() -> Vectors:
    """Rows of a topic, in groups of five that are alike, and rows at random.

    A row of the topic finds its group. Rows outside are nearly as far from one group as
    from the next, and short vectors tell these apart less well.
    """
    groups = np.repeat(matryoshka(PASSING // 5, seed=5), 5, axis=0)
    vectors = matryoshka(ROWS, seed=6)
    vectors[:PASSING] = normalise(groups + 0.1 * vectors[:PASSING])
    return vectors


VECTORS = clustered()


@pytest.fixture
def docs(conn: Conn) -> Conn:
    """The table, with an index of eight dimensions."""
    stock(conn, VECTORS, dims=8)
    force_index(conn)
    never_exact(conn)
    return conn


def written(keys: Sequence[int]) -> str:
    return f"id = any('{{{','.join(map(str, keys))}}}')"


def measured(
    conn: Conn, keys: Sequence[int], candidates: int, *, outside: bool
) -> float:
    """What rows find that pass, without themselves, or those that do not pass."""
    others = [text(row) for i, row in enumerate(VECTORS, 1) if i not in keys]
    found: float = one(
        conn,
        "select recall from mrl.recall('docs', 'embedding', k => %s, sample => 1000,"
        " candidates => %s, filter => %s, queries => %s)",
        *(K, candidates, written(keys), others if outside else None),
    )
    return found


@pytest.mark.parametrize(
    ("keys", "basis"), [(TOPIC, "outside"), (RANDOM, "rows")], ids=["topic", "random"]
)
def test_what_finds_less_counts(conn: Conn, docs: Conn, keys: Any, basis: str) -> None:
    """A topic is found from inside, so rows that pass would promise too much."""
    with scanning(docs, NAME):
        kept = calibrate(docs, k=K, sample=1000, filter=written(keys))
    count = ROWS - PASSING if basis == "outside" else ROWS
    assert {(point.basis, point.queries) for point in kept} == {(basis, count)}
    gaps = []
    for point in kept:
        inside = measured(docs, keys, point.candidates, outside=False)
        outside = measured(docs, keys, point.candidates, outside=True)
        together = (PASSING * inside + (ROWS - PASSING) * outside) / ROWS
        wanted = outside if basis == "outside" else together
        # a query that has settled is not asked again
        assert point.recall == pytest.approx(wanted, abs=1e-3)
        gaps.append(inside - outside)
    assert (max(gaps) > 0.1) == (basis == "outside")
    # in batches, the same
    found = INDEX.calibrate(docs, k=K, sample=1000, filter=written(keys))
    assert (found.basis, found.queries) == (basis, count)
    recalls = {point.candidates: point.recall for point in kept}
    both = [point for point in found.points if point.candidates in recalls]
    assert both
    for same in both:
        assert same.recall == pytest.approx(recalls[same.candidates or 0], abs=1e-3)


@pytest.mark.parametrize("filter", ["id > 3", "id <= 3"])
def test_a_few_rows_do_not_say_what_all_find(docs: Conn, filter: str) -> None:
    """Deleted rows that are only marked, or a rare filter: three rows are no sample."""
    kept = calibrate(docs, k=K, sample=1000, filter=filter)
    best = max(kept, key=lambda point: point.recall)
    assert (best.basis, best.queries, best.recall) == ("rows", ROWS, 1)
    # all of 200 found everything
    assert best.low > 0.98


def test_real_queries_are_measured_alone(docs: Conn) -> None:
    """They say from where people ask."""
    asked = [text(row) for row in VECTORS[:PASSING]]
    kept = calibrate(docs, k=K, filter=written(TOPIC), queries=asked)
    assert {(point.basis, point.queries) for point in kept} == {("queries", PASSING)}


def test_rows_outside_promise_with_the_margin_of_rows(docs: Conn) -> None:
    about: dict[str, Any] = {"filter": "n = 1", "share": 0.1}
    put(docs, 20, 0.98, 0.976, 1.0, basis="outside", name=NAME, **about)
    same: dict[str, Any] = {"filtered": True, "name": NAME, **about}
    made = promised(docs, recall=0.95, **same)
    assert (made.standing, made.candidates, made.ef_search) == ("rows", 20, 80)
    assert promised(docs, recall=0.98, **same).standing == "unreached"
    result = INDEX.search(docs, VECTORS[0], recall=0.98, filter="n = 1")
    assert str(result.promise) == (
        "recall 0.98: not sure, because rows must find more than real queries: 0.9800 "
        "on 500 rows that the filter turns away, which find less than others (95 % "
        "sure to be above 0.9760); calibrate with more queries, or with real queries"
    )


def two_topics() -> Vectors:
    """Rows of two topics, in turn: those of one are far from those of the other."""
    topics = np.eye(64, dtype=np.float32)[:2]
    rows = matryoshka(600, seed=9) + 1.5 * topics[np.arange(600) % 2]
    return normalise(rows).astype(np.float32)


def test_a_filter_that_belongs_to_the_vectors_is_told_from_others(conn: Conn) -> None:
    """Half of the rows pass each filter, but one lets only far rows through."""
    vectors = two_topics()
    make_table(conn, vectors)
    conn.execute("alter table docs add topic int, add lot int")
    conn.execute("update docs set topic = id % 2, lot = id / 7 % 2")
    index = MatryoshkaIndex("docs", "embedding", dims=32)
    index.create(conn)
    conn.execute("analyze docs")
    force_index(conn)
    never_exact(conn)
    calibrate(conn, k=K, sample=200)
    calibrate(conn, k=K, sample=200, filter="n < 50")
    # of topic 0, whose keys are odd
    queries = [*vectors[:80:2] + 0.05 * matryoshka(40, seed=3)]

    def standings(filter: str) -> list[str]:
        found = index.search_many(conn, queries, k=K, recall=0.9, filter=filter)
        assert all(len(result) == K for result in found)
        return [result.promise.standing for result in found if result.promise]

    assert standings("lot = 1").count("borrowed") >= 36
    assert standings("topic = 1").count("borrowed") >= 36
    assert set(standings("topic = 0")) == {"beyond"}
    plan = index.plan(conn, queries[0], k=K, recall=0.9, filter="topic = 0")
    assert first_pass(explain(conn, plan)) == [index.name]
