"""The vector store for LlamaIndex: its contract, and filters beside LlamaIndex's."""

import asyncio
import json
import math
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Any, TypeAlias

import pytest
from llama_index.core import MockEmbedding, Settings, StorageContext, VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.llms import MockLLM
from llama_index.core.schema import (
    BaseNode,
    Document,
    ImageNode,
    IndexNode,
    MediaResource,
    Node,
    NodeRelationship,
    RelatedNodeInfo,
    TextNode,
)
from llama_index.core.vector_stores.simple import SimpleVectorStore
from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
)
from llama_index.core.vector_stores.utils import (
    build_metadata_filter_fn,
    node_to_metadata_dict,
)
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import ConnectionPool
from support.databases import Conn
from support.plans import explain, first_pass, force_index

from mrl_pg import MatryoshkaIndex
from mrl_pg.adapters.conditions import Combination, Comparison, Fields, written
from mrl_pg.adapters.llama_index import (
    MatryoshkaVectorStore,
    condition_of,
    similarity,
)
from mrl_pg.errors import ColumnNotFound, InvalidFilter, InvalidSetting, InvalidVector
from mrl_pg.kinds import Distance

# An index asks for the tokenizer, and the default one takes 0.7 s to read.
Settings.tokenizer = str.split

MMR, HYBRID = VectorStoreQueryMode.MMR, VectorStoreQueryMode.HYBRID
TEXT, SPARSE = VectorStoreQueryMode.TEXT_SEARCH, VectorStoreQueryMode.SPARSE

Call: TypeAlias = Callable[..., Any]


class Points(BaseEmbedding):
    """Embeds the text of a number as a point on a circle, in 8 dimensions."""

    def _get_text_embedding(self, text: str) -> list[float]:
        # the metadata come first
        return point(float(text.split()[-1]))

    def _get_query_embedding(self, query: str) -> list[float]:
        return point(float(query))

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return point(float(query))


def point(number: float) -> list[float]:
    angle = number / 50
    return [math.cos(angle), math.sin(angle), *[0.001] * 6]


def node(number: float, source: str | None = None, **metadata: Any) -> TextNode:
    made = TextNode(
        id_=str(number),
        text=str(number),
        metadata=metadata,
        embedding=point(number),
    )
    if source is not None:
        parent = RelatedNodeInfo(node_id=source, metadata={"title": "T"})
        made.relationships[NodeRelationship.SOURCE] = parent
        following = RelatedNodeInfo(node_id=str(number + 1))
        made.relationships[NodeRelationship.NEXT] = following
    return made


def asking(number: float, k: int = 3, **options: Any) -> VectorStoreQuery:
    return VectorStoreQuery(
        query_embedding=point(number), similarity_top_k=k, **options
    )


def where(key: str, value: Any, operator: str = "==") -> MetadataFilter:
    return MetadataFilter(key=key, value=value, operator=FilterOperator(operator))


def filters(
    *each: MetadataFilter | MetadataFilters, condition: str = "and"
) -> MetadataFilters:
    return MetadataFilters(filters=list(each), condition=FilterCondition(condition))


def ids(nodes: Iterable[BaseNode] | None) -> list[str]:
    return [each.node_id for each in nodes or ()]


# ------------------------------------------------------------------ the contract


@pytest.fixture
async def store(database: str) -> AsyncIterator[MatryoshkaVectorStore]:
    made = MatryoshkaVectorStore(database, dims=4)
    yield made
    await made.aclose()


@pytest.fixture(params=["sync", "async"])
def call(request: pytest.FixtureRequest, store: MatryoshkaVectorStore) -> Call:
    """Calls a method of the store by its name, or the async version of it."""

    async def called(name: str, *args: Any, **kwargs: Any) -> Any:
        if request.param == "sync":
            return getattr(store, name)(*args, **kwargs)
        word = "async_add" if name == "add" else f"a{name}"
        return await getattr(store, word)(*args, **kwargs)

    return called


async def test_every_method(store: MatryoshkaVectorStore, call: Call) -> None:
    assert isinstance(store, BasePydanticVectorStore) and store.stores_text
    assert not store.flat_metadata and store.is_embedding_query
    assert store.to_dict() == {
        "stores_text": True,
        "is_embedding_query": True,
        "flat_metadata": False,
        "class_name": "MatryoshkaVectorStore",
    }
    # before the table is made
    assert await call("get_nodes") == []
    assert (await call("query", asking(1))).ids == []
    await call("delete", "d1")
    await call("clear")
    assert await call("add", []) == []

    nodes = [node(n, f"d{n % 2}", odd=n % 2 == 1, year=2000 + n) for n in range(6)]
    assert await call("add", nodes) == list("012345")
    result = await call("query", asking(2.2, 2))
    assert result.ids == ids(result.nodes) == ["2", "3"]
    cosines = [math.cos(0.2 / 50), math.cos(0.8 / 50)]
    assert result.similarities == pytest.approx(cosines, abs=1e-6)
    first = result.nodes[0]
    assert first == nodes[2].model_copy(update={"embedding": None})
    assert first.ref_doc_id == "d0" and first.next_node.node_id == "3"
    assert first.source_node.metadata == {"title": "T"}

    # the same id again, and twice
    await call("add", [node(2, "d0", odd=True), node(3.5), node(2, "d0", odd=False)])
    (second,) = await call("get_nodes", ["2"])
    assert second.metadata == {"odd": False}

    assert ids(await call("get_nodes", ["5", "none", "0"])) == ["5", "0"]
    assert ids(await call("get_nodes")) == ["0", "1", "2", "3", "3.5", "4", "5"]
    late = filters(where("year", 2003, ">="))
    assert ids(await call("get_nodes", filters=late)) == ["3", "4", "5"]
    assert ids(await call("get_nodes", ["5", "1", "3"], late)) == ["3", "5"]
    assert ids(await call("get_nodes", [])) == []

    async def found(**options: Any) -> list[str]:
        return sorted((await call("query", asking(2.2, 9, **options))).ids)

    assert await found(doc_ids=["d1"]) == ["1", "3", "5"]
    assert await found(doc_ids=[]) == []
    assert await found(node_ids=["1", "4", "none"]) == ["1", "4"]
    assert await found(node_ids=["1", "4"], filters=late) == ["4"]
    # as an index's retriever asks
    assert len(await found(node_ids=[])) == 7

    await call("delete_nodes", ["0", "5", "none"])
    await call("delete_nodes", filters=filters(where("year", 2004)))
    await call("delete_nodes", ["1", "2"], filters(where("year", 2001)))
    await call("delete_nodes", [])
    assert await found() == ["2", "3", "3.5"]
    for nothing in ({}, {"filters": filters()}):
        with pytest.raises(InvalidFilter, match="call clear to delete all"):
            await call("delete_nodes", **nothing)
    await call("delete", "d1")
    assert await found() == ["2", "3.5"]
    await call("clear")
    assert await found() == []


async def test_what_does_not_fit_is_refused(
    store: MatryoshkaVectorStore, call: Call
) -> None:
    with pytest.raises(InvalidVector, match="node '1' has no embedding"):
        await call("add", [node(1).model_copy(update={"embedding": None})])
    await call("add", [node(1)])
    with pytest.raises(InvalidVector, match="the query 'a' has no query_embedding"):
        await call("query", VectorStoreQuery(query_str="a"))
    for mode in set(VectorStoreQueryMode) - {
        VectorStoreQueryMode.DEFAULT,
        VectorStoreQueryMode.MMR,
        VectorStoreQueryMode.HYBRID,
        VectorStoreQueryMode.TEXT_SEARCH,
        VectorStoreQueryMode.SPARSE,
    }:
        with pytest.raises(InvalidSetting, match=f"mode='{mode.value}'"):
            await call("query", asking(1, mode=mode))
    with pytest.raises(InvalidSetting, match=r"mmr_threshold=1\.5 is outside 0"):
        await call("query", asking(1, mode=MMR), mmr_threshold=1.5)
    with pytest.raises(InvalidSetting, match="alpha=2 is outside 0"):
        await call("query", asking(1, mode=HYBRID, query_str="a", alpha=2))
    with pytest.raises(InvalidSetting, match="has no query_str"):
        await call("query", asking(1, mode=HYBRID))
    with pytest.raises(TypeError, match="'racall' is not an option"):
        await call("query", asking(1), racall=0.9)
    with pytest.raises(InvalidSetting, match=r"recall=1\.5"):
        await call("query", asking(1), recall=1.5)
    with pytest.raises(InvalidSetting, match="filter='true': the store itself"):
        await call("query", asking(1), filter="true")
    with pytest.raises(InvalidSetting, match="embedding_field='other'"):
        await call("query", asking(1, embedding_field="other"))


@pytest.mark.parametrize("distance", ["cosine", "ip", "l2"])
def test_the_nearest_has_the_largest_similarity(conn: Conn, distance: Distance) -> None:
    store = MatryoshkaVectorStore(conn, dims=4, distance=distance)
    store.add([node(n) for n in range(5)])
    result = store.query(asking(2.2, 5))
    assert result.ids == ["2", "3", "1", "4", "0"]
    assert result.similarities is not None
    for each, number in zip(result.similarities, map(float, result.ids), strict=True):
        pairs = list(zip(point(2.2), point(number), strict=True))
        product = sum(a * b for a, b in pairs)
        expected = {
            "cosine": product / math.hypot(*point(0)) ** 2,
            "ip": product,
            "l2": -math.dist(point(2.2), point(number)),
        }
        assert each == pytest.approx(expected[distance], abs=1e-6)
    assert result.similarities == sorted(result.similarities, reverse=True)
    assert similarity(0.25, "cosine") == 0.75


def test_nodes_of_every_class_come_back(conn: Conn) -> None:
    nodes: list[BaseNode] = [
        node(1, "d", tags=["a", {"b": None}], size=1.5, doc_id="mine"),
        IndexNode(id_="2", text="i", index_id="other", embedding=point(2)),
        ImageNode(id_="3", text="", image="aGk=", embedding=point(3)),
        Node(id_="4", text_resource=MediaResource(text="t"), embedding=point(4)),
    ]
    nodes[0].excluded_llm_metadata_keys = ["size"]
    store = MatryoshkaVectorStore(conn)
    store.add(nodes)
    assert store.get_nodes(["1", "2", "3", "4"]) == [
        each.model_copy(update={"embedding": None}) for each in nodes
    ]


# ------------------------------------------------------------------ filters

METADATA: dict[str, dict[str, Any]] = {
    "a": {"lang": "en", "year": 2020, "tags": ["x", "y"], "open": True},
    "b": {"lang": "de", "year": 2020.5, "tags": ["y"], "open": 1, "by.name": "Ä%"},
    "c": {"lang": None, "year": -3, "tags": [], "open": False},
    "d": {"lang": "", "year": 0, "tags": ["Xy", 1, 2.0], "by.name": "b_c"},
    "e": {"lang": "English", "year": 1, "tags": None},
    "f": {},
}

VALUES: dict[str, list[Any]] = {
    "==": ["en", "EN", "", 2020, 2020.0, 2020.5, 0, 1, ["x", "y"], ["y", "x"]],
    ">": ["en", "", 2020, 0.5],
    "in": [["en", "de"], [""], [2020, 1], [2020.5, 0.0], []],
    "any": [["x", "z"], ["z"], ["Xy", "y"], ["e", "n"], [1, 3], []],
    "contains": ["y", "X", "e", 1, 2],
    "text_match": ["en", "E", "", "%", "_", "b_C"],
    "is_empty": [None],
}
for same, like in [("!=", "=="), ("nin", "in"), ("all", "any")]:
    VALUES[same] = VALUES[like]
for same in (">=", "<", "<="):
    VALUES[same] = VALUES[">"]
VALUES["text_match_insensitive"] = VALUES["text_match"]


@pytest.fixture
def filled(conn: Conn) -> MatryoshkaVectorStore:
    made = MatryoshkaVectorStore(conn, "filled 50%")
    made.add(
        [
            TextNode(id_=key, text=key, metadata=metadata, embedding=[1.0, 2.0])
            for key, metadata in METADATA.items()
        ]
    )
    return made


def lets_through(asked: MetadataFilters, key: str) -> bool | None:
    """What LlamaIndex says of a node; None if it cannot compare."""
    metadata = node_to_metadata_dict(TextNode(metadata=METADATA[key]))
    try:
        return build_metadata_filter_fn(lambda _: metadata, asked)(key)
    except TypeError:
        return None


def differ(operator: str, value: object) -> bool:
    """Whether we let a node never through, with a value that LlamaIndex compares.

    A letter is no element of a text, and true and false have no order.
    """
    if operator in ("any", "all", "contains"):
        return not isinstance(value, list)
    return operator in (">", ">=", "<", "<=") and isinstance(value, bool)


def through(store: MatryoshkaVectorStore, asked: MetadataFilters | None) -> str:
    got = "".join(ids(store.get_nodes(filters=asked)))
    query = VectorStoreQuery([1.0, 2.0], similarity_top_k=9, filters=asked)
    assert "".join(sorted(store.query(query).ids or [])) == got
    return got


@pytest.mark.parametrize("operator", [each.value for each in FilterOperator])
def test_operators_beside_those_of_llama_index(
    filled: MatryoshkaVectorStore, operator: str
) -> None:
    compared = 0
    for key in ("lang", "year", "tags", "open", "by.name", "none"):
        for value in VALUES[operator]:
            asked = filters(where(key, value, operator))
            got = ids(filled.get_nodes(filters=asked))
            for each, metadata in METADATA.items():
                theirs = lets_through(asked, each)
                if theirs is not None:
                    expected = theirs and not differ(operator, metadata.get(key))
                    assert (each in got) == expected, (key, value, each)
                    compared += 1
    assert compared >= 12


def test_where_filters_are_our_own(filled: MatryoshkaVectorStore) -> None:
    # with None, LlamaIndex lets nothing and everything through
    assert through(filled, filters(where("lang", None))) == "cf"
    assert through(filled, filters(where("lang", None, "!="))) == "abde"
    # an object without fields is empty, too
    extra = TextNode(id_="g", text="g", metadata={"tags": {}}, embedding=[1.0, 2.0])
    filled.add([extra])
    assert through(filled, filters(where("tags", None, "is_empty"))) == "cefg"
    # LlamaIndex compares no text with a number
    assert through(filled, filters(where("year", "2020", ">="))) == ""
    assert through(filled, filters(where("year", "02", "text_match"))) == "ab"
    for value, operator in [("en", "in"), (["en"], "text_match"), (["en"], ">")]:
        with pytest.raises(InvalidFilter, match="the filter compares 'lang' by"):
            filled.get_nodes(filters=filters(where("lang", value, operator)))


def test_filters_combined(filled: MatryoshkaVectorStore) -> None:
    english, german = where("lang", "en"), where("lang", "de")
    for condition in FilterCondition:
        asked = filters(english, german, condition=condition.value)
        got = through(filled, asked)
        assert got == "".join(key for key in METADATA if lets_through(asked, key))
    # LlamaIndex does not nest
    either = filters(english, german, condition="or")
    odd = where("year", 2020)
    assert through(filled, filters(either, odd)) == "a"
    assert through(filled, filters(either, condition="not")) == "cdef"
    neither = filters(filters(english, odd), german, condition="not")
    assert through(filled, neither) == "cdef"
    for nothing in (None, filters(), filters(filters()), filters(condition="or")):
        assert through(filled, nothing) == "abcdef"
    assert through(filled, filters(filters(), english, condition="or")) == "abcdef"
    assert condition_of(filters(condition="not")) is None


# ------------------------------------------------------------------ the index in use

INDEX = "nodes_embedding_4_halfvec_cosine_hnsw"


@pytest.fixture
def many(conn: Conn) -> MatryoshkaVectorStore:
    made = MatryoshkaVectorStore(conn, dims=4)
    made.add([node(n, year=2000 + n % 3) for n in range(300)])
    conn.execute("analyze nodes")
    force_index(conn)
    return made


def scans(conn: Conn) -> int:
    conn.execute("select pg_stat_force_next_flush()")
    row = conn.execute(
        "select idx_scan from pg_stat_user_indexes where indexrelname = %s", [INDEX]
    ).fetchone()
    assert row is not None
    return int(row[0])


def nearest(number: float, k: int, among: Callable[[int], bool] = bool) -> list[str]:
    """The numbers nearest to one, without any database."""
    rows = sorted(filter(among, range(300)), key=lambda row: abs(row - number))
    return list(map(str, rows[:k]))


def test_two_passes_find_the_nearest_nodes(
    conn: Conn, many: MatryoshkaVectorStore
) -> None:
    index = MatryoshkaIndex("nodes", "embedding", dims=4)
    before = scans(conn)
    assert many.query(asking(100.2, 5)).ids == nearest(100.2, 5)
    assert scans(conn) == before + 1
    plan = index.plan(conn, point(100.2), k=5, columns=["text", "metadata"])
    assert first_pass(explain(conn, plan)) == [INDEX]

    asked = filters(where("year", 2001))
    found = many.query(asking(100.2, 5, filters=asked), candidates=60)
    assert found.ids == nearest(100.2, 5, lambda number: number % 3 == 1)
    assert scans(conn) == before + 2
    sent, params = written(condition_of(asked), Fields("metadata", {}))
    plan = index.plan(conn, point(100.2), k=5, filter=sent, params=params)
    assert first_pass(explain(conn, plan)) == [INDEX]

    assert many.query(asking(100.2, 5), exact=True).ids == nearest(100.2, 5)
    assert scans(conn) == before + 2
    index.calibrate(conn, k=5, sample=60)
    assert many.query(asking(100.2, 5), recall=0.9).ids == nearest(100.2, 5)


@pytest.mark.parametrize("asked", [where("year", 2001), where("year", 1)])
def test_equality_finds_nodes_by_an_index_of_metadata(
    conn: Conn, many: MatryoshkaVectorStore, asked: MetadataFilter
) -> None:
    conn.execute("create index by_field on nodes using gin (metadata jsonb_path_ops)")
    conn.execute("set enable_bitmapscan = on")
    # as `delete` compares
    source = Comparison(("ref_doc_id",), "=", "d1")
    for condition in (condition_of(filters(asked)), Combination("or", (source,))):
        sent, params = written(condition, Fields("metadata", {}))
        query = sql.SQL("explain select from nodes where {}").format(sent)
        plan = str(conn.execute(query, params).fetchall())
        assert "Bitmap Index Scan on by_field" in plan and "Seq Scan" not in plan


async def test_nodes_unlike_each_other(conn: Conn, many: MatryoshkaVectorStore) -> None:
    # of two nodes, LlamaIndex chooses as we do; of more, it looks at the last one alone
    theirs = SimpleVectorStore()
    theirs.add([node(n) for n in range(90, 111)])
    before = scans(conn)
    for threshold in (0.3, 0.5, 1):
        asked = asking(100.2, 2, mode=MMR)
        expected = theirs.query(asked, mmr_threshold=threshold)
        found = many.query(asked, mmr_threshold=threshold, fetch=21)
        assert found.ids == expected.ids
        assert found.similarities is not None
        assert found.similarities[0] == pytest.approx(math.cos(0.2 / 50), abs=1e-6)
    assert scans(conn) == before + 3
    by_query = asking(100.2, 2, mode=MMR, mmr_threshold=1)
    assert (await many.aquery(by_query)).ids == nearest(100.2, 2)


async def test_words_and_vectors(conn: Conn, many: MatryoshkaVectorStore) -> None:
    conn.execute("create index words on nodes using gin (to_tsvector('english', text))")
    before = scans(conn)
    both = asking(100.2, 3, mode=HYBRID, query_str="250")
    result = many.query(both)
    assert result.ids == ["100", "250", "101"]
    assert result.similarities == pytest.approx([1 / 61, 1 / 61, 1 / 62])
    assert scans(conn) == before + 1
    assert (await many.aquery(both)).ids == result.ids

    def found(**asked: Any) -> list[str] | None:
        query = asking(100.2, 3, mode=HYBRID, query_str="250", **asked)
        return many.query(query, config="simple", candidates=100).ids

    assert found(alpha=0) == ["250"]
    assert found(alpha=1) == nearest(100.2, 3)
    assert found(alpha=0.4) == ["250", "100", "101"]
    assert found(hybrid_top_k=1, alpha=0.4) == ["250"]
    assert found(sparse_top_k=1) == result.ids
    with pytest.raises(InvalidSetting, match="fetch=101 is above the 100 rows"):
        found(sparse_top_k=101)
    assert found(filters=filters(where("year", 2000)), alpha=0) == []


@pytest.mark.parametrize("mode", [TEXT, SPARSE])
async def test_words_alone(
    conn: Conn, many: MatryoshkaVectorStore, mode: VectorStoreQueryMode
) -> None:
    conn.execute("create index words on nodes using gin (to_tsvector('english', text))")
    before = scans(conn)
    words = VectorStoreQuery(
        query_str="which is 250 or 7?", mode=mode, similarity_top_k=5
    )
    found = many.query(words)
    assert found.ids == ["250", "7"]
    assert found.similarities is not None and min(found.similarities) > 0
    assert (await many.aquery(words)).ids == found.ids
    assert scans(conn) == before
    few = VectorStoreQuery(query_str="250 7", mode=mode, sparse_top_k=1)
    assert many.query(few).ids == ["250"]
    assert many.query(few, match="all", config="simple").ids == []
    few.filters = filters(where("year", 2000))
    assert set(many.query(few).ids or []) <= {"7"}
    with pytest.raises(TypeError, match="'recall' is not an option here"):
        many.query(words, recall=0.9)
    with pytest.raises(InvalidSetting, match="has no query_str"):
        many.query(VectorStoreQuery(query_embedding=[1.0, 2.0], mode=mode))


# ------------------------------------------------------------------ inside LlamaIndex


def as_they_are(nodes: Sequence[BaseNode], **_: Any) -> Sequence[BaseNode]:
    return nodes


async def test_an_index_with_its_retriever_and_query_engine(
    store: MatryoshkaVectorStore,
) -> None:
    nodes = [node(n, f"d{n % 2}", odd=n % 2) for n in range(20)]
    index = VectorStoreIndex(
        [each.model_copy(update={"embedding": None}) for each in nodes],
        storage_context=StorageContext.from_defaults(vector_store=store),
        embed_model=Points(),
        transformations=[as_they_are],  # type: ignore[list-item]  # any callable
    )
    odd = filters(where("odd", 1))
    retriever = index.as_retriever(
        similarity_top_k=2, filters=odd, vector_store_kwargs={"candidates": 20}
    )
    scored = retriever.retrieve("8.2")
    assert [each.node_id for each in scored] == ["9", "7"]
    assert scored[0].score == pytest.approx(math.cos(0.8 / 50), abs=1e-6)
    assert [each.node_id for each in await retriever.aretrieve("4.2")] == ["5", "3"]

    index.insert_nodes([node(8.1, "d0")])
    await index.ainsert_nodes([node(8.3, "d1")])
    engine = index.as_query_engine(llm=MockLLM(), similarity_top_k=3)
    for response in (engine.query("8.16"), await engine.aquery("8.16")):
        assert ids(each.node for each in response.source_nodes) == ["8.1", "8.3", "8"]
        assert "8.1\n\n8.3\n\nodd: 0\n\n8\n" in str(response)
    index.delete_nodes(["8"])
    index.delete_ref_doc("d1")
    await index.adelete_ref_doc("none")
    assert [each.node_id for each in index.as_retriever().retrieve("7")] == ["6", "8.1"]

    # as docs say of these nodes
    index.insert_nodes([IndexNode(id_="i", text="7.5", index_id="other")])
    assert [each.node_id for each in index.as_retriever().retrieve("7")] == ["i"]
    store.delete_nodes(["i"])

    # another process with the same table
    again = VectorStoreIndex.from_vector_store(store, embed_model=Points())
    assert [each.node_id for each in again.as_retriever().retrieve("7")] == ["6", "8.1"]


def test_an_index_that_is_filled_asynchronously(database: str) -> None:
    store = MatryoshkaVectorStore(database)
    nodes = [TextNode(id_=str(n), text=str(n)) for n in range(5)]
    index = VectorStoreIndex(
        nodes,
        storage_context=StorageContext.from_defaults(vector_store=store),
        embed_model=Points(),
        transformations=[as_they_are],  # type: ignore[list-item]  # any callable
        use_async=True,
    )
    assert ids(each.node for each in index.as_retriever().retrieve("1.9")) == ["2", "1"]
    store.close()


def test_a_pipeline_fills_the_store(conn: Conn) -> None:
    store = MatryoshkaVectorStore(conn)
    pipeline = IngestionPipeline(
        transformations=[MockEmbedding(embed_dim=3)], vector_store=store
    )
    pipeline.run(documents=[Document(id_="1", text="one", metadata={"lang": "en"})])
    (found,) = store.get_nodes()
    assert (found.node_id, found.get_content(), found.metadata) == (
        "1",
        "one",
        {"lang": "en"},
    )


# ------------------------------------------------------------------ a table of yours


def test_a_table_of_ones_own(conn: Conn) -> None:
    conn.execute(
        "create table own (number int primary key, body text, lang text, year int,"
        " open bool, day date, rest jsonb, vec vector(8))"
    )
    conn.execute(
        "insert into own values (1, 'one', 'en', 2020, true, '2024-05-01',"
        """ '{"by": "me"}', %s::float[]::vector)""",
        [point(1)],
    )
    names: dict[str, Any] = {
        "id_column": "number",
        "text_column": "body",
        "embedding_column": "vec",
    }
    columns = ["lang", "year", "open", "day"]
    store = MatryoshkaVectorStore(
        conn, "own", **names, metadata_column="rest", metadata_columns=columns
    )
    store.add([node(2, "d1", lang="de", year=2021, open=False, by="you", none=None)])
    one, two = store.get_nodes(["1", "2"])
    assert one.metadata.pop("day").isoformat() == "2024-05-01"
    assert one == TextNode(
        id_="1",
        text="one",
        metadata={"lang": "en", "year": 2020, "open": True, "by": "me"},
    )
    assert two.ref_doc_id == "d1" and two.get_content() == "2"
    ordered = '{"lang": "de", "year": 2021, "open": false, "by": "you", "none": null}'
    assert json.dumps(two.metadata) == ordered
    row = conn.execute("select lang, year, open, day from own where number = 2")
    assert row.fetchone() == ("de", 2021, False, None)

    for asked, expected in [
        (where("lang", "en"), ["1"]),
        (where("year", [2020, 2021], "in"), ["1", "2"]),
        (where("year", 2021, "<"), ["1"]),
        (where("open", 1), ["1"]),
        (where("open", 0, "!="), ["1"]),
        (where("day", "2024-01-01", ">"), ["1"]),
        (where("day", None, "is_empty"), ["2"]),
        (where("lang", "E", "text_match_insensitive"), ["1", "2"]),
        (where("by", "me"), ["1"]),
    ]:
        assert ids(store.get_nodes(filters=filters(asked))) == expected, asked

    with pytest.raises(InvalidFilter, match="invalid input syntax for type integer"):
        store.query(asking(1, filters=filters(where("year", 2020.5))))

    # what SQL has changed
    conn.execute(
        "update own set body = 'zwei', year = 2022, lang = null,"
        """ rest = rest - 'by' || '{"new": 1}' where number = 2"""
    )
    (two,) = store.query(asking(2, 1)).nodes or []
    assert two.get_content() == "zwei"
    assert two.metadata == {
        "lang": None, "year": 2022, "open": False, "none": None, "new": 1
    }  # fmt: skip
    MatryoshkaIndex("own", "vec", dims=4, kind="bit").create(conn)
    assert store.query(asking(1.9, 2)).ids == ["2", "1"]

    plain = MatryoshkaVectorStore(
        conn, "own", **names, metadata_column=None, metadata_columns=["lang"]
    )
    assert plain.query(asking(1, 1, filters=filters(where("lang", "en")))).ids == ["1"]
    with pytest.raises(InvalidSetting, match="nodes keep their relationships"):
        plain.add([node(3)])
    with pytest.raises(InvalidFilter, match="'ref_doc_id' is no column"):
        plain.delete("d1")
    other = MatryoshkaVectorStore(conn, "own")
    with pytest.raises(ColumnNotFound, match="no column 'id'"):
        other.query(asking(1))


# ------------------------------------------------------------------ connections


async def test_the_store_closes_what_it_opened(database: str, conn: Conn) -> None:
    def others() -> int:
        row = conn.execute(
            "select count(*) from pg_stat_activity where datname = current_database()"
            " and pid <> pg_backend_pid() and backend_type = 'client backend'"
        ).fetchone()
        assert row is not None
        return int(row[0])

    before = others()
    parts = conninfo_to_dict(database)
    store = MatryoshkaVectorStore.from_params(
        host=str(parts["host"]),
        port=parts.get("port"),
        database=str(parts["dbname"]),
        user=str(parts["user"]),
        table="other",
    )
    store.add([node(1)])
    await store.async_add([node(2)])
    assert others() > before
    await store.aclose()
    for _ in range(100):
        if others() == before:
            break
        await asyncio.sleep(0.01)
    assert others() == before

    with ConnectionPool(database, open=True) as lent:
        pooled = MatryoshkaVectorStore(lent, "other")
        assert (await pooled.aquery(asking(1, 1))).ids == ["1"]
        pooled.close()
        assert pooled.query(asking(1, 1)).ids == ["1"]
        assert pooled.client.table.table == "other"


def test_the_store_works_in_its_callers_transaction(
    conn: Conn, many: MatryoshkaVectorStore
) -> None:
    with conn.transaction(force_rollback=True):
        many.delete_nodes(["100"])
        many.add([node(100.1)])
        assert many.query(asking(100, 1)).ids == ["100.1"]
    assert many.query(asking(100, 1)).ids == ["100"]
