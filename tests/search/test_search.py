"""Two passes on real text vectors: the index did it, and the answers are right."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pgvector import HalfVector, Vector
from support.databases import Conn, Server, connect
from support.plans import explain, first_pass, indexes, nodes
from support.tables import make_table
from support.vectors import Vectors, assert_true, nearest, recall

from mrl_pg import MatryoshkaIndex, normalise
from mrl_pg.demo.corpus import glosses
from mrl_pg.demo.model import StaticModel
from mrl_pg.kinds import Distance, Kind

ROWS, FULL = 1500, 256
SHORT: dict[Kind, int] = {"vector": 64, "halfvec": 64, "bit": 256}
FLOOR: dict[Kind, float] = {"vector": 0.97, "halfvec": 0.97, "bit": 0.95}
"""Recall at 10 with the default 160 candidates."""

TEXTS = [
    "fear of spiders",
    "instrument for measuring temperature",
    "person who makes maps",
    "a small sweet fruit",
    "to walk slowly without purpose",
    "the capital of a country in europe",
    "relating to the sea",
    "a feeling of great happiness",
    "part of the body near the knee",
    "money paid to the government",
    "a bird that cannot fly",
    "in a careless manner",
    "cover with a thin layer of metal",
    "member of a religious order",
    "disease of the lungs",
    "chemical element used in batteries",
]


@dataclass(frozen=True, slots=True)
class Glosses:
    """A table `docs` of real vectors, indexed in every kind and distance."""

    conn: Conn
    vectors: Vectors
    queries: Vectors

    def index(self, kind: Kind, distance: Distance) -> MatryoshkaIndex:
        # sign bits are compared by Hamming distance, whatever the second pass does
        return MatryoshkaIndex(
            "docs",
            "embedding",
            dims=SHORT[kind],
            kind=kind,
            distance=distance,
            name="docs_bits" if kind == "bit" else "",
        )


@cache
def embedded() -> tuple[Vectors, Vectors]:
    model = StaticModel.load()
    rows = model.embed([gloss.text for gloss in glosses(ROWS)])
    queries = model.embed(TEXTS)
    return normalise(rows[:, :FULL]), normalise(queries[:, :FULL])


@pytest.fixture(scope="module")
def docs(pg_server: Server) -> Iterator[Glosses]:
    vectors, queries = embedded()
    with (
        pg_server.fresh() as url,
        connect(url) as conn,
    ):
        make_table(conn, vectors)
        docs = Glosses(conn, vectors, queries)
        # the columns first: each one added builds the indexes there are again
        for distance in DISTANCES:
            for kind in SHORT:
                docs.index(kind, distance).create(conn)
        conn.execute("analyze docs")
        yield docs


DISTANCES: tuple[Distance, ...] = ("cosine", "l2", "ip")
every_kind = pytest.mark.parametrize("kind", SHORT)
every_distance = pytest.mark.parametrize("distance", DISTANCES)


@every_kind
@every_distance
def test_two_passes_answer_what_exact_search_does(
    docs: Glosses, kind: Kind, distance: Distance
) -> None:
    index = docs.index(kind, distance)
    recalls = []
    for query in docs.queries:
        found = index.search(docs.conn, query, k=10)
        exact = index.search(docs.conn, query, k=10, exact=True)
        assert exact.keys == nearest(docs.vectors, query, 10, distance)
        assert_true(exact, docs.vectors, query, distance)
        assert_true(found, docs.vectors, query, distance)
        assert len(found) == 10
        recalls.append(recall(found, exact.keys))
    assert first_pass(explain(docs.conn, index.plan(docs.conn, docs.queries[0]))) == [
        index.name
    ]
    assert np.mean(recalls) >= FLOOR[kind]


@every_kind
def test_more_candidates_find_more(docs: Glosses, kind: Kind) -> None:
    index = docs.index(kind, "cosine")
    means = []
    for candidates in (10, 40, 400):
        found = [
            index.search(docs.conn, query, k=10, candidates=candidates)
            for query in docs.queries
        ]
        truth = [nearest(docs.vectors, query) for query in docs.queries]
        means.append(np.mean([recall(f, t) for f, t in zip(found, truth, strict=True)]))
    assert means[0] < means[1] <= means[2]
    assert means[2] >= 0.99


def test_the_result_says_what_the_search_did(docs: Glosses) -> None:
    index, query = docs.index("halfvec", "cosine"), docs.queries[0]
    found = index.search(docs.conn, query, k=7, candidates=50, ef_search=90)
    assert (found.k, found.candidates, found.seen, found.ef_search) == (7, 50, 50, 90)
    assert (found.scan, found.cut_short, len(found)) == ("single", False, 7)
    default = index.search(docs.conn, query)
    assert (default.k, default.candidates, default.ef_search) == (10, 160, 160)
    many = index.search(docs.conn, query, k=100)
    assert (many.candidates, many.seen, many.ef_search) == (800, 800, 800)


def test_an_exact_search_has_no_candidates_and_no_index(docs: Glosses) -> None:
    index, query = docs.index("halfvec", "cosine"), docs.queries[1]
    docs.conn.execute(
        "create index full_hnsw on docs using hnsw (embedding vector_cosine_ops)"
    )
    try:
        docs.conn.execute("set enable_seqscan = off")
        root = explain(docs.conn, index.plan(docs.conn, query, exact=True))
        found = index.search(docs.conn, query, exact=True)
    finally:
        docs.conn.execute("reset enable_seqscan")
        docs.conn.execute("drop index full_hnsw")
    assert indexes(root) == []
    assert "Seq Scan" in {node["Node Type"] for node, _ in nodes(root)}
    assert (found.candidates, found.seen, found.ef_search) == (None, None, None)
    assert (found.scan, found.cut_short) == ("exact", False)
    assert found.keys == nearest(docs.vectors, query)


def test_exact_search_needs_no_index_at_all(docs: Glosses) -> None:
    index = MatryoshkaIndex("docs", "embedding", dims=16)
    found = index.search(docs.conn, docs.queries[2], exact=True)
    assert found.keys == nearest(docs.vectors, docs.queries[2])


QUERY_TYPES: dict[str, Callable[[Vectors], Any]] = {
    "list": lambda q: q.tolist(),
    "tuple": lambda q: tuple(q.tolist()),
    "float16": lambda q: q.astype(np.float16),
    "float32": lambda q: q,
    "float64": lambda q: q.astype(np.float64),
    "big endian": lambda q: q.astype(">f4"),
    "strided": lambda q: np.repeat(q, 2)[::2],
    "Vector": lambda q: Vector(q),
    "HalfVector": lambda q: HalfVector(q),
}


@pytest.mark.parametrize("type_name", QUERY_TYPES)
def test_a_query_of_any_type_gives_the_same_answer(
    docs: Glosses, type_name: str
) -> None:
    # of halves, so that no type has to round it
    half: NDArray[np.float32] = docs.queries[3].astype(np.float16).astype(np.float32)
    index = docs.index("halfvec", "cosine")
    query: Any = QUERY_TYPES[type_name](half)
    found = index.search(docs.conn, query)
    assert found.hits == index.search(docs.conn, half).hits
    assert_true(found, docs.vectors, half)
    plan = index.plan(docs.conn, query)
    assert first_pass(explain(docs.conn, plan)) == [index.name]


def test_integers_are_a_query_too(docs: Glosses) -> None:
    index = docs.index("halfvec", "cosine")
    query = np.sign(docs.queries[4]).astype(np.int64)
    found = index.search(docs.conn, query.tolist())
    assert found.hits == index.search(docs.conn, query).hits
    assert_true(found, docs.vectors, query)


def test_a_result_is_a_sequence_of_hits(docs: Glosses) -> None:
    found = docs.index("halfvec", "cosine").search(
        docs.conn, docs.queries[5], k=3, columns=["title", "n"]
    )
    assert [hit.key for hit in found] == found.keys
    assert found[0] is found.hits[0]
    assert found[-2:] == found.hits[1:]
    assert found[0] in found
    assert found[0]["title"] == f"title {found[0].key}"
    assert dict(found[1].columns) == {
        "title": f"title {found[1].key}",
        "n": found[1].key % 100,
    }
