"""The vector store for LangChain: its standard suite, and what is ours beyond it."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores.utils import maximal_marginal_relevance
from langchain_tests.integration_tests import VectorStoreIntegrationTests
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool, ConnectionPool
from support.databases import Conn
from support.plans import force_index

from mrl_pg import MatryoshkaColumn, MatryoshkaIndex
from mrl_pg.adapters.conditions import Combination, Condition, Fields, written
from mrl_pg.adapters.documents import verbs
from mrl_pg.adapters.langchain import MatryoshkaVectorStore, condition_of
from mrl_pg.errors import (
    ColumnNotFound,
    InvalidFile,
    InvalidFilter,
    InvalidSetting,
    TableNotFound,
)
from mrl_pg.exchange import Exchange


class TestStandardSuite(VectorStoreIntegrationTests):
    """With an index of 4 of the 6 dimensions."""

    @pytest.fixture
    async def vectorstore(self, database: str) -> AsyncIterator[MatryoshkaVectorStore]:
        store = MatryoshkaVectorStore(self.get_embeddings(), database, dims=4)
        yield store
        await store.aclose()


class Points(Embeddings):
    """Embeds the text of a number as a point on a circle, in 8 dimensions."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        angle = float(text) / 50
        return [math.cos(angle), math.sin(angle), *[0.001] * 6]


TEXTS = [str(number) for number in range(300)]
YEARS = [{"year": 2000 + number % 3, "odd": number % 2 == 1} for number in range(300)]


@pytest.fixture
def store(conn: Conn) -> MatryoshkaVectorStore:
    made = MatryoshkaVectorStore(Points(), conn, "points", dims=4)
    made.add_texts(TEXTS, YEARS, ids=TEXTS)
    conn.execute("analyze points")
    return made


def nearest(number: float, k: int, among: Callable[[int], bool] = bool) -> set[str]:
    """The texts nearest to a number, without any database."""
    rows = sorted(filter(among, range(300)), key=lambda row: abs(row - number))
    return set(map(str, rows[:k]))


def scans(conn: Conn) -> int:
    conn.execute("select pg_stat_force_next_flush()")
    row = conn.execute(
        "select idx_scan from pg_stat_user_indexes"
        " where indexrelname = 'points_embedding_4_halfvec_cosine_hnsw'"
    ).fetchone()
    assert row is not None
    return int(row[0])


def texts(documents: Iterable[Document]) -> set[str]:
    return {document.page_content for document in documents}


def test_two_passes_find_the_nearest_rows(
    conn: Conn, store: MatryoshkaVectorStore
) -> None:
    force_index(conn)
    before = scans(conn)
    assert texts(store.similarity_search("100.2", 5)) == nearest(100.2, 5)
    assert scans(conn) == before + 1
    ((first, distance),) = store.similarity_search_with_score("100.2", 1)
    assert first == Document(id="100", page_content="100", metadata=YEARS[100])
    assert distance == pytest.approx(1 - math.cos(0.2 / 50), abs=1e-6)
    found = store.similarity_search("100.2", 5, filter={"odd": True}, candidates=60)
    assert texts(found) == nearest(100.2, 5, lambda number: number % 2 == 1)
    before = scans(conn)
    assert texts(store.similarity_search("100.2", 5, exact=True)) == nearest(100.2, 5)
    assert scans(conn) == before


def test_a_recall_is_passed_on(conn: Conn, store: MatryoshkaVectorStore) -> None:
    index = MatryoshkaIndex("points", "embedding", dims=4)
    index.calibrate(conn, k=5, sample=60)
    found = store.similarity_search("100.2", 5, recall=0.9)
    assert texts(found) == nearest(100.2, 5)
    with pytest.raises(InvalidSetting, match=r"recall=1\.5"):
        store.similarity_search("100.2", 5, recall=1.5)
    with pytest.raises(TypeError, match="'racall' is not an option"):
        store.similarity_search("100.2", 5, racall=0.9)


@pytest.mark.parametrize(
    ("filter", "numbers"),
    [
        ({"year": 2001}, {1, 4}),
        ({"year": 2001, "odd": True}, {1}),
        ({"year": {"$gte": 2001, "$lt": 2002}}, {1, 4}),
        ({"year": {"$between": [2001, 2002]}}, {1, 2, 4, 5}),
        ({"year": {"$ne": 2001}}, {0, 2, 3, 5}),
        ({"year": {"$in": [2000, 2002]}}, {0, 2, 3, 5}),
        ({"year": {"$nin": [2000, 2002]}}, {1, 4}),
        ({"$or": [{"year": 2001}, {"odd": True}]}, {1, 3, 4, 5}),
        ({"$and": [{"year": 2001}, {"odd": True}]}, {1}),
        ({"$not": {"year": 2001}}, {0, 2, 3, 5}),
        ({"$not": [{"year": 2001}, {"odd": True}]}, {0, 2, 3, 4, 5}),
        ({"year": {"$not": {"$gt": 2000}}}, {0, 3}),
        ({"month": {"$exists": False}, "year": {"$exists": True}}, set(range(6))),
        ({}, set(range(6))),
    ],
)
def test_filters(filter: dict[str, Any], numbers: set[int]) -> None:
    fields = Fields("metadata", {})
    condition = condition_of(filter)
    sent, params = written(condition, fields)
    assert "2001" not in sent.as_string() and len(params) >= len(filter) > -1
    rows = [Document(page_content=str(n), metadata=YEARS[n]) for n in range(6)]
    kept = {int(row.page_content) for row in rows if holds(condition, row.metadata)}
    assert kept == numbers


def holds(condition: Condition | None, metadata: dict[str, Any]) -> bool:
    """What a condition says of metadata; the server's view is in test_conditions."""
    if condition is None:
        return True
    if isinstance(condition, Combination):
        parts = [holds(part, metadata) for part in condition.parts]
        return {"and": all(parts), "or": any(parts), "not": not all(parts)}[
            condition.word
        ]
    value, given = metadata.get(condition.path[0]), condition.value
    compare: dict[str, Callable[[], bool]] = {
        "=": lambda: bool(value == given),
        "<>": lambda: bool(value != given),
        ">": lambda: bool(value > given),
        ">=": lambda: bool(value >= given),
        "<": lambda: bool(value < given),
        "<=": lambda: bool(value <= given),
        "one of": lambda: value in given,
        "none of": lambda: value not in given,
        "missing": lambda: value is None,
        "there": lambda: value is not None,
    }
    return compare[condition.operator]()


@pytest.mark.parametrize(
    ("filter", "said"),
    [
        ("year = 2001", "is not a mapping"),
        ({"year": {"$near": 2001}}, r"\$near' for 'year', which is no operator"),
        ({"$or": {"year": 2001}}, "give a list of filters"),
        ({"$or": []}, "give a list of filters"),
        ({"$xor": [{"year": 2001}]}, "is no field"),
        ({"year": {"$between": [2001]}}, "lowest and the highest"),
        ({"year": {"$in": 2001}}, "takes a list"),
    ],
)
def test_filters_refused(store: MatryoshkaVectorStore, filter: Any, said: str) -> None:
    with pytest.raises(InvalidFilter, match=said):
        store.similarity_search("1", filter=filter)


def test_relevance_is_highest_for_the_best(
    conn: Conn, store: MatryoshkaVectorStore
) -> None:
    scored = store.similarity_search_with_relevance_scores("100.2", 3)
    assert [document.page_content for document, _ in scored] == ["100", "101", "99"]
    assert [score for _, score in scored] == sorted(
        (s for _, s in scored), reverse=True
    )
    assert scored[0][1] == pytest.approx(math.cos(0.2 / 50), abs=1e-6)
    other = MatryoshkaVectorStore(Points(), conn, "other", dims=4, distance="l2")
    other.add_texts(["1", "2"])
    (_, (_, second)) = other.similarity_search_with_relevance_scores("1", 2)
    # LangChain's own measure
    assert second == pytest.approx(1 - 0.02 / math.sqrt(2), abs=1e-4)


def test_rows_unlike_each_other(store: MatryoshkaVectorStore) -> None:
    with_numpy = maximal_marginal_relevance(
        np.array(Points().embed_query("100")),
        Points().embed_documents([str(number) for number in range(90, 111)]),
        lambda_mult=0.3,
        k=3,
    )
    expected = {str(90 + place) for place in with_numpy}
    options: dict[str, Any] = {"k": 3, "fetch_k": 21, "lambda_mult": 0.3}
    found = store.max_marginal_relevance_search("100", **options)
    assert texts(found) == expected
    waited = store.amax_marginal_relevance_search("100", **options)
    assert asyncio.run(waited) == found
    odd = store.max_marginal_relevance_search("100", **options, filter={"odd": True})
    assert {document.metadata["odd"] for document in odd} == {True}


def test_words_and_vectors(conn: Conn, store: MatryoshkaVectorStore) -> None:
    conn.execute(
        "create index words on points using gin (to_tsvector('english', text))"
    )
    force_index(conn)
    before = scans(conn)
    # the words find one row, which is the nearest one as well
    ((best, score), *rest) = store.similarity_search_with_score("100", 3, hybrid=True)
    assert best.page_content == "100" and score == pytest.approx(2 / 61)
    assert [score for _, score in rest] == pytest.approx([1 / 62, 1 / 63])
    assert scans(conn) == before + 1
    weighted = {"weights": [0, 1], "config": "simple"}
    retriever = store.as_retriever(search_kwargs={"hybrid": weighted})
    assert texts(retriever.invoke("100")) == {"100"}
    found = asyncio.run(store.asimilarity_search("100", 3, hybrid=True))
    assert found[0] == best
    assert store.similarity_search("100", hybrid=weighted, filter={"odd": True}) == []
    with pytest.raises(InvalidSetting, match="search by a text"):
        store.similarity_search_by_vector([1.0] * 8, hybrid=True)
    with pytest.raises(InvalidSetting, match="relevance scores"):
        store.similarity_search_with_relevance_scores("1", hybrid=True)


def test_a_retriever(store: MatryoshkaVectorStore) -> None:
    options = {"k": 3, "filter": {"odd": True}, "candidates": 50}
    retriever = store.as_retriever(search_kwargs=options)
    odd = nearest(100, 3, lambda number: number % 2 == 1)
    assert texts(retriever.invoke("100")) <= odd | {"97", "103"}
    assert texts(asyncio.run(retriever.ainvoke("100.2"))) == nearest(
        100.2, 3, lambda number: number % 2 == 1
    )


def test_a_table_of_ones_own(conn: Conn) -> None:
    conn.execute(
        "create table own (number int primary key, body text, lang text, vec vector(8))"
    )
    made = MatryoshkaVectorStore(
        Points(),
        conn,
        "own",
        id_column="number",
        text_column="body",
        embedding_column="vec",
        metadata_column=None,
        metadata_columns=["lang"],
    )
    assert made.add_texts(["1", "2"], [{"lang": "en"}, {"lang": "de"}], ids=["1", "2"])
    assert made.get_by_ids(["2", "3", "1"]) == [
        Document(id="2", page_content="2", metadata={"lang": "de"}),
        Document(id="1", page_content="1", metadata={"lang": "en"}),
    ]
    # without an index exact, and then by whichever is in use
    assert texts(made.similarity_search("1", 1, filter={"lang": "de"})) == {"2"}
    MatryoshkaIndex("own", "vec", dims=4, kind="bit").create(conn)
    assert texts(made.similarity_search("1", 1, filter={"lang": "de"})) == {"2"}
    with pytest.raises(InvalidSetting, match="has the metadata 'year'"):
        made.add_texts(["3"], [{"year": 1}], ids=["3"])
    made.delete(filter={"lang": "de"})
    assert conn.execute("select body, lang from own").fetchall() == [("1", "en")]


def test_a_store_works_in_its_callers_transaction(
    conn: Conn, store: MatryoshkaVectorStore
) -> None:
    with conn.transaction(force_rollback=True):
        store.delete(["100"])
        store.add_texts(["100.1"], ids=["new"])
        assert texts(store.similarity_search("100", 1)) == {"100.1"}
    assert texts(store.similarity_search("100", 1)) == {"100"}


def test_rows_that_are_refused_leave_no_table(conn: Conn) -> None:
    other = MatryoshkaVectorStore(Points(), conn, "other", dims=4)
    with pytest.raises(InvalidFile, match="row 1"):
        other.add_texts(["1", "nan"])
    assert conn.execute("select to_regclass('other')").fetchone() == (None,)
    other.add_texts(["1"])
    assert texts(other.similarity_search("1")) == {"1"}


def test_an_index_that_breaks_off_is_made_by_the_next_call(
    conn: Conn, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(Exception):
        pass

    def broken(*_: object) -> Exchange[None]:
        raise Broken
        yield

    other = MatryoshkaVectorStore(Points(), conn, "other", dims=4)
    with monkeypatch.context() as patch:
        patch.setattr(verbs, "make_index", broken)
        with pytest.raises(Broken):
            other.add_texts(TEXTS[:20])
    count = "select count(*) from pg_indexes where tablename = 'other'"
    assert conn.execute(count).fetchone() == (1,)
    assert texts(other.similarity_search("7", 1)) == {"7"}
    other.add_texts(["7.1"])
    assert conn.execute(count).fetchone() == (2,)


def test_what_does_not_fit_is_refused(conn: Conn, store: MatryoshkaVectorStore) -> None:
    def refused(error: type[Exception], said: str, **options: Any) -> None:
        other = MatryoshkaVectorStore(Points(), conn, **{"table": "points", **options})
        with pytest.raises(error, match=said):
            other.similarity_search("1")

    refused(TableNotFound, "there is no table 'pints'", table="pints", make_table=False)
    refused(ColumnNotFound, "no column 'body'", text_column="body")
    refused(InvalidSetting, "is text: metadata are kept", metadata_column="text")
    refused(InvalidSetting, "distance='l2', and the index in use", distance="l2")
    with pytest.raises(InvalidSetting, match="dims=9 is above 8"):
        MatryoshkaVectorStore(Points(), conn, "other", dims=9).add_texts(["1"])
    with pytest.raises(TypeError, match="'dimms' is no keyword of the store: there"):
        MatryoshkaVectorStore(Points(), conn, dimms=4)  # type: ignore[call-arg]
    with pytest.raises(InvalidSetting, match="connection=3 is none"):
        MatryoshkaVectorStore(Points(), 3)  # type: ignore[arg-type]
    assert conn.execute("select to_regclass('other')").fetchone() == (None,)
    with pytest.raises(InvalidFilter, match="ids and filter"):
        store.delete(["1"], filter={"odd": True})


async def test_sync_and_async_connections(database: str, conn: Conn) -> None:
    async with await AsyncConnection.connect(database, autocommit=True) as waits:
        store = MatryoshkaVectorStore(Points(), waits, dims=4)
        await store.aadd_texts(["1", "2"])
        assert texts(await store.asimilarity_search("2", 1)) == {"2"}
        with pytest.raises(InvalidSetting, match="is asynchronous"):
            store.similarity_search("2")
    other = MatryoshkaVectorStore(Points(), conn)
    assert texts(await other.asimilarity_search("2", 1)) == {"2"}
    async with AsyncConnectionPool(database, open=False) as pool:
        pooled = MatryoshkaVectorStore(Points(), pool)
        assert texts(await pooled.asimilarity_search("2", 1)) == {"2"}
    with ConnectionPool(database, open=True) as lent:
        pooled = MatryoshkaVectorStore(Points(), lent)
        await pooled.adelete()
        assert pooled.similarity_search("2") == []
        # that of the caller stays open
        pooled.close()
        assert pooled.similarity_search("2") == []


def test_a_store_of_many_tenants(store: MatryoshkaVectorStore, conn: Conn) -> None:
    conn.execute(
        "alter table points add tenant int;"
        "update points set tenant = case when id::int < 200 then 1 else 2 end"
    )
    column = MatryoshkaColumn("points", "embedding")
    column.set_tenants(conn, "tenant", threshold=150)
    assert len(column.run_tenants(conn).indexes) == 1
    for tenant, number in ((1, 240), (2, 150)):
        mine = range(200) if tenant == 1 else range(200, 300)
        found = store.similarity_search(str(number), k=3, tenant=tenant, candidates=200)
        assert {each.page_content for each in found} == nearest(
            number, 3, mine.__contains__
        )
        odd = store.similarity_search(
            str(number), k=3, tenant=tenant, candidates=200, filter={"odd": True}
        )
        assert {each.page_content for each in odd} == nearest(
            number, 3, mine[1::2].__contains__
        )
