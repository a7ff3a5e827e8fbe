"""Several short columns on one table: which one a search takes."""

from collections.abc import Iterator
from typing import Any

import pytest
from support.databases import Server, connect
from support.plans import force_index
from support.sql_calls import assert_exact, create, ids, keys, many, share
from support.sql_plans import ordered, planned, scanning
from support.tables import Docs, make_table
from support.vectors import matryoshka
from support.vectors import nearest as exact

from mrl_pg import MatryoshkaIndex

OLDEST = MatryoshkaIndex("docs", "embedding", dims=32)
NAMES = {
    "oldest": OLDEST.name,
    "small": "docs_embedding_8_halfvec_cosine_hnsw",
    "bits": "docs_embedding_64_bit_cosine_hnsw",
    "twin": "docs_embedding_32_vector_cosine_hnsw",
    "finer": "finer",
}
CHOICES: list[tuple[dict[str, Any], str]] = [
    ({}, "oldest"),
    ({"dims": 8}, "small"),
    ({"dims": 32}, "oldest"),
    ({"dims": 32, "kind": "vector"}, "twin"),
    ({"kind": "halfvec"}, "oldest"),
    ({"kind": "bit"}, "bits"),
    ({"dims": 64}, "bits"),
    ({"index_name": "finer"}, "finer"),
    ({"index_name": "finer", "dims": 32, "kind": "halfvec"}, "finer"),
    ({"filter": "n < 50", "dims": 8}, "small"),
    ({"exact": False, "candidates": 1100, "kind": "bit"}, "bits"),
]


@pytest.fixture(scope="module")
def docs(pg_server: Server) -> Iterator[Docs]:
    vectors = matryoshka(1200)
    with pg_server.fresh() as url, connect(url) as conn:
        make_table(conn, vectors)
        # the oldest is neither the first by name nor by size
        assert create(conn) == NAMES["oldest"]
        assert create(conn, dims=8) == NAMES["small"]
        assert create(conn, dims=64, kind="bit") == NAMES["bits"]
        assert create(conn, kind="vector") == NAMES["twin"]
        finer = create(conn, index_name="finer", m=24, ef_construction=80)
        assert finer == NAMES["finer"]
        conn.execute("analyze docs")
        force_index(conn)
        yield Docs(url, conn, vectors, OLDEST)


def middle(docs: Docs, place: int) -> Any:
    """A point near a row and not on it."""
    return docs.vectors[place] * 0.7 + docs.vectors[place + 1] * 0.3


@pytest.mark.parametrize(("options", "which"), CHOICES)
def test_a_search_takes_the_one_it_names(
    docs: Docs, options: dict[str, Any], which: str
) -> None:
    wanted = {NAMES[which]}
    if which in ("oldest", "finer"):
        # both are of one column: which of them is the planner's choice
        wanted = {NAMES["oldest"], NAMES["finer"]}
    for place in (3, 700):
        query = middle(docs, place)
        answers = keys(docs.conn, query, k=5, **options)
        assert_exact(answers, docs.vectors, query)
        truth = exact(docs.vectors, query, 1200)
        if "filter" in options:
            truth = [key for key in truth if key % 100 < 50]
        assert share([key for key, _ in answers], truth[:5]) >= 0.6
        assert ids(docs.conn, query, k=5, **options) == [key for key, _ in answers]
        assert many(docs.conn, [query], k=5, **options) == [answers]
        for form in ("rows", "keys", "batch"):
            (index,) = ordered(planned(docs.conn, form, [query], k=5, **options))
            assert index in wanted
    with scanning(docs.conn, index):
        ids(docs.conn, query, k=5, **options)
