"""Searches of a table that Citus spreads: what is sent, and that it finds the rows.

There is no Citus here. A catalog like that of Citus says that the table has shards, and
the statements run on the plain table, as they would on each shard.
"""

import asyncio
from typing import Any

import psycopg
import pytest
from psycopg import AsyncConnection
from support.citus import distribute, make_catalog
from support.databases import Conn
from support.plans import explain, force_index, indexes, nodes
from support.tables import Docs, docs_fixture
from support.vectors import assert_true, nearest, recall
from support.verbs import sent

from mrl_pg import MatryoshkaColumn, MatryoshkaIndex, SearchResult, SpreadTable
from mrl_pg.errors import InvalidFilter
from mrl_pg.exchange import Find
from mrl_pg.search.find import find
from mrl_pg.search.options import SearchOptions


def prepare(conn: Conn) -> None:
    make_catalog(conn)
    # a session knows a setting once somebody has set it, or its library is loaded
    conn.execute("select '[1]'::vector <-> '[1]'")
    conn.execute("set citus.propagate_set_commands = 'none'")


docs = docs_fixture(prepare=prepare)

SINGLE = [
    "set local citus.propagate_set_commands = 'local'",
    """set local "hnsw"."ef_search" = '40'""",
    """set local "hnsw"."iterative_scan" = 'off'""",
]
"""Before a search for 40 candidates in 8 shards."""

FILTERED = [
    "set local citus.propagate_set_commands = 'local'",
    """set local "hnsw"."ef_search" = '40'""",
    """set local "hnsw"."iterative_scan" = 'relaxed_order'""",
    """set local "hnsw"."max_scan_tuples" = '2500'""",
    """set local "hnsw"."scan_mem_multiplier" = '1'""",
]
"""The same with a filter: all shards together visit 20,000 rows."""


@pytest.fixture(autouse=True)
def spread(docs: Docs) -> None:
    distribute(docs.conn, "docs")


def of_passes(root: dict[str, Any]) -> list[str]:
    return [
        node["Index Name"]
        for node, _ in nodes(root)
        if node["Node Type"] == "Index Scan" and "Order By" in node
    ]


def settings(conn: Conn) -> list[Any]:
    names = ("hnsw.ef_search", "hnsw.iterative_scan", "citus.propagate_set_commands")
    return [
        conn.execute("select current_setting(%s, true)", [name]).fetchone()
        for name in names
    ]


def test_two_passes_answer_by_key(docs: Docs) -> None:
    recalls = []
    for query in docs.vectors[:20]:
        found = docs.index.search(docs.conn, query, candidates=40, columns=["title"])
        assert_true(found, docs.vectors, query)
        assert found[0]["title"] == f"title {found[0].key}"
        assert (found.shards, found.candidates, found.seen) == (8, 40, 40)
        assert (found.ef_search, found.scan, found.cut_short) == (40, "single", False)
        recalls.append(recall(found, nearest(docs.vectors, query, 10)))
    assert min(recalls) >= 0.8
    assert sum(recalls) / len(recalls) >= 0.95


def test_the_index_brings_keys_alone(docs: Docs) -> None:
    plan = docs.index.plan(docs.conn, docs.vectors[0], candidates=40)
    with docs.conn.transaction(force_rollback=True):
        force_index(docs.conn)
        root = explain(docs.conn, plan)
    assert of_passes(root) == [docs.index.name]
    assert indexes(root) == [docs.index.name, "docs_pkey"]
    text = plan.statement.decode()
    assert not any(word in text for word in ("ctid", "tableoid", "set_config"))
    first = text[: text.index("mrl_nearest")]
    assert '"id"' in first
    # the only vector of the first pass is that which orders its rows
    assert '"embedding"' not in first.replace('"embedding_32_halfvec"', "")
    assert (plan.shards, plan.prepared) == (8, False)
    assert list(plan.settings) == SINGLE


def test_settings_are_sent_one_by_one_and_undone(docs: Docs) -> None:
    before = settings(docs.conn)
    verb = find(docs.conn, docs.index, docs.vectors[0], SearchOptions(candidates=40))
    with docs.conn.transaction():
        docs.conn.execute("set local hnsw.ef_search = 77")
        in_mine = settings(docs.conn)
        texts = sent(docs.conn, verb)
        assert settings(docs.conn) == in_mine
    begun = texts.index("BeginTransaction")
    assert texts[begun + 1 : begun + 4] == SINGLE
    # then the stamp, of the machine that was asked alone
    assert texts[begun + 4 :] == ["Find", "EndTransaction", "Find"]
    assert settings(docs.conn) == before


def test_a_search_leaves_no_transaction_and_no_setting(docs: Docs) -> None:
    before = settings(docs.conn)
    with psycopg.connect(docs.url, autocommit=False) as conn:
        conn.execute("set hnsw.ef_search = 55")
        conn.commit()
        found = docs.index.search(conn, docs.vectors[0], candidates=40)
        assert found.ef_search == 40
        assert settings(conn)[0] == ("55",)
    docs.index.search(docs.conn, docs.vectors[0], candidates=40)
    assert docs.conn.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    assert settings(docs.conn) == before


def test_a_transaction_that_only_reads(docs: Docs) -> None:
    with docs.conn.transaction():
        docs.conn.execute("set transaction read only")
        assert len(docs.index.search(docs.conn, docs.vectors[0])) == 10


def test_too_few_candidates_are_completed(docs: Docs) -> None:
    # here all rows are on one shard, which passes on 40 of 160 at first
    found = docs.index.search(docs.conn, docs.vectors[0])
    assert (found.seen, found.scan, found.cut_short) == (160, "iterative", False)
    assert found.keys == nearest(docs.vectors, docs.vectors[0], 10)


@pytest.mark.parametrize(
    ("filter", "params"),
    [
        ("n < %s", [50]),
        ("n < %(most)s", {"most": 50}),
        ("n < 50", None),
    ],
)
def test_a_filter_holds_for_both_passes(docs: Docs, filter: str, params: Any) -> None:
    query = docs.vectors[0]
    found = docs.index.search(docs.conn, query, filter=filter, params=params)
    exact = docs.index.search(
        docs.conn, query, filter=filter, params=params, exact=True
    )
    assert (found.shards, found.filtered, found.ef_search) == (8, True, 40)
    assert recall(found, exact.keys) >= 0.9
    assert all(key % 100 < 50 for key in found.keys)
    plan = docs.index.plan(docs.conn, query, filter=filter, params=params)
    assert list(plan.settings) == FILTERED
    assert plan.statement.count(b"n < ") == 2
    with docs.conn.transaction(force_rollback=True):
        force_index(docs.conn)
        assert docs.index.name in of_passes(explain(docs.conn, plan))


def test_a_value_of_the_distribution_column_asks_one_shard(docs: Docs) -> None:
    distribute(docs.conn, "docs", "n")
    query = docs.vectors[0]
    found = docs.index.search(docs.conn, query, filter="n = %s", params=[1])
    assert (found.shards, found.ef_search, found.candidates) == (1, 160, 160)
    exact = docs.index.search(docs.conn, query, filter="n = %s", params=[1], exact=True)
    assert exact.shards == 1
    assert found.keys == exact.keys
    # the key does not say on which shard a row is, so near rows may be on one
    assert docs.index.search(docs.conn, query).ef_search == 80


def test_a_reference_table_has_one_shard(docs: Docs) -> None:
    distribute(docs.conn, "docs", None)
    found = docs.index.search(docs.conn, docs.vectors[0])
    assert (found.shards, found.ef_search, found.scan) == (1, 160, "single")
    assert found.keys == nearest(docs.vectors, docs.vectors[0], 10)


def test_an_exact_search_uses_no_index_of_vectors(docs: Docs) -> None:
    query = docs.vectors[0]
    found = docs.index.search(docs.conn, query, exact=True)
    assert found.keys == nearest(docs.vectors, query, 10)
    assert (found.shards, found.candidates, found.ef_search) == (8, None, None)
    plan = docs.index.plan(docs.conn, query, exact=True)
    assert plan.settings == ()
    assert indexes(explain(docs.conn, plan)) == []
    nothing = docs.index.search(docs.conn, query, exact=True, filter="n = 1000")
    assert nothing.keys == []


def test_many_queries_in_one_round_trip(docs: Docs) -> None:
    queries = docs.vectors[:5]
    many = docs.index.search_many(docs.conn, queries, filter="n < %s", params=[50])
    one = [
        docs.index.search(docs.conn, query, filter="n < %s", params=[50])
        for query in queries
    ]
    assert [each.keys for each in many] == [each.keys for each in one]
    assert settings(docs.conn)[0] == (None,) or settings(docs.conn)[0] == ("40",)


def test_mmr_chooses_among_rows_of_all_shards(docs: Docs) -> None:
    found = docs.index.search_mmr(docs.conn, docs.vectors[0], diversity=0)
    assert found.keys == nearest(docs.vectors, docs.vectors[0], 10)


def test_async(docs: Docs) -> None:
    async def search() -> list[SearchResult]:
        connect = AsyncConnection.connect(docs.url, autocommit=True)
        async with await connect as conn:
            one = await docs.index.search_async(conn, docs.vectors[0], candidates=40)
            two = docs.vectors[:2]
            return [one, *await docs.index.search_many_async(conn, two, candidates=40)]

    one, first, _ = asyncio.run(search())
    assert one.shards == 8
    assert first.keys == one.keys == nearest(docs.vectors, docs.vectors[0], 10)


def test_a_column_is_searched_by_the_index_in_use(docs: Docs) -> None:
    column = MatryoshkaColumn("docs", "embedding")
    found = column.search(docs.conn, docs.vectors[0], candidates=40)
    assert found.shards == 8
    assert (
        found.keys == docs.index.search(docs.conn, docs.vectors[0], candidates=40).keys
    )


def test_the_next_search_notices_that_the_table_was_distributed(docs: Docs) -> None:
    with psycopg.connect(docs.url, autocommit=True) as conn:
        conn.execute("delete from pg_catalog.pg_dist_partition")
        assert docs.index.search(conn, docs.vectors[0]).shards is None
        distribute(conn, "docs", shards=4)
        assert docs.index.search(conn, docs.vectors[0]).shards == 4
        distribute(conn, "docs", shards=16)
        assert docs.index.search(conn, docs.vectors[0]).shards == 16


def test_a_local_table_in_a_database_with_citus_is_searched_as_ever(
    docs: Docs,
) -> None:
    docs.conn.execute("delete from pg_catalog.pg_dist_partition")
    plan = docs.index.plan(docs.conn, docs.vectors[0])
    assert b"mrl_before" in plan.statement
    assert (plan.shards, plan.settings) == (None, ())
    found = docs.index.search(docs.conn, docs.vectors[0])
    assert found.keys == nearest(docs.vectors, docs.vectors[0], 10)


def test_what_shards_cannot_do_is_refused(docs: Docs) -> None:
    with pytest.raises(SpreadTable, match="8 shards: recall= needs a calibration"):
        docs.index.search(docs.conn, docs.vectors[0], recall=0.95)
    with pytest.raises(SpreadTable, match="words cannot rank"):
        docs.index.hybrid(docs.conn, docs.vectors[0], "title", text="title")
    with pytest.raises(SpreadTable, match="words cannot rank"):
        docs.index.search_words(docs.conn, "title", text="title")


def test_a_filter_with_an_error_is_quoted(docs: Docs) -> None:
    with pytest.raises(InvalidFilter, match="no_such_column"):
        docs.index.search(docs.conn, docs.vectors[0], filter="no_such_column = 1")


def test_keys_of_two_columns(docs: Docs) -> None:
    conn, index = docs.conn, MatryoshkaIndex("pairs", "embedding", dims=32)
    conn.execute(
        "create table pairs (tenant int, id bigint, embedding vector(64),"
        " primary key (tenant, id));"
        "insert into pairs select n, id, embedding from docs"
    )
    index.create(conn)
    conn.execute("analyze pairs")
    distribute(conn, "pairs", "tenant")
    query = docs.vectors[0]
    found = index.search(conn, query, filter="tenant = 1 and id > 0")
    assert (found.shards, found.keys[0]) == (1, (1, 1))
    wanted = [id for id in nearest(docs.vectors, query, 2000) if id % 100 == 1][:10]
    assert found.keys == [(1, id) for id in wanted]
    plan = index.plan(conn, query, candidates=40)
    with conn.transaction(force_rollback=True):
        force_index(conn)
        root = explain(conn, plan)
    assert indexes(root) == [index.name, "pairs_pkey"]


def test_a_find_is_sent_with_its_values_twice(docs: Docs) -> None:
    plan = docs.index.plan(
        docs.conn, docs.vectors[0], filter="n < %s and n > %s", params=[50, 3]
    )
    sent = plan.sent
    assert isinstance(sent, list)
    assert [sent[:2], sent[4:]] == [[50, 3], [50, 3]]
    assert Find(plan.statement, sent, False).prepare is False


def test_without_citus_nothing_more_is_sent(conn: Conn) -> None:
    conn.execute(
        "create table plain (id bigint primary key, embedding vector(64));"
        "insert into plain select 1, array_fill(1, array[64])::vector"
    )
    index = MatryoshkaIndex("plain", "embedding", dims=32)
    index.create(conn)
    verb = find(conn, index, [1.0] * 64, SearchOptions(k=1))
    texts = sent(conn, verb)
    assert not any("from pg_catalog.pg_dist" in text for text in texts)
    # facts: the server, the table, its rotations; the search and what is left
    assert texts[3:] == ["Find", "Find"]


def test_each_of_eight_shards_passes_on_a_part(docs: Docs) -> None:
    # partitions stand in for shards: their rows, too, are merged in order
    conn, index = docs.conn, MatryoshkaIndex("parts", "embedding", dims=32)
    conn.execute(
        "create table parts (id bigint primary key, embedding vector(64))"
        " partition by hash (id)"
    )
    for number in range(8):
        conn.execute(
            f"create table parts_{number} partition of parts for values"
            f" with (modulus 8, remainder {number})"
        )
    conn.execute("insert into parts select id, embedding from docs")
    index.create(conn)
    conn.execute("analyze parts")
    distribute(conn, "parts")
    queries = docs.vectors[:20]
    recalls = []
    for query, found in zip(queries, index.search_many(conn, queries), strict=True):
        assert (found.shards, found.ef_search, found.scan) == (8, 40, "single")
        assert (found.candidates, found.seen, found.cut_short) == (160, 160, False)
        assert_true(found, docs.vectors, query)
        recalls.append(recall(found, nearest(docs.vectors, query, 10)))
    assert sum(recalls) / len(recalls) >= 0.98
    with conn.transaction(force_rollback=True):
        force_index(conn)
        root = explain(conn, index.plan(conn, queries[0]))
    assert len(set(of_passes(root))) == 8
