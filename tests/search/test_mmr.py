"""MMR: rows that are near a query and unlike each other."""

import asyncio
from typing import Any

import numpy as np
import psycopg
import pytest
from numpy.typing import NDArray
from pgvector.psycopg import register_vector
from support.databases import connect
from support.tables import Docs, docs_fixture
from support.vectors import distances, matryoshka

from mrl_pg import MatryoshkaColumn, SearchResult
from mrl_pg.errors import InvalidSetting, InvalidVector
from mrl_pg.kinds import Distance
from mrl_pg.search.mmr import mmr

docs = docs_fixture()
QUERY = matryoshka(1, seed=9)[0]


def naive(
    query: Any, vectors: Any, k: int, diversity: float, distance: Distance = "cosine"
) -> list[int]:
    """The definition, by two loops, with `lambda_mult` as in LangChain."""

    def likeness(left: Any, right: Any) -> float:
        if distance == "cosine":
            return float(left @ right / np.linalg.norm(left) / np.linalg.norm(right))
        if distance == "ip":
            return float(left @ right)
        return -float(np.linalg.norm(left - right))

    lambda_mult = 1 - diversity
    left = [*range(len(vectors))]
    chosen: list[int] = []
    while left and len(chosen) < k:
        scores = []
        for place in left:
            score = likeness(query, vectors[place])
            if chosen:
                redundant = max(likeness(vectors[place], vectors[i]) for i in chosen)
                score = lambda_mult * score - (1 - lambda_mult) * redundant
            scores.append(score)
        chosen.append(left.pop(int(np.argmax(scores))))
    return chosen


def wide(rows: int, seed: int) -> NDArray[np.float64]:
    vectors = matryoshka(rows, seed=seed).astype(np.float64)
    return vectors * np.random.default_rng(seed).uniform(0.5, 2, (rows, 1))


@pytest.mark.parametrize("distance", ["cosine", "l2", "ip"])
@pytest.mark.parametrize("diversity", [0, 0.3, 0.5, 1])
def test_it_is_the_definition(distance: Distance, diversity: float) -> None:
    for seed in range(3):
        vectors, query = wide(30, seed), wide(1, 50 + seed)[0]
        for k in (1, 7, 30, 99):
            found = mmr(query, vectors, k, diversity, distance)
            assert found == naive(
                query.astype(np.float32).astype(np.float64),
                vectors,
                k,
                diversity,
                distance,
            )
            assert len(set(found)) == len(found) == min(k, 30)


def test_equal_vectors_and_zeros() -> None:
    vectors = np.array([[1, 0], [1, 0], [0, 0], [0.9, 0.5]])
    assert mmr([1, 0], vectors, 4, diversity=0.7) == [0, 2, 3, 1]
    assert mmr([1, 0], vectors, 2, diversity=0) == [0, 1]
    assert mmr([1, 0], [], 2) == []


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([1, 0], [[1, 0]], 0), InvalidSetting, "k=0 is below 1"),
        (([1, 0], [[1, 0]], 1, 1.1), InvalidSetting, "diversity=1.1 is outside 0"),
        (([1, 0], [[1, 0]], 1, float("nan")), InvalidSetting, "outside 0"),
        (([1, 0], [[1, 0]], 1, "x"), InvalidSetting, "is not a number"),
        (([1, 0], [[1, 0]], 1, 0.5, "l1"), InvalidSetting, "distance='l1' is unknown"),
        (([1, 0], [[1, 0], [1]], 1), InvalidVector, "of one length"),
        (([1, 0], [1, 0], 1), InvalidVector, "of one length"),
        (([1, 0], [[1, float("nan")]], 1), InvalidVector, "finite"),
        (([1, 0], "text", 1), InvalidVector, "finite"),
        (([1, 0, 0], [[1, 0]], 1), InvalidVector, "3 dimensions"),
        (([0, 0], [[1, 0]], 1), InvalidVector, "all zeros"),
    ],
)
def test_bad_input_is_refused(
    arguments: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        mmr(*arguments)


def test_rows_of_a_table(docs: Docs) -> None:
    near = docs.index.search(docs.conn, QUERY, k=40, candidates=160)
    full = docs.vectors[[key - 1 for key in near.keys]].astype(np.float64)
    for diversity in (0, 0.5, 0.9):
        found = docs.index.search_mmr(
            docs.conn, QUERY, diversity=diversity, columns=["title"]
        )
        places = naive(QUERY.astype(np.float64), full, 10, diversity)
        assert found.keys == [near[place].key for place in places]
        far = distances(docs.vectors, QUERY, "cosine")
        for hit in found:
            assert hit.distance == pytest.approx(far[hit.key - 1], abs=1e-5)
            assert hit.columns == {"title": f"title {hit.key}"}
        assert (found.k, len(found), found.candidates) == (10, 10, 160)
    assert docs.index.search_mmr(docs.conn, QUERY, diversity=0).keys == near.keys[:10]
    few = docs.index.search_mmr(docs.conn, QUERY, k=3, fetch=5, filter="id < 100")
    assert len(few) == 3
    assert {*few.keys} <= {
        *docs.index.search(docs.conn, QUERY, k=5, filter="id < 100").keys
    }
    none = docs.index.search_mmr(docs.conn, QUERY, filter="false")
    assert (len(none), none.cut_short) == (0, False)


def test_whatever_the_caller_registered(docs: Docs) -> None:
    wanted = docs.index.search_mmr(docs.conn, QUERY, k=5)

    async def ask() -> list[SearchResult]:
        async with await psycopg.AsyncConnection.connect(docs.url) as conn:
            return [
                await docs.index.search_mmr_async(conn, QUERY, k=5),
                await MatryoshkaColumn("docs", "embedding").search_mmr_async(
                    conn, {"embedding": QUERY}, k=5
                ),
            ]

    with connect(docs.url) as conn:
        register_vector(conn)
        numbers = docs.index.search_mmr(conn, QUERY, k=5, columns=["embedding"])
    assert (
        numbers[0]["embedding"].to_list() == docs.vectors[numbers[0].key - 1].tolist()
    )
    assert [
        numbers.keys,
        *(found.keys for found in asyncio.run(ask())),
        docs.index.search_mmr(docs.conn, QUERY, k=5, exact=True, fetch=20).keys,
    ] == [wanted.keys] * 4
    assert wanted[0].columns == {}


def test_bad_options_are_refused(docs: Docs) -> None:
    for options, message in (
        ({"fetch": 9}, "fetch=9 is below k=10"),
        ({"fetch": 50, "candidates": 40}, "fetch=50 is above the 40 rows"),
        ({"fetch": 2.5}, "not a whole number"),
        ({"diversity": -1}, "diversity=-1 is outside"),
    ):
        with pytest.raises(InvalidSetting, match=message):
            docs.index.search_mmr(docs.conn, QUERY, **options)
    with pytest.raises(InvalidVector):
        docs.index.search_mmr(docs.conn, {"embedding": QUERY})
