"""A promise on rows: how far away an answer is decides how hard to search."""

import asyncio
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from psycopg import AsyncConnection, sql
from support.calibrations import NAME, put
from support.databases import Conn
from support.plans import explain, first_pass, force_index
from support.sql_calls import ids, one, text
from support.sql_plans import ordered, planned
from support.sql_state import current
from support.tables import Docs, docs_fixture
from support.vectors import TOLERANCE, distances

from mrl_pg import Calibration, CalibrationPoint
from mrl_pg.search.promise import Basis, PromiseStep

docs = docs_fixture(prepare=force_index)

K = 10
CALL = (
    "select step_distances, step_candidates, step_ef_searches, step_reranks,"
    " standing, candidates, rerank from mrl._promised('docs'::regclass, %s, 10, %s,"
    " false, by_distance => true)"
)


@pytest.fixture
def conn(docs: Docs) -> Iterator[Conn]:
    """The table, with nothing calibrated; what a test puts there goes again."""
    with docs.conn.transaction(force_rollback=True):
        yield docs.conn


def kth(docs: Docs, query: Any) -> float:
    """How far away the k-th row is."""
    return float(np.sort(distances(docs.vectors, query, "cosine"))[K - 1])


def near_and_far(docs: Docs) -> tuple[Any, Any, Any, list[float]]:
    """Three queries, nearer and farther from their answers, and 21 distances.

    The first is nearer than four fifths, the second than all, the third than none.
    """
    rng = np.random.default_rng(5)
    queries = rng.standard_normal((40, docs.vectors.shape[1]))
    queries = np.array(sorted(queries, key=lambda query: kth(docs, query)))
    near, middle, far = queries[0], queries[25], queries[39]
    edges = (kth(docs, queries[15]), kth(docs, queries[30]))
    reach = [*np.linspace(0, edges[0], 17), *np.linspace(edges[0], edges[1], 5)[1:]]
    return near, middle, far, [float(edge) for edge in reach]


def measured(conn: Conn, reach: list[float]) -> None:
    """A search of 20 candidates is enough near by, one of 200 for all of the reach."""
    narrow = [*[0.0] * 17, *[0.5] * 4]
    put(conn, 20, 0.98, 0.975, 1.0, basis="rows", misses=narrow, reach=reach)
    put(conn, 200, 0.99, 0.985, 2.0, basis="rows", misses=[0] * 21, reach=reach)


def test_the_answer_decides_how_hard_to_search(docs: Docs, conn: Conn) -> None:
    near, middle, far, reach = near_and_far(docs)
    measured(conn, reach)
    plan = docs.index.plan(conn, near, k=K, recall=0.95)
    assert plan.promise is not None
    # with the errors of single precision
    assert plan.promise.steps == (
        PromiseStep(reach[16] + 1e-5, 20, 80),
        PromiseStep(reach[20] + 1e-5, 200, 200),
    )
    root = explain(conn, plan)
    assert first_pass(root) == [NAME]
    found = [
        docs.index.search(conn, query, k=K, recall=0.95)
        for query in (near, middle, far)
    ]
    assert [result.candidates for result in found] == [20, 200, 200]
    assert [result.seen for result in found] == [20, 200, 200]
    standings = [result.promise.standing for result in found if result.promise]
    assert standings == ["rows", "rows", "beyond"]
    for query, result in zip((near, middle, far), found, strict=True):
        # the same as if these candidates had been asked for
        asked = docs.index.search(
            conn,
            query,
            k=K,
            candidates=result.candidates,
            ef_search=result.ef_search,
        )
        assert result.hits == asked.hits
        assert len(result) == K
    # what a search of 20 candidates misses, the wider search finds
    edge = kth(docs, middle) + TOLERANCE
    narrow = docs.index.search(conn, middle, k=K, candidates=20, ef_search=80)
    assert narrow.hits[-1].distance > edge
    assert sum(hit.distance <= edge for hit in found[1].hits) == K
    assert "calibrate with real queries like this one" in str(found[2].promise)


def test_many_queries_take_what_each_needs(docs: Docs, conn: Conn) -> None:
    near, middle, far, reach = near_and_far(docs)
    measured(conn, reach)
    queries = [middle, near, far, middle]
    found = docs.index.search_many(conn, queries, k=K, recall=0.95)
    single = [docs.index.search(conn, query, k=K, recall=0.95) for query in queries]
    assert found == single
    assert [result.candidates for result in found] == [200, 20, 200, 200]


def test_without_a_connection_that_blocks(docs: Docs) -> None:
    near, middle, far, reach = near_and_far(docs)
    measured(docs.conn, reach)

    async def ask() -> list[Any]:
        async with await AsyncConnection.connect(docs.url, autocommit=True) as conn:
            one = [
                await docs.index.search_async(conn, query, k=K, recall=0.95)
                for query in (near, middle, far)
            ]
            many = await docs.index.search_many_async(
                conn, [near, middle, far], k=K, recall=0.95
            )
            assert one == many
            return one

    try:
        found = asyncio.run(ask())
        assert [result.candidates for result in found] == [20, 200, 200]
    finally:
        docs.conn.execute("delete from mrl._calibrations")


def test_a_width_of_the_caller_is_taken_for_all(docs: Docs, conn: Conn) -> None:
    near, middle, _, reach = near_and_far(docs)
    measured(conn, reach)
    for query in (near, middle):
        result = docs.index.search(conn, query, k=K, recall=0.95, ef_search=300)
        assert result.promise is not None
        assert (result.promise.steps, result.ef_search) == ((), 300)


def test_sql_functions_do_the_same(docs: Docs, conn: Conn) -> None:
    near, middle, far, reach = near_and_far(docs)
    measured(conn, reach)
    # a new session does not know the settings
    docs.index.search(conn, near, k=K)
    before = current(conn)
    for query in (near, middle, far):
        here = docs.index.search(conn, query, k=K, recall=0.95)
        assert ids(conn, query, k=K, recall=0.95) == here.keys
        call = sql.SQL(
            "select key, distance from mrl.search_keys(null::bigint, 'docs',"
            " 'embedding', {}, k => 10, recall => 0.95)"
        ).format(sql.Literal(text(query)))
        assert [key for key, _ in conn.execute(call)] == here.keys
    many = sql.SQL(
        "select query, (hit).id from mrl.search_many(null::docs, 'embedding',"
        " {}::vector[], k => 10, recall => 0.95) order by query, distance, 2"
    ).format(sql.Literal([text(query) for query in (middle, near, far)]))
    answers: dict[int, list[int]] = {}
    for number, key in conn.execute(many):
        answers.setdefault(number, []).append(key)
    for number, query in enumerate((middle, near, far), 1):
        assert answers[number] == docs.index.search(conn, query, k=K, recall=0.95).keys
    assert current(conn) == before
    # each try is a search by the index
    for form in ("rows", "keys", "batch"):
        root = planned(conn, form, [near], recall=0.95)
        assert ordered(root) == [NAME]


def statement(conn: Conn, query: Any, attempt: int) -> tuple[str, bool]:
    """The statement of a try of mrl.search, and whether another may follow."""
    call = (
        "select statement, guarded from mrl._plan('rows', array[%s]::vector[],"
        " jsonb_build_object('table_id', 'docs'::regclass::oid, 'full_column',"
        " 'embedding', 'k', 10, 'exact', false, 'recall', 0.95, 'attempt', %s::int))"
    )
    ((said, guarded),) = conn.execute(call.encode(), [text(query), attempt]).fetchall()
    return said, guarded


def test_the_last_step_takes_any_distance(docs: Docs, conn: Conn) -> None:
    near, _, _, reach = near_and_far(docs)
    measured(conn, reach)
    first, second, third = (statement(conn, near, attempt) for attempt in (1, 2, 3))
    assert "limit 20\n" in first[0] and "mrl_near" in first[0] and first[1]
    assert "limit 200\n" in second[0] and "mrl_near" not in second[0] and second[1]
    # as without a recall, an iterative scan if too few candidates came
    assert "limit 200\n" in third[0] and not third[1]


def made_up(rng: np.random.Generator, chooses: bool) -> list[dict[str, Any]]:
    """Searches that find more, and miss less at each distance, the wider they are.

    Some of them do not read every candidate, if `chooses`.
    """
    points = []
    recall, missed = 0.8, np.sort(rng.uniform(0.05, 0.4, 21))
    for place in range(int(rng.integers(1, 7))):
        recall += (1 - recall) * rng.uniform(0, 0.7)
        missed = np.sort(missed * rng.uniform(0.2, 1, 21))
        candidates = int(10 * 2 ** (place / 2))
        some = chooses and place and rng.uniform() < 0.5
        points.append(
            {
                "candidates": candidates,
                "rerank": int(rng.integers(10, candidates + 1)) if some else None,
                "recall": float(recall),
                "low": float(recall - rng.uniform(0, 0.01)),
                "ms": float(place + 1),
                "misses": [float(share) for share in missed],
            }
        )
    return points


def reads(step: PromiseStep) -> int:
    """How many rows a search reads in full."""
    return step.rerank or step.candidates


@pytest.mark.parametrize("seed", range(10))
def test_python_and_the_server_agree(docs: Docs, conn: Conn, seed: int) -> None:
    basis: Basis = "outside" if seed % 3 == 2 else "rows"
    rng = np.random.default_rng(seed)
    reach = [float(edge) for edge in np.sort(rng.uniform(0.2, 0.9, 21))]
    points = made_up(rng, seed >= 6)
    rng.shuffle(points)
    for place, point in enumerate(points if seed >= 8 else ()):
        # what takes longest need not be the widest
        point["ms"] = float(place + 1)
    for point in points:
        put(conn, basis=basis, reach=reach, **point)
    exact_ms = float(rng.uniform(1, 6))
    put(conn, None, 1, 1, exact_ms, basis=basis, reach=reach)
    exact = CalibrationPoint(None, None, 1, 1, exact_ms, exact_ms)
    calibration = Calibration(
        docs.index,
        K,
        (
            *(
                CalibrationPoint(
                    point["candidates"],
                    point["candidates"],
                    point["recall"],
                    point["low"],
                    point["ms"],
                    point["ms"],
                    misses=tuple(point["misses"]),
                    rerank=point["rerank"],
                )
                for point in points
            ),
            exact,
        ),
        share=1,
        queries=500,
        rows=2000,
        basis=basis,
        reach=tuple(reach),
    )
    at_distance: list[dict[int, tuple[int, ...]]] = []
    rerank: int | None
    for recall in np.linspace(0.6, 0.999, 25):
        recall = float(recall)
        ((*columns, standing, candidates, rerank),) = conn.execute(
            CALL, [NAME, recall]
        ).fetchall()
        taken = calibration.cheapest(recall)
        steps = calibration.steps(recall)
        if candidates is None:
            assert taken is not None and taken.candidates is None
            continue
        there = zip(*[column or () for column in columns], strict=True)
        assert [PromiseStep(*values) for values in there] == list(steps)
        if steps:
            assert standing == "rows" and taken is not None
            assert (taken.candidates, taken.rerank) == (candidates, rerank)
            for one_step, next_step in pairwise(steps):
                assert one_step.up_to < next_step.up_to
                assert one_step.ef_search <= next_step.ef_search
                assert reads(one_step) <= reads(next_step)
            at_distance.append(
                {
                    place: (reads(step), step.ef_search)
                    for place, edge in enumerate(reach[16:])
                    for step in reversed(steps)
                    if edge <= step.up_to
                }
            )
    # more recall never takes a weaker search, however far away the answer is
    for less, more in pairwise(at_distance):
        for place, search in more.items():
            assert all(a <= b for a, b in zip(less[place], search, strict=True))


def test_means_rise_with_the_distance(conn: Conn) -> None:
    numbers = ", ".join(["%s::float8[]"] * 4)
    call = f"select mrl._rising_misses({numbers})"

    def ask(far: Any, missed: Any, asked: Any, weights: Any = None) -> list[float]:
        values = [[float(x) for x in part] for part in (far, missed)]
        weights = [1.0] * len(values[0]) if weights is None else weights
        found: list[float] = one(
            conn, call, *values, weights, [float(x) for x in asked]
        )
        return found

    rng = np.random.default_rng(3)
    far = rng.permutation(np.linspace(0.1, 0.9, 300))
    missed = np.clip(far - 0.4 + rng.normal(0, 0.2, 300), 0, 1)
    found = ask(far, missed, np.sort(far))
    assert all(less <= more + 1e-12 for less, more in pairwise(found))
    # pooling keeps the mean, and each group its own
    assert np.mean(found) == pytest.approx(missed.mean())
    order = np.argsort(far)
    for value in set(found):
        group = [x for x, own in zip(missed[order], found, strict=True) if own == value]
        assert len(group) >= 5
        assert np.mean(group) == pytest.approx(value)
    # that rise already, ten a distance
    steps = np.repeat([0.1, 0.2, 0.3], 10)
    assert ask(steps, np.repeat([0, 0.1, 0.4], 10), [0.1, 0.15, 0.2, 0.3, 0.5]) == (
        pytest.approx([0, 0.1, 0.1, 0.4, 0.4])
    )
    # the last few count with those before them, and by weight
    assert ask([0.1, 0.2], [0, 1], [0.1, 0.2], [10, 1]) == pytest.approx([1 / 11] * 2)
    assert ask([0.1, 0.2], [0.5, 0], [0.1], [30, 10]) == pytest.approx([0.375])


def test_a_calibration_on_rows_says_what_they_miss_at_which_distance(
    docs: Docs, conn: Conn
) -> None:
    made = docs.index.calibrate(conn, k=K, sample=300)
    assert len(made.reach) == 21
    assert all(less <= more for less, more in pairwise(made.reach))
    walked = [point for point in made.points if point.candidates is not None]
    for point in walked:
        assert len(point.misses) == 21
        assert all(less <= more + 1e-12 for less, more in pairwise(point.misses))
        # the means of groups of queries lie around the mean of all
        assert point.misses[0] <= 1 - point.recall + 1e-9 <= point.misses[-1] + 2e-9
    # wider searches miss no more in the mean
    assert walked[-1].misses[20] <= walked[0].misses[20]


@pytest.mark.parametrize("basis", ["rows", "outside"])
def test_with_a_filter(docs: Docs, conn: Conn, basis: str) -> None:
    """Steps are for the filter that was measured, however it is written."""
    near, middle, far, reach = near_and_far(docs)
    # a connection remembers what it was promised for a recall
    recall = 0.93 if basis == "rows" else 0.931
    narrow = [*[0.0] * 17, *[0.5] * 4]
    for candidates, misses in ((20, narrow), (200, [0] * 21)):
        put(
            conn,
            candidates,
            0.98 + candidates / 1e5,
            0.975,
            candidates,
            filter='"id" > 0',
            basis=basis,
            misses=misses,
            reach=reach,
        )
    for condition in ('"id" > 0', sql.SQL("{} > 0").format(sql.Identifier("id"))):
        found = [
            docs.index.search(conn, query, k=K, recall=recall, filter=condition)
            for query in (near, middle)
        ]
        assert [result.candidates for result in found] == [20, 200]
        assert found[1].keys == docs.index.search(conn, middle, exact=True).keys
        assert all(len(result) == K for result in found)
        assert {result.scan for result in found} == {"iterative"}
    assert ids(conn, middle, recall=recall, filter='"id" > 0') == found[1].keys
    beyond = docs.index.search(conn, far, k=K, recall=recall, filter='"id" > 0')
    assert beyond.promise is not None and beyond.promise.standing == "beyond"


def test_other_standings_have_no_steps(docs: Docs, conn: Conn) -> None:
    _, middle, _, reach = near_and_far(docs)
    narrow = [*[0.0] * 17, *[0.5] * 4]
    # a connection remembers what it was promised for a recall
    for basis, recall in (("queries", 0.8), ("distances", 0.81)):
        put(conn, 20, 0.98, 0.975, 1.0, basis=basis, misses=narrow, reach=reach)
        result = docs.index.search(conn, middle, k=K, recall=recall)
        assert result.promise is not None and result.promise.steps == ()
        assert result.candidates == 20
        conn.execute("delete from mrl._calibrations")
    # nor has what was measured for more answers, because those are farther away
    put(conn, 20, 0.99, 0.985, 1.0, k=20, basis="rows", misses=narrow, reach=reach)
    result = docs.index.search(conn, middle, k=K, recall=0.82)
    assert result.promise is not None and result.promise.steps == ()
