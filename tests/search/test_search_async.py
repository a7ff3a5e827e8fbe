"""Asynchronous searches answer what the others do; so do batches."""

import asyncio
from typing import Any

import numpy as np
import pytest
from psycopg import AsyncConnection
from psycopg.rows import dict_row
from support.plans import explain, first_pass, force_index
from support.tables import Docs, docs_fixture
from support.vectors import matryoshka, nearest

from mrl_pg import SearchResult
from mrl_pg.errors import IndexNotFound, InvalidFilter, InvalidVector

SEARCHES: dict[str, dict[str, Any]] = {
    "plain": {},
    "columns": {"k": 3, "columns": ["title", "n"]},
    "mapping": {"filter": "n < %(n)s", "params": {"n": 3}},
    "sequence": {"filter": "n < %s", "params": [3], "k": 5},
    "iterative": {"candidates": 1500, "k": 1200},
    "more than there are": {"candidates": 3000, "k": 2500},
    "none": {"filter": "id < 0"},
    "cut short": {"filter": "n < 1", "max_scan_tuples": 1, "ef_search": 160},
    "exact": {"exact": True, "k": 20},
}
every_search = pytest.mark.parametrize("name", SEARCHES)


docs = docs_fixture(prepare=force_index)


@pytest.fixture(scope="module")
def queries() -> np.ndarray[Any, Any]:
    return matryoshka(20, seed=9)


@every_search
def test_async_searches_answer_the_same(
    docs: Docs, queries: np.ndarray[Any, Any], name: str
) -> None:
    arguments = SEARCHES[name]

    async def ask() -> tuple[list[SearchResult], list[SearchResult]]:
        async with await AsyncConnection.connect(
            docs.url, row_factory=dict_row
        ) as conn:
            for setting in ("enable_seqscan", "enable_bitmapscan", "enable_sort"):
                await conn.execute(f"set {setting} = off")
            plan = await docs.index.plan_async(conn, queries[0], **arguments)
            assert plan == docs.index.plan(docs.conn, queries[0], **arguments)
            if not arguments.get("exact"):
                assert first_pass(explain(docs.conn, plan)) in ([docs.index.name], [])
            one = [
                await docs.index.search_async(conn, query, **arguments)
                for query in queries
            ]
            many = await docs.index.search_many_async(conn, queries, **arguments)
            cursor = await conn.execute(
                "select current_setting('hnsw.ef_search') as ef"
            )
            assert await cursor.fetchone() == {"ef": "40"}
            return one, many

    one, many = asyncio.run(ask())
    assert one == [docs.index.search(docs.conn, q, **arguments) for q in queries]
    assert many == one


def test_async_inside_a_pipeline(docs: Docs, queries: np.ndarray[Any, Any]) -> None:
    async def ask() -> list[SearchResult]:
        async with (
            await AsyncConnection.connect(docs.url, autocommit=True) as conn,
            conn.pipeline(),
        ):
            one = await docs.index.search_async(conn, queries[0])
            return [one, *await docs.index.search_many_async(conn, queries[:2])]

    one, *many = asyncio.run(ask())
    assert one == many[0] == docs.index.search(docs.conn, queries[0])


@every_search
def test_a_batch_answers_as_one_by_one(
    docs: Docs, queries: np.ndarray[Any, Any], name: str
) -> None:
    arguments = SEARCHES[name]
    many = docs.index.search_many(docs.conn, queries, **arguments)
    assert many == [docs.index.search(docs.conn, q, **arguments) for q in queries]
    assert docs.index.search_many(docs.conn, queries[:1], **arguments) == many[:1]
    as_lists = [query.tolist() for query in queries]
    assert docs.index.search_many(docs.conn, as_lists, **arguments) == many


def test_a_batch_uses_the_index(docs: Docs, queries: np.ndarray[Any, Any]) -> None:
    plan = docs.index.plan(docs.conn, queries[0])
    assert first_pass(explain(docs.conn, plan)) == [docs.index.name]


@pytest.mark.parametrize("nothing", [[], (), np.empty((0, 64))], ids=str)
def test_no_queries_no_answers(docs: Docs, nothing: Any) -> None:
    assert docs.index.search_many(docs.conn, nothing) == []

    async def ask() -> list[SearchResult]:
        async with await AsyncConnection.connect(docs.url) as conn:
            return await docs.index.search_many_async(conn, nothing)

    assert asyncio.run(ask()) == []


def test_a_batch_of_three_hundred(docs: Docs) -> None:
    batch = docs.vectors[:300]
    many = docs.index.search_many(docs.conn, batch, k=1)
    assert [found.keys for found in many] == [[i] for i in range(1, 301)]
    exact = docs.index.search_many(docs.conn, batch, k=3, exact=True)
    assert [found.keys for found in exact] == [
        nearest(docs.vectors, query, 3) for query in batch
    ]


def test_a_bad_query_stops_the_batch_before_it_is_sent(docs: Docs) -> None:
    batch = [docs.vectors[0], docs.vectors[1][:9]]
    with docs.conn.transaction(), pytest.raises(InvalidVector, match="9 dim"):
        docs.index.search_many(docs.conn, batch)
    with docs.conn.transaction():
        with pytest.raises(InvalidVector, match="zeros"):
            docs.index.search_many(docs.conn, [docs.vectors[0], np.zeros(64)])
        assert docs.index.search(docs.conn, docs.vectors[0], k=1).keys == [1]


def test_async_errors_are_typed_and_the_connection_lives(docs: Docs) -> None:
    missing = type(docs.index)("docs", "embedding", dims=16, name="nope")
    query = docs.vectors[0]

    async def ask() -> SearchResult:
        async with await AsyncConnection.connect(docs.url, autocommit=True) as conn:
            with pytest.raises(IndexNotFound, match="16"):
                await missing.search_async(conn, query)
            with pytest.raises(InvalidVector, match="64"):
                await docs.index.search_async(conn, query[:3])
            with pytest.raises(InvalidFilter, match="prize"):
                await docs.index.search_async(conn, query, filter="prize > 3")
            with pytest.raises(InvalidFilter, match="prize"):
                await docs.index.search_many_async(conn, [query], filter="prize > 3")
            return await docs.index.search_async(conn, query)

    assert asyncio.run(ask()).keys == docs.index.search(docs.conn, query).keys
