"""The document store and the retriever for Haystack, beyond Haystack's own suites."""

import asyncio
import math
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import psycopg
import pytest
from haystack import Document, Pipeline, component
from haystack.components.writers import DocumentWriter
from haystack.dataclasses import ByteStream, SparseEmbedding
from haystack.document_stores.errors import DuplicateDocumentError
from haystack.document_stores.types import DuplicatePolicy, FilterPolicy
from haystack.errors import FilterError
from haystack.utils import Secret
from psycopg_pool import ConnectionPool
from support.databases import Conn
from support.plans import explain, first_pass, force_index

from mrl_pg import MatryoshkaIndex
from mrl_pg.adapters.haystack import (
    MatryoshkaDocumentStore,
    MatryoshkaEmbeddingRetriever,
    MatryoshkaHybridRetriever,
    MatryoshkaKeywordRetriever,
)
from mrl_pg.errors import (
    InvalidFile,
    InvalidSetting,
    InvalidVector,
    NotUnitLengthWarning,
    TableNotFound,
)

ROWS = 300
INDEX = "points_embedding_4_halfvec_cosine_hnsw"
ODD = {"field": "meta.odd", "operator": "==", "value": True}
YEAR_2001 = {"field": "meta.year", "operator": "==", "value": 2001}


def point(number: float) -> list[float]:
    """A point on a circle, in 8 dimensions."""
    angle = number / 50
    return [math.cos(angle), math.sin(angle), *[0.001] * 6]


DOCUMENTS = [
    Document(
        id=str(number),
        content=f"point {number}",
        meta={"year": 2000 + number % 3, "odd": number % 2 == 1},
        embedding=point(number),
    )
    for number in range(ROWS)
]
TABLE: dict[str, Any] = {"table_name": "points", "embedding_dimension": 8, "dims": 4}


@pytest.fixture
def store(conn: Conn) -> MatryoshkaDocumentStore:
    made = MatryoshkaDocumentStore(connection=conn, **TABLE)
    assert made.write_documents(DOCUMENTS) == ROWS
    conn.execute("analyze points")
    return made


def nearest(number: float, k: int, among: Callable[[int], bool] = bool) -> set[str]:
    """The ids nearest to a number, without any database."""
    rows = sorted(filter(among, range(ROWS)), key=lambda row: abs(row - number))
    return set(map(str, rows[:k]))


def ids(documents: Iterable[Document]) -> set[str]:
    return {document.id for document in documents}


def scans(conn: Conn, index: str = INDEX) -> int:
    conn.execute("select pg_stat_force_next_flush()")
    row = conn.execute(
        "select idx_scan from pg_stat_user_indexes where indexrelname = %s", [index]
    ).fetchone()
    assert row is not None
    return int(row[0])


def odd(number: int) -> bool:
    return number % 2 == 1


# ---------------------------------------------------------------------- retrieval


def test_two_passes_find_the_nearest_documents(
    conn: Conn, store: MatryoshkaDocumentStore
) -> None:
    force_index(conn)
    retriever = MatryoshkaEmbeddingRetriever(document_store=store, top_k=5)
    before = scans(conn)
    found = retriever.run(point(100.2))["documents"]
    assert ids(found) == nearest(100.2, 5)
    assert scans(conn) == before + 1
    plan = MatryoshkaIndex("points", "embedding", dims=4).plan(conn, point(100.2), k=5)
    assert first_pass(explain(conn, plan)) == [INDEX]
    best = found[0]
    assert best.id == "100" and best.content == "point 100"
    assert best.meta == DOCUMENTS[100].meta and best.embedding is None
    assert best.score == pytest.approx(math.cos(0.2 / 50), abs=1e-6)
    scores = [document.score or 0 for document in found]
    assert scores == sorted(scores, reverse=True)
    found = retriever.run(point(100.2), filters=ODD, search_options={"candidates": 60})[
        "documents"
    ]
    assert ids(found) == nearest(100.2, 5, odd)
    before = scans(conn)
    found = retriever.run(point(100.2), search_options={"exact": True}, top_k=3)[
        "documents"
    ]
    assert ids(found) == nearest(100.2, 3)
    assert scans(conn) == before


def test_a_recall_is_passed_on(conn: Conn, store: MatryoshkaDocumentStore) -> None:
    MatryoshkaIndex("points", "embedding", dims=4).calibrate(conn, k=5, sample=60)
    retriever = MatryoshkaEmbeddingRetriever(
        document_store=store, top_k=5, recall=0.9, quantile=0.5
    )
    assert retriever.options == {"recall": 0.9, "quantile": 0.5}
    assert ids(retriever.run(point(100.2))["documents"]) == nearest(100.2, 5)
    with pytest.raises(InvalidSetting, match=r"recall=1\.5"):
        retriever.run(point(100.2), search_options={"recall": 1.5})


def test_words_and_embeddings_are_fused(
    conn: Conn, store: MatryoshkaDocumentStore
) -> None:
    store.write_documents([Document(id="bare", content="point 100 without embedding")])
    conn.execute(
        "create index words on points using gin (to_tsvector('english', content))"
    )
    force_bitmap = "set enable_bitmapscan = on"
    force_index(conn)
    conn.execute(force_bitmap)
    before = scans(conn), scans(conn, "words")
    retriever = MatryoshkaHybridRetriever(document_store=store, top_k=3, match="all")
    found = retriever.run("point 100", point(100))["documents"]
    assert (scans(conn), scans(conn, "words")) == (before[0] + 1, before[1] + 1)
    # both halves find the first, words alone the one without an embedding
    assert found[0].id == "100"
    assert "bare" in ids(found)
    scores = [each.score or 0 for each in found]
    assert scores[0] == pytest.approx(2 / 61)
    assert scores == sorted(scores, reverse=True)
    assert asyncio.run(waited(retriever, "point 100", point(100))) == found
    assert (
        retriever.run("point 100", point(99.9), filters=ODD)["documents"][0].id == "99"
    )
    words = MatryoshkaHybridRetriever(
        document_store=store,
        weights=(0, 1),
        config="simple",
        match="all",
        return_embedding=True,
    )
    found = words.run("point 100", point(7), search_options={"candidates": 60})[
        "documents"
    ]
    assert ids(found) == {"100", "bare"}
    by_id = {each.id: each.embedding for each in found}
    assert by_id == {"100": pytest.approx(point(100), rel=1e-6), "bare": None}


async def waited(
    retriever: MatryoshkaHybridRetriever, words: str, query: list[float]
) -> list[Document]:
    documents: list[Document] = (await retriever.run_async(words, query))["documents"]
    return documents


def test_filters_of_a_run_replace_or_are_merged(store: MatryoshkaDocumentStore) -> None:
    def found(policy: Any) -> set[str]:
        retriever = MatryoshkaEmbeddingRetriever(
            document_store=store, filters=ODD, top_k=3, filter_policy=policy, exact=True
        )
        assert ids(retriever.run(point(100.2))["documents"]) == nearest(100.2, 3, odd)
        return ids(retriever.run(point(100.2), filters=YEAR_2001)["documents"])

    def of_2001(number: int) -> bool:
        return number % 3 == 1

    assert found("replace") == nearest(100.2, 3, of_2001)
    assert found(FilterPolicy.MERGE) == nearest(
        100.2, 3, lambda number: odd(number) and of_2001(number)
    )


def test_embeddings_come_back_if_asked_for(
    database: str, store: MatryoshkaDocumentStore
) -> None:
    retriever = MatryoshkaEmbeddingRetriever(
        document_store=store, top_k=1, return_embedding=True
    )
    (found,) = retriever.run(point(100))["documents"]
    assert found.embedding == pytest.approx(point(100), rel=1e-6)
    with psycopg.connect(database) as registered:
        from pgvector.psycopg import register_vector

        register_vector(registered)
        other = MatryoshkaDocumentStore(connection=registered, **TABLE)
        (found,) = other.embedding_retrieval(point(100), top_k=1, return_embedding=True)
        assert found.embedding == pytest.approx(point(100), rel=1e-6)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("cosine_similarity", [1.0, 0.6]),
        ("inner_product", [30.0, 25.0]),
        ("l2_distance", [1.0, 1 / (1 + math.sqrt(20))]),
    ],
)
@pytest.mark.parametrize("dims", [None, 1])
def test_scores_are_highest_for_the_nearest(
    conn: Conn, function: Any, expected: list[float], dims: int | None
) -> None:
    made = MatryoshkaDocumentStore(
        connection=conn,
        embedding_dimension=2,
        vector_function=function,
        dims=dims,
        kind="vector",
    )
    vectors = {"a": [5.0, 0.0], "b": [3.0, 4.0]}
    if function == "inner_product":
        vectors = {"a": [6.0, 0.0], "b": [5.0, 4.0]}
    documents = [Document(id=key, embedding=each) for key, each in vectors.items()]
    with warnings.catch_warnings():
        # their length is not 1
        warnings.simplefilter("ignore", NotUnitLengthWarning)
        made.write_documents(documents)
    found = made.embedding_retrieval([5.0, 0.0])
    assert [each.id for each in found] == ["a", "b"]
    assert [each.score for each in found] == pytest.approx(expected)


def test_options_are_checked_when_the_retriever_is_made(
    store: MatryoshkaDocumentStore,
) -> None:
    def make(**options: Any) -> MatryoshkaEmbeddingRetriever:
        given = {"document_store": store, **options}
        return MatryoshkaEmbeddingRetriever(**given)

    with pytest.raises(TypeError, match="'racall' is not an option"):
        make(racall=0.9)
    with pytest.raises(InvalidSetting, match="k is not an option here: top_k is"):
        make(k=3)
    with pytest.raises(InvalidSetting, match="k=0 is below 1"):
        make(top_k=0)
    with pytest.raises(InvalidSetting, match="is no MatryoshkaDocumentStore"):
        make(document_store=3)
    with pytest.raises(InvalidSetting, match="k=0 is below 1"):
        make().run(point(1), top_k=0)
    with pytest.raises(InvalidVector, match="7"):
        make().run(point(1)[:7])
    with pytest.raises(InvalidSetting, match="weights"):
        MatryoshkaHybridRetriever(document_store=store, weights=1)
    with pytest.raises(TypeError, match="'wieghts' is not an option"):
        MatryoshkaHybridRetriever(document_store=store, wieghts=(1, 1))


# ---------------------------------------------------------------------- pipelines


@component
class Embedder:
    """Embeds the text of a number as its point."""

    @component.output_types(embedding=list[float])
    def run(self, text: str) -> dict[str, list[float]]:
        return {"embedding": point(float(text))}


@pytest.fixture
def in_environment(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MatryoshkaDocumentStore]:
    monkeypatch.setenv("PG_CONN_STR", database)
    made = MatryoshkaDocumentStore(**TABLE)
    yield made
    made.close()


def sessions(conn: Conn) -> int:
    row = conn.execute(
        "select count(*) from pg_stat_activity"
        " where datname = current_database() and pid <> pg_backend_pid()"
    ).fetchone()
    assert row is not None
    return int(row[0])


def test_a_pipeline_is_saved_loaded_and_run(
    conn: Conn, in_environment: MatryoshkaDocumentStore
) -> None:
    indexing = Pipeline()
    indexing.add_component(
        "writer", DocumentWriter(in_environment, DuplicatePolicy.OVERWRITE)
    )
    assert indexing.run({"writer": {"documents": DOCUMENTS}}) == {
        "writer": {"documents_written": ROWS}
    }
    pipeline = Pipeline()
    pipeline.add_component("embedder", Embedder())
    pipeline.add_component(
        "retriever",
        MatryoshkaEmbeddingRetriever(
            document_store=in_environment,
            filters=ODD,
            top_k=3,
            filter_policy=FilterPolicy.MERGE,
            candidates=50,
        ),
    )
    pipeline.connect("embedder.embedding", "retriever.query_embedding")
    pipeline.add_component(
        "hybrid",
        MatryoshkaHybridRetriever(document_store=in_environment, weights=(1, 0.5)),
    )
    pipeline.connect("embedder.embedding", "hybrid.query_embedding")
    pipeline.add_component(
        "keywords",
        MatryoshkaKeywordRetriever(
            document_store=in_environment, config="simple", top_k=2
        ),
    )
    saved = pipeline.dumps()
    assert "PG_CONN_STR" in saved and conn.info.dbname not in saved
    loaded = Pipeline.loads(saved, allowed_modules=["mrl_pg", __name__])
    assert loaded.dumps() == saved
    asked = {
        "embedder": {"text": "100.2"},
        "hybrid": {"query": "point 100"},
        "keywords": {"query": "is it 77?", "filters": ODD},
    }
    for each in (pipeline, loaded):
        answer = each.run(asked)
        assert ids(answer["retriever"]["documents"]) == nearest(100.2, 3, odd)
        assert answer["hybrid"]["documents"][0].id == "100"
        assert ids(answer["keywords"]["documents"]) == {"77"}
        (document,) = answer["keywords"]["documents"]
        assert document.score > 0
    found = asyncio.run(answer_and_close(loaded, asked))
    assert ids(found) == nearest(100.2, 3, odd)
    pipeline.close()
    indexing.close()
    in_environment.close()
    for _ in range(100):
        if not sessions(conn):
            break
    assert sessions(conn) == 0
    # a store that was closed opens other connections
    assert in_environment.count_documents() == ROWS


async def answer_and_close(pipeline: Pipeline, asked: dict[str, Any]) -> list[Document]:
    found = await pipeline.run_async(asked)
    await pipeline.close_async()
    documents: list[Document] = found["retriever"]["documents"]
    return documents


def test_what_a_saved_store_keeps(conn: Conn) -> None:
    given: dict[str, Any] = {
        "table_name": "own",
        "schema_name": "app",
        "embedding_dimension": 5,
        "vector_function": "l2_distance",
        "dims": 3,
        "kind": "vector",
        "id_column": "a",
        "content_column": "b",
        "meta_column": "c",
        "embedding_column": "d",
        "metadata_columns": ["e"],
        "create_table": False,
    }
    secret = Secret.from_env_var("MY_DATABASE")
    store = MatryoshkaDocumentStore(connection_string=secret, **given)
    saved = store.to_dict()
    assert saved == {
        "type": "mrl_pg.adapters.haystack.store.MatryoshkaDocumentStore",
        "init_parameters": {"connection_string": secret.to_dict(), **given},
    }
    loaded = MatryoshkaDocumentStore.from_dict(saved)
    assert loaded.to_dict() == saved and loaded.table == store.table
    # closing reads no secret
    loaded.close()
    with pytest.raises(ValueError, match="MY_DATABASE"):
        loaded.count_documents()
    with pytest.raises(InvalidSetting, match="cannot be saved"):
        MatryoshkaDocumentStore(connection=conn).to_dict()
    with pytest.raises(ValueError, match="token"):
        MatryoshkaDocumentStore(connection_string=Secret.from_token("secret")).to_dict()
    for wrong, said in (
        ({"connection_string": "postgresql:///app"}, "is no Secret"),
        ({"embedding_dimension": 0}, "embedding_dimension=0"),
        ({"vector_function": "dot"}, "vector_function='dot' is unknown"),
    ):
        with pytest.raises(InvalidSetting, match=said):
            MatryoshkaDocumentStore(**wrong)


def test_a_pool_of_the_callers_stays_open(database: str) -> None:
    with ConnectionPool(database, open=True) as pool:
        store = MatryoshkaDocumentStore(connection=pool)
        store.close()
        assert store.count_documents() == 0


# ---------------------------------------------------------------------- documents


def test_nothing_of_a_document_is_lost(conn: Conn) -> None:
    store = MatryoshkaDocumentStore(connection=conn, embedding_dimension=2)
    document = Document(
        content="Ä",
        meta={"lang": "en", "nested": {"list": [1, None]}},
        blob=ByteStream(b"\0\xff", {"page": 1}, "image/png"),
        embedding=[0.5, -1.0],
        sparse_embedding=SparseEmbedding([1, 30522], [0.25, 1.5]),
    )
    bare = Document(blob=ByteStream(b""))
    store.write_documents([document, bare])
    by_id = {each.id: each for each in store.filter_documents()}
    assert by_id == {document.id: document, bare.id: bare}
    (found,) = store.embedding_retrieval([0.5, -1.0])
    assert found.blob == document.blob
    assert found.sparse_embedding == document.sparse_embedding
    # what is ours is not metadata
    assert set(store.get_metadata_fields_info()) == {"lang", "nested"}
    store.update_by_filter({}, {"lang": "de"})
    assert store.filter_documents({**ODD, "field": "blob_", "operator": "!="})[0].blob
    ours = {"_haystack": 1}
    with pytest.raises(InvalidSetting, match="rename the field"):
        store.write_documents([Document(meta=ours)])
    with pytest.raises(InvalidSetting, match="rename the field"):
        store.update_by_filter({}, ours)


def test_an_id_that_comes_twice(conn: Conn) -> None:
    store = MatryoshkaDocumentStore(connection=conn, embedding_dimension=2)
    twice = [Document(id="1", content="a"), Document(id="1", content="b")]
    for policy in (DuplicatePolicy.NONE, DuplicatePolicy.FAIL):
        with pytest.raises(DuplicateDocumentError, match="'1'; nothing was written"):
            store.write_documents(twice, policy)
    assert store.count_documents() == 0
    assert store.write_documents(twice, DuplicatePolicy.SKIP) == 1
    assert [each.content for each in store.filter_documents()] == ["a"]
    assert store.write_documents(twice, DuplicatePolicy.OVERWRITE) == 1
    assert [each.content for each in store.filter_documents()] == ["b"]
    assert store.write_documents([]) == 0
    with pytest.raises(InvalidFile, match="3"):
        store.write_documents([Document(id="2", embedding=[1.0, 2.0, 3.0])])
    with pytest.raises(DuplicateDocumentError):
        store.write_documents([Document(id="2"), Document(id="1")])
    assert store.count_documents() == 1


def test_a_table_of_haystacks_store_for_pgvector(conn: Conn) -> None:
    conn.execute(
        "create table haystack_documents (id varchar(128) primary key,"
        " embedding vector(8), content text, blob_data bytea, blob_meta jsonb,"
        " blob_mime_type varchar(255), meta jsonb)"
    )
    conn.execute(
        "insert into haystack_documents (id, content, meta)"
        " values ('x', 'text', '{\"n\": 1}'), ('y', null, null)"
    )
    store = MatryoshkaDocumentStore(connection=conn, create_table=False)
    assert store.filter_documents() == [
        Document(id="x", content="text", meta={"n": 1}),
        Document(id="y"),
    ]
    store.write_documents([DOCUMENTS[1]])
    assert ids(store.embedding_retrieval(point(1))) == {"1"}


def test_a_table_of_ones_own(conn: Conn) -> None:
    conn.execute(
        "create table own (number int primary key, body text, lang text, vec vector(8))"
    )
    columns: dict[str, Any] = {
        "id_column": "number",
        "content_column": "body",
        "meta_column": None,
        "embedding_column": "vec",
        "metadata_columns": ["lang"],
    }
    store = MatryoshkaDocumentStore(connection=conn, table_name="own", **columns)
    documents = [
        Document(id="1", content="a", meta={"lang": "en"}, embedding=point(1)),
        Document(id="2", content="b", meta={"lang": "de"}, embedding=point(2)),
    ]
    assert store.write_documents(documents) == 2
    german = {"field": "meta.lang", "operator": "==", "value": "de"}
    assert ids(store.embedding_retrieval(point(1), filters=german)) == {"2"}
    assert store.update_by_filter(german, {"lang": "fr"}) == 1
    assert store.get_metadata_field_unique_values("lang") == (["en", "fr"], 2)
    by_key = {"field": "id", "operator": "in", "value": ["2", "3"]}
    assert store.count_documents_by_filter(by_key) == 1
    assert store.delete_by_filter(by_key) == 1
    with pytest.raises(InvalidSetting, match="has the metadata 'year'"):
        store.write_documents([Document(id="3", meta={"year": 1})])
    with pytest.raises(FilterError, match="'year' is no column"):
        store.filter_documents({**german, "field": "meta.year"})
    absent = MatryoshkaDocumentStore(connection=conn, create_table=False)
    with pytest.raises(TableNotFound, match="haystack_documents"):
        absent.count_documents()


# ---------------------------------------------------------------------- filters

KEPT = [
    Document(
        id="a",
        content="a map",
        meta={"n": 1, "tags": ["x", "y"], "by": {"name": "Ann"}, "day": "2024-05-01"},
    ),
    Document(id="b", content="a rug", meta={"n": 2.5, "tags": ["y"], "id": "z"}),
    Document(id="c", meta={"n": None, "day": "2025-01-01"}),
]


@pytest.mark.parametrize(
    ("field", "operator", "value", "expected"),
    [
        ("id", "==", "b", "b"),
        ("id", "not in", ["b"], "ac"),
        ("meta.id", "==", "z", "b"),
        ("content", "like", "%map", "a"),
        ("content", "not like", "%map", "bc"),
        ("content", "==", None, "c"),
        ("meta.by.name", "==", "Ann", "a"),
        ("n", ">", 1, "b"),
        ("meta.tags", "array_contains", ["x", "y"], "a"),
        ("meta.tags", "array_overlaps", ["x", "z"], "a"),
        ("meta.tags", "==", ["y"], "b"),
        ("meta.day", ">=", "2024-12-31T00:00:00Z", "c"),
        ("meta.n", "<", None, ""),
        ("meta.n", "in", [], ""),
    ],
)
def test_filters(
    conn: Conn, field: str, operator: str, value: object, expected: str
) -> None:
    store = MatryoshkaDocumentStore(connection=conn)
    store.write_documents(KEPT)
    asked = {"field": field, "operator": operator, "value": value}

    def found(filters: dict[str, Any]) -> str:
        kept = "".join(each.id for each in store.filter_documents(filters))
        assert store.count_documents_by_filter(filters) == len(kept)
        return kept

    assert found(asked) == expected
    opposite = "".join(sorted(set("abc") - set(expected)))
    assert found({"operator": "NOT", "conditions": [asked]}) == opposite
    nothing = {"field": "id", "operator": "==", "value": "-"}
    assert found({"operator": "OR", "conditions": [asked, nothing]}) == expected
    assert found({"operator": "AND", "conditions": [asked, nothing]}) == ""


@pytest.mark.parametrize(
    ("filters", "said"),
    [
        ("n > 1", "is no dictionary"),
        ({"operator": "AND", "conditions": ["n"]}, "is no dictionary"),
        ({"operator": "AND", "conditions": ODD}, "give a list of filters"),
        ({"operator": "XOR", "conditions": [ODD]}, "'AND', 'OR' or 'NOT'"),
        ({**ODD, "operator": "~"}, "which is no operator"),
        ({**ODD, "operator": []}, "which is no operator"),
        ({**ODD, "operator": "in"}, "give a list"),
        ({**ODD, "operator": ">", "value": "x"}, "dates in ISO 8601"),
        ({**ODD, "operator": ">", "value": True}, "only numbers and texts"),
        ({**ODD, "operator": "like", "value": 1}, "give a text"),
        ({**ODD, "field": "embedding"}, "'id', 'content' and fields"),
        ({**ODD, "field": 1}, "'id', 'content' and fields"),
        ({**ODD, "field": "meta."}, "not the name of a field"),
        ({**ODD, "value": "\0"}, "NUL"),
    ],
)
def test_filters_refused(conn: Conn, filters: Any, said: str) -> None:
    store = MatryoshkaDocumentStore(connection=conn, embedding_dimension=2)
    store.write_documents([Document(id="1", embedding=[1.0, 0.0])])
    with pytest.raises(FilterError, match=said):
        store.filter_documents(filters)
    with pytest.raises(FilterError, match=said):
        store.embedding_retrieval([1.0, 0.0], filters=filters)


def test_deleting_everything_has_a_name_of_its_own(
    store: MatryoshkaDocumentStore,
) -> None:
    with pytest.raises(FilterError, match="delete_all_documents"):
        store.delete_by_filter({})
    assert store.count_documents() == ROWS
    store.delete_all_documents()
    assert store.count_documents() == 0
