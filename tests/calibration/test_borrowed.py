"""A recall with a filter that was not measured: how far away the answer is decides."""

import asyncio
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from psycopg import AsyncConnection
from support.calibrations import NAME, put
from support.databases import Conn
from support.plans import explain, first_pass, force_index
from support.sql_calls import ids, many
from support.sql_plans import ordered, planned
from support.sql_state import notices
from support.tables import Docs, docs_fixture
from support.vectors import distances

K = 10
FILTER = "n < 70"
CALL = (
    "select standing, candidates, step_distances, step_candidates, step_ef_searches"
    " from mrl._promised('docs'::regclass, %s, 10, %s, true, %s, 'n < 70', by_distance"
    " => true)"
)
"""With a share of the rows."""

docs = docs_fixture(prepare=force_index)


@pytest.fixture
def conn(docs: Docs) -> Iterator[Conn]:
    """The table, with nothing calibrated; what a test puts there goes again."""
    with docs.conn.transaction(force_rollback=True):
        yield docs.conn


def measured(
    conn: Conn, reach: Any, *, narrow: int = 20, wide: int = 200, **filter: Any
) -> None:
    """A narrow search is enough near by, a wide search for all of the reach."""
    near_by = [*[0.0] * 17, *[0.5] * 4]
    put(conn, narrow, 0.98, 0.975, 1.0, misses=near_by, reach=reach, **filter)
    put(conn, wide, 0.99, 0.985, 2.0, misses=[0] * 21, reach=reach, **filter)


def passing(docs: Docs) -> Any:
    """Which rows pass the filter."""
    return np.arange(1, len(docs.vectors) + 1) % 100 < 70


def near_and_far(docs: Docs) -> tuple[list[Any], Any]:
    """Three queries, nearer and farther from what passes, and 21 distances.

    The first is nearer than four fifths, the second than all, the third than none.
    """
    rng = np.random.default_rng(5)

    def kth(query: Any) -> float:
        far = distances(docs.vectors, query, "cosine")[passing(docs)]
        return float(np.sort(far)[K - 1])

    queries = rng.standard_normal((40, docs.vectors.shape[1]))
    queries = np.array(sorted(queries, key=kth))
    low, high = kth(queries[15]), kth(queries[30])
    reach = [*np.linspace(0, low, 17), *np.linspace(low, high, 5)[1:]]
    return [queries[place] for place in (0, 25, 39)], reach


def both_measured(conn: Conn, reach: Any) -> None:
    """Without a filter, and with a more selective one."""
    measured(conn, reach)
    measured(conn, reach, filter="n < 40", share=0.4, narrow=30, wide=150)


def test_answers_are_expected_between_those_of_both_sides(conn: Conn) -> None:
    reach = np.linspace(0.1, 0.5, 21)
    measured(conn, reach)
    measured(conn, reach + 0.2, filter="n < 25", share=0.25, narrow=30, wide=150)
    for share, farther in ((1, 0.0), (0.5, 0.1), (0.25, 0.2), (0.2, 0.2)):
        (row,) = conn.execute(CALL, [NAME, 0.9, share])
        standing, candidates, far, most, width = row
        assert standing == "borrowed"
        # of both sides the safer; beside one within a quarter, that one
        assert candidates == {1: 20, 0.5: 30}.get(share, 30)
        wide = {1: 200, 0.5: 200}.get(share, 150)
        assert (most, width) == ([candidates, wide], [80, wide])
        edges = [reach[16] + farther, reach[20] + farther]
        assert far == pytest.approx([edge + 1e-5 for edge in edges])
    # as near as the nearer of two filters that are as selective
    measured(conn, reach + 0.15, filter="n > 74", share=0.25)
    (row,) = conn.execute(CALL, [NAME, 0.9, 0.25])
    assert row[2][-1] == pytest.approx(reach[20] + 0.15 + 1e-5)


def test_without_distances_nothing_is_promised(conn: Conn) -> None:
    measured(conn, None)
    measured(conn, None, filter="n < 40", share=0.4)
    asked = (
        "select standing, words from mrl._promised('docs'::regclass, %s, %s, 0.9,"
        " true, %s"
    )
    said = "not sure, because it was measured with another filter, whose answers may"
    for k in (10, 4):
        for end in (")", ", by_distance => true)"):
            (row,) = conn.execute((asked + end).encode(), [NAME, k, 0.7])
            assert row[0] == "unreached" and row[1].startswith(said)
    reach = np.linspace(0.1, 0.5, 21).tolist()
    conn.execute("update mrl._calibrations set reach = %s", [reach])
    for k, standing in ((10, "borrowed"), (4, "unreached")):
        (row,) = conn.execute(f"{asked}, by_distance => true)".encode(), [NAME, k, 0.7])
        assert row[0] == standing
    # who cannot look, and who does not know how many rows pass
    for end, share in ((")", 0.7), (", by_distance => true)", None)):
        (row,) = conn.execute((asked + end).encode(), [NAME, 10, share])
        assert row[0] == "unreached" and row[1].startswith(said)
    # more rows pass than with any filter that was measured
    conn.execute("delete from mrl._calibrations where filter = ''")
    for share, standing in ((0.49, "borrowed"), (0.6, "unreached")):
        (row,) = conn.execute(
            f"{asked}, by_distance => true)".encode(), [NAME, 10, share]
        )
        assert row[0] == standing


def test_more_recall_never_takes_a_weaker_search(conn: Conn) -> None:
    rng = np.random.default_rng(8)
    reach = np.linspace(0.1, 0.5, 21)
    for filter, share in (("", 1.0), ("n < 40", 0.4)):
        recall, missed = 0.9, np.sort(rng.uniform(0.05, 0.3, 21))
        for place in range(6):
            recall += (1 - recall) * rng.uniform(0.2, 0.7)
            missed = np.sort(missed * rng.uniform(0.2, 0.7, 21))
            count = int(rng.integers(10, 40)) * 2**place
            put(
                *(conn, count, recall, recall - 0.003, place + 1.0),
                filter=filter,
                share=share,
                basis="rows",
                misses=missed.tolist(),
                reach=reach.tolist(),
            )
    before = [(0, 0)] * 5
    for recall in np.linspace(0.5, 0.99, 30):
        (row,) = conn.execute(CALL, [NAME, float(recall), 0.7])
        if row[0] != "borrowed":
            continue
        steps = [*zip(*row[2:], strict=True)]
        now = [
            next(((a, b) for up_to, a, b in steps if edge <= up_to), None)
            for edge in reach[16:]
        ]
        for less, more in zip(before, now, strict=True):
            assert more is None or (less[0] <= more[0] and less[1] <= more[1])
        before = [more or less for less, more in zip(before, now, strict=True)]
    assert before[0] > (0, 0)


def test_the_answer_decides_how_hard_to_search(docs: Docs, conn: Conn) -> None:
    queries, reach = near_and_far(docs)
    both_measured(conn, reach)
    asked: dict[str, Any] = {"k": K, "recall": 0.9, "filter": FILTER}
    plan = docs.index.plan(conn, queries[0], **asked)
    assert first_pass(explain(conn, plan)) == [NAME]
    found = [docs.index.search(conn, query, **asked) for query in queries]
    assert [result.candidates for result in found] == [30, 200, 200]
    standings = [result.promise.standing for result in found if result.promise]
    assert standings == ["borrowed", "borrowed", "beyond"]
    for result in found:
        assert str(result.promise).endswith("; calibrate with this filter")
    assert docs.index.search_many(conn, queries, **asked) == found
    for query, result in zip(queries, found, strict=True):
        far = distances(docs.vectors, query, "cosine")
        far[~passing(docs)] = np.inf
        right = [int(place) + 1 for place in np.argsort(far)[:K]]
        again = docs.index.search(
            conn,
            query,
            candidates=result.candidates,
            ef_search=result.ef_search,
            filter=FILTER,
        )
        assert again.hits == result.hits
        if result.candidates == 200:
            assert result.keys == right
    with notices(conn) as told:
        for query, result in zip(queries, found, strict=True):
            assert ids(conn, query, recall=0.9, filter=FILTER) == result.keys
            answers = many(conn, [query], recall=0.9, filter=FILTER)[0]
            assert [key for key, _ in answers] == result.keys
    assert "with another filter about as selective" in told[0]
    assert told[0].endswith(f"; for an answer at most {reach[20]:.4f} away")
    for form in ("rows", "keys", "batch"):
        root = planned(conn, form, queries[:1], recall=0.9, filter=FILTER)
        assert ordered(root) == [NAME]
    # a width that the caller gives is taken for all, and nobody looks
    width = docs.index.search(conn, queries[0], ef_search=300, **asked)
    assert width.promise is not None and width.promise.standing == "unreached"
    assert "calibrate with this filter" in str(width.promise)


def test_without_a_connection_that_blocks(docs: Docs) -> None:
    queries, reach = near_and_far(docs)
    both_measured(docs.conn, reach)

    async def ask() -> list[Any]:
        asked: dict[str, Any] = {"k": K, "recall": 0.9, "filter": FILTER}
        async with await AsyncConnection.connect(docs.url, autocommit=True) as conn:
            found = [
                await docs.index.search_async(conn, query, **asked) for query in queries
            ]
            assert found == await docs.index.search_many_async(conn, queries, **asked)
            return found

    try:
        standings = [result.promise.standing for result in asyncio.run(ask())]
        assert standings == ["borrowed", "borrowed", "beyond"]
    finally:
        docs.conn.execute("delete from mrl._calibrations")
