"""Searches through PgBouncer in transaction mode: the same answers, no setting left."""

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import psycopg
import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding
from psycopg import AsyncConnection, RawCursor, errors, sql
from support.command import mrl_pg
from support.databases import Conn, Server, connect
from support.interfaces import INTERFACES, TABLES, Case, Library, open_library, truth
from support.missing import missing
from support.plans import explain, first_pass
from support.servers import POOLER, index_scans, pooler, pooler_version
from support.tables import Docs, fresh_docs
from support.vectors import matryoshka, nearest

from mrl_pg import MatryoshkaIndex
from mrl_pg.adapters.langchain import MatryoshkaVectorStore
from mrl_pg.tune import tune

PREPARED_SINCE = (1, 21)
"""First PgBouncer that keeps track of prepared statements."""

SESSION = {
    "hnsw.ef_search": "77",
    "hnsw.iterative_scan": "strict_order",
    "hnsw.max_scan_tuples": "12345",
    "hnsw.scan_mem_multiplier": "3",
}
"""What every server connection has; a search changes it and puts it back."""

QUERIES = matryoshka(3, seed=5)
TEXTS = [str(query.tolist()) for query in QUERIES]
K = 5
ROWS = "select id from mrl.search(null::docs, 'embedding', %s, k => 5)"
KEYS = "select key from mrl.search_keys(null::bigint, 'docs', 'embedding', %s, k => 5)"
MANY = (
    "select array_agg((hit).id order by distance)"
    " from mrl.search_many(null::docs, 'embedding', %s::vector[], k => 5)"
    " group by query order by query"
)

Keys: TypeAlias = list[int]


@pytest.fixture(scope="module")
def version() -> tuple[int, ...]:
    found = pooler_version()
    if found is None:
        missing(f"{POOLER} is not installed")
    return found


@pytest.fixture(scope="module")
def docs(
    version: tuple[int, ...],
    pg_server: Server,
) -> Iterator[Docs]:
    settings = {**SESSION, "enable_seqscan": "off", "enable_sort": "off"}
    with fresh_docs(pg_server) as docs:
        for name, value in settings.items():
            alter = sql.SQL("alter database {} set {} = {}").format(
                sql.Identifier(docs.conn.info.dbname), sql.SQL(name), value
            )
            docs.conn.execute(alter)
        with connect(docs.url) as conn:
            yield Docs(docs.url, conn, docs.vectors, docs.index)


@pytest.fixture(scope="module", params=[1, 2])
def pooled(
    request: pytest.FixtureRequest, version: tuple[int, ...], docs: Docs
) -> Iterator[str]:
    """Through a pooler that tracks prepared statements."""
    if version < PREPARED_SINCE:
        missing(f"{POOLER} {version} does not track prepared statements")
    with pooler(docs.url, size=request.param, prepared=100) as url:
        yield url


@pytest.fixture(scope="module")
def untracked(version: tuple[int, ...], docs: Docs) -> Iterator[str]:
    """Through a pooler that does not, with one server connection."""
    prepared = 0 if version >= PREPARED_SINCE else None
    with pooler(docs.url, size=1, prepared=prepared) as url:
        yield url


def ask(conn: Conn, index: MatryoshkaIndex, statement: str) -> dict[str, list[Keys]]:
    """Keys for each query, by every way to ask that there is."""

    def keys(asked: str, parameter: object) -> Keys:
        return [row[0] for row in conn.execute(asked, [parameter], prepare=True)]

    def by_statement(text: str) -> Keys:
        with RawCursor(conn) as cursor:
            rows = cursor.execute(statement, [text], prepare=True).fetchall()
            return [row[0] for row in rows]

    def filtered(query: Any) -> Keys:
        return index.search(conn, query, k=K, filter="n < %s", params=[50]).keys

    return {
        "search": [index.search(conn, query, k=K).keys for query in QUERIES],
        "filter": [filtered(query) for query in QUERIES],
        "search_many": [one.keys for one in index.search_many(conn, QUERIES, k=K)],
        "mrl.search": [keys(ROWS, text) for text in TEXTS],
        "mrl.search_keys": [keys(KEYS, text) for text in TEXTS],
        "mrl.search_many": [row[0] for row in conn.execute(MANY, [TEXTS])],
        "mrl.search_sql": [by_statement(text) for text in TEXTS],
    }


async def ask_async(
    conn: AsyncConnection[Any], index: MatryoshkaIndex
) -> dict[str, list[Keys]]:
    several = await index.search_many_async(conn, QUERIES, k=K)
    one_by_one = [await index.search_async(conn, query, k=K) for query in QUERIES]
    return {
        "search": [found.keys for found in one_by_one],
        "search_many": [found.keys for found in several],
    }


def ask_at_once(
    url: str, index: MatryoshkaIndex, clients: int, size: int, **options: Any
) -> tuple[list[dict[str, list[Keys]]], dict[int, dict[str, str]]]:
    """What several asynchronous clients are answered, and the pool afterwards."""

    async def run() -> tuple[list[dict[str, list[Keys]]], dict[int, dict[str, str]]]:
        async with AsyncExitStack() as stack:
            opened = [
                await stack.enter_async_context(
                    await AsyncConnection.connect(url, autocommit=True, **options)
                )
                for _ in range(clients)
            ]
            found = await asyncio.gather(*(ask_async(conn, index) for conn in opened))
            # before they leave, or the pooler may close a connection not yet at rest
            return found, backends(url, size)

    return asyncio.run(run())


def printed(conn: Conn) -> str:
    """The text of mrl.search_sql."""
    asked = "select mrl.search_sql('docs', 'embedding', k => 5)"
    text: str = conn.execute(asked).fetchall()[0][0]
    return text


def backends(url: str, size: int) -> dict[int, dict[str, str]]:
    """Settings of all server connections of the pool, by their process."""
    found = {}
    with ExitStack() as stack:
        for _ in range(size):
            conn = stack.enter_context(psycopg.connect(url))  # one transaction each
            pid = conn.execute("select pg_backend_pid()").fetchall()[0][0]
            found[pid] = {
                name: conn.execute("select current_setting(%s)", [name]).fetchall()[0][
                    0
                ]
                for name in SESSION
            }
    return found


def test_clients_that_share_a_server_connection_get_the_direct_answers(
    docs: Docs, pooled: str, request: pytest.FixtureRequest
) -> None:
    size = request.node.callspec.params["pooled"]
    statement = printed(docs.conn)
    direct = ask(docs.conn, docs.index, statement)
    for found, query in zip(direct["search"], QUERIES, strict=True):
        assert found == nearest(docs.vectors, query, K)
    before = backends(pooled, size)
    assert list(before.values()) == [SESSION] * size

    with ExitStack() as stack:
        clients = [stack.enter_context(connect(pooled)) for _ in range(6)]
        for _ in range(2):  # one after the other, then all at once
            for client in clients:
                assert ask(client, docs.index, statement) == direct
        with ThreadPoolExecutor(len(clients)) as threads:
            asked = [
                threads.submit(ask, client, docs.index, statement)
                for client in clients * 3
            ]
            assert [one.result() for one in asked] == [direct] * len(asked)
        # the same server connections as before, as they were
        assert backends(pooled, size) == before


def test_asynchronous_clients_do_too(
    docs: Docs, pooled: str, request: pytest.FixtureRequest
) -> None:
    size = request.node.callspec.params["pooled"]
    (direct,), _ = ask_at_once(docs.url, docs.index, 1, 1)
    before = backends(pooled, size)
    found, after = ask_at_once(pooled, docs.index, 8, size)
    assert found == [direct] * 8
    assert after == before


def test_the_index_is_used_through_the_pooler(docs: Docs, pooled: str) -> None:
    with connect(pooled) as conn:
        plan = docs.index.plan(conn, QUERIES[0], k=K)
        assert first_pass(explain(conn, plan)) == [docs.index.name]
        for statement in (ROWS, KEYS):
            assert index_scans(conn, docs.index.name, statement, TEXTS[0]) == 1


def test_measurements_in_batches_and_plans_work_through_it(
    docs: Docs, untracked: str
) -> None:
    with psycopg.connect(untracked, autocommit=True, prepare_threshold=None) as conn:
        report = docs.index.recall(conn, k=K, queries=QUERIES)
        assert (
            report.recall == docs.index.recall(docs.conn, k=K, queries=QUERIES).recall
        )
        assert docs.index.calibrate(conn, k=K, queries=QUERIES).queries == len(QUERIES)
        chosen = tune(conn, "docs", "embedding", plan=True, recall=0.9, sample=20)
        assert chosen.read.rows == len(docs.vectors) - 20


def test_a_failed_search_leaves_no_setting_to_the_next_client(
    docs: Docs, pooled: str, request: pytest.FixtureRequest
) -> None:
    size = request.node.callspec.params["pooled"]
    before = backends(pooled, size)
    # fails on a row, when the settings of the search are in force
    failing = (
        "select id from mrl.search(null::docs, 'embedding', %s,"
        " filter => '1 / (id - id) > 0')"
    )
    with connect(pooled) as conn, connect(pooled) as other:
        for _ in range(2):
            with pytest.raises(errors.DivisionByZero):
                conn.execute(failing, [TEXTS[0]])
            with pytest.raises(errors.DivisionByZero):
                docs.index.search(conn, QUERIES[0], filter="1 / (id - id) > 0")
            found = docs.index.search(other, QUERIES[0], k=K).keys
            assert found == nearest(docs.vectors, QUERIES[0], K)
        assert backends(pooled, size) == before


def test_settings_hold_to_the_end_of_a_transaction_and_no_further(
    docs: Docs, pooled: str, request: pytest.FixtureRequest
) -> None:
    size = request.node.callspec.params["pooled"]
    before = backends(pooled, size)
    with connect(pooled) as conn:
        with conn.transaction():
            conn.execute("set local hnsw.ef_search = 200")
            ask(conn, docs.index, printed(conn))
            shown = conn.execute("show hnsw.ef_search").fetchall()
        assert shown == [("200",)]
        assert backends(pooled, size) == before


def test_without_tracking_a_connection_that_prepares_nothing_works(
    docs: Docs, untracked: str
) -> None:
    statement = printed(docs.conn)
    direct = ask(docs.conn, docs.index, statement)
    before = backends(untracked, 1)
    assert list(before.values()) == [SESSION]
    with ExitStack() as stack:
        clients = [
            stack.enter_context(
                psycopg.connect(untracked, autocommit=True, prepare_threshold=None)
            )
            for _ in range(4)
        ]
        for _ in range(2):
            for client in clients:
                # prepare=True and pipelines included
                assert ask(client, docs.index, statement) == direct
        with ThreadPoolExecutor(len(clients)) as threads:
            asked = [
                threads.submit(ask, client, docs.index, statement) for client in clients
            ]
            assert [one.result() for one in asked] == [direct] * len(asked)
        prepared = "select count(*) from pg_prepared_statements"
        assert clients[0].execute(prepared).fetchall() == [(0,)]
        assert backends(untracked, 1) == before

    (direct,), _ = ask_at_once(docs.url, docs.index, 1, 1)
    found, after = ask_at_once(untracked, docs.index, 4, 1, prepare_threshold=None)
    assert found == [direct] * 4
    assert after == before


def test_without_tracking_two_clients_prepare_the_same_name(
    docs: Docs, untracked: str
) -> None:
    """The second one's search, refused at first, is repeated without preparing."""
    with connect(untracked) as first, connect(untracked) as second:
        docs.index.search(first, QUERIES[0])
        found = docs.index.search(second, QUERIES[0], k=K).keys
        assert found == nearest(docs.vectors, QUERIES[0], K)
        # or the name would stay behind in the pool
        second.execute("deallocate all")


# ------------------------------------------------------------------ every interface


@pytest.fixture(scope="module")
def shared(pg_server: Server, version: tuple[int, ...]) -> Iterator[Library]:
    """Tables of every sort, whose connections share two sessions of the server."""
    if version < PREPARED_SINCE:
        missing(f"{POOLER} {version} does not track prepared statements")
    with open_library(
        pg_server, through=partial(pooler, size=2, prepared=100)
    ) as library:
        yield library


def test_other_verbs_do_too(docs: Docs, pooled: str, tmp_path: Path) -> None:
    """Rows, words beside vectors, answers unlike each other, and the command."""
    notes = MatryoshkaIndex("notes", "embedding", dims=16)
    vectors, query = docs.vectors[:300], QUERIES[0]
    rows = [
        {"id": i, "body": f"all word{i % 7}", "embedding": vector}
        for i, vector in enumerate(vectors, 1)
    ]

    def asked(conn: Conn) -> list[Keys]:
        words: Any = {"text": "body", "k": K}
        wide: Any = {"k": K, "candidates": len(rows)}
        return [
            notes.search(conn, query, **wide).keys,
            notes.hybrid(conn, query, "word3", **wide, text="body").keys,
            notes.search_words(conn, "word3", **words).keys,
            notes.search_mmr(conn, query, **wide).keys,
            [row.key for row in notes.get(conn, [7, 8]) if row is not None],
        ]

    with ExitStack() as stack:
        stack.callback(docs.conn.execute, "drop table notes")
        clients = [stack.enter_context(connect(pooled)) for _ in range(2)]
        docs.conn.execute(
            "create table notes (id int primary key, body text, embedding vector(64))"
        )
        for conn in clients * 2:
            notes.upsert(conn, rows)
        notes.create(docs.conn)
        direct = asked(docs.conn)
        assert direct[0] == nearest(vectors, query, K)
        assert direct[2] == [3, 10, 17, 24, 31]
        for conn in clients * 6:  # prepared in the end
            assert asked(conn) == direct

        file = tmp_path / "query.json"
        file.write_text(TEXTS[0])
        options = ("--query", file, "--k", K, "--candidates", len(rows), "--json")
        shown = mrl_pg("search", "notes", "embedding", *options, "--dsn", pooled)
        assert shown.returncode == 0, shown.stderr
        assert [hit["key"] for hit in json.loads(shown.stdout)["hits"]] == direct[0]

        assert notes.delete(clients[0], [7]) == 1
        assert notes.get(clients[1], [7]) == [None]


def test_a_store_of_a_framework_does_too(docs: Docs, pooled: str) -> None:
    """Its pool of connections shares sessions of the server with other clients."""
    texts = [f"text {i}" for i in range(30)]
    embedding = DeterministicFakeEmbedding(size=8)
    try:
        store = MatryoshkaVectorStore(embedding, pooled, "texts", dims=4)
        store.add_texts(texts)
        for text in texts:  # itself is nearest to each
            assert store.similarity_search(text, 1)[0].page_content == text
        store.close()
    finally:
        docs.conn.execute("drop table if exists texts")


@pytest.mark.parametrize("filtered", [False, True], ids=["all", "filtered"])
@pytest.mark.parametrize("word", TABLES)
def test_every_interface_answers_as_without_it(
    shared: Library, word: str, filtered: bool
) -> None:
    table = TABLES[word]
    case = Case(table, table.layouts[0], filtered)
    exact = truth(shared, case)
    for _ in range(2):  # some have prepared their statement then
        for name, interface in INTERFACES.items():
            hits, scans = interface(shared, case)
            assert hits == exact, name
            if table.rows:
                assert scans > 0, f"{name} did not use {case.index.name}"
