"""Several short columns on one table: which one a search takes, and all in a row."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from psycopg import errors
from support.databases import Server, connect
from support.plans import force_index
from support.sql_calls import assert_exact, create, ids, keys, many, one, share, text
from support.sql_plans import ordered, planned, prepared, run, scanning
from support.sql_state import refused
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
FUNNEL = ["bit(64) 500", "halfvec(8) 200", "halfvec(32) 60"]


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


def funnel(docs: Docs, query: Any, k: int) -> list[int]:
    """The passes by NumPy, every row looked at."""
    rows = docs.vectors.astype(np.float64)
    left = np.argsort(((rows > 0) != (query > 0)).sum(axis=1), kind="stable")[:500]
    for dims, count in ((8, 200), (32, 60), (64, k)):
        short = rows[left, :dims]
        near = short @ query[:dims] / np.linalg.norm(short, axis=1)
        left = left[np.argsort(-near, kind="stable")[:count]]
    return [int(place) + 1 for place in left]


def test_a_funnel_of_three_passes(docs: Docs) -> None:
    asked = [middle(docs, place) for place in range(0, 1000, 100)]
    shares, truths, most = [], [], []
    with scanning(docs.conn, NAMES["bits"]):
        for query in asked:
            answers = keys(docs.conn, query, passes=FUNNEL)
            found = [key for key, _ in answers]
            assert_exact(answers, docs.vectors, query)
            assert ids(docs.conn, query, passes=FUNNEL) == found
            shares.append(share(found, funnel(docs, query, 10)))
            truths.append(share(found, exact(docs.vectors, query)))
            best = funnel(docs, query, 10)
            most.append(share(best, exact(docs.vectors, query)))
    assert np.mean(shares) >= 0.9
    assert np.mean(truths) >= np.mean(most) - 0.03
    root = planned(docs.conn, "rows", [asked[0]], passes=FUNNEL)
    # later passes look at no index: they rank what the first handed over
    assert ordered(root) == [NAMES["bits"]]
    assert many(docs.conn, asked[:2], passes=FUNNEL) == [
        keys(docs.conn, query, passes=FUNNEL) for query in asked[:2]
    ]
    batch = planned(docs.conn, "batch", asked, passes=FUNNEL)
    assert ordered(batch) == [NAMES["bits"]]


def test_a_narrow_pass_loses_what_it_drops(docs: Docs) -> None:
    query = middle(docs, 40)
    passes = ["bit(64) 1200", "halfvec(8) 10"]
    rows = docs.vectors.astype(np.float64)[:, :8]
    near = rows @ query[:8] / np.linalg.norm(rows, axis=1)
    kept = {int(place) + 1 for place in np.argsort(-near)[:10]}
    with scanning(docs.conn, NAMES["bits"]):
        assert set(ids(docs.conn, query, passes=passes)) == kept
    assert len(kept & set(exact(docs.vectors, query))) < 10
    root = planned(docs.conn, "rows", [query], passes=passes)
    assert ordered(root) == [NAMES["bits"]]


@pytest.mark.parametrize("filter", [None, "n < 30 -- not the rest"])
def test_a_funnel_printed_and_made_answers_alike(
    docs: Docs, filter: str | None
) -> None:
    query = middle(docs, 77)
    wanted = ids(docs.conn, query, passes=FUNNEL, filter=filter)
    assert len(wanted) == 10
    call = "select mrl.search_sql('docs', 'embedding', passes => %s, filter => %s)"
    statement = one(docs.conn, call, FUNNEL, filter)
    printed = run(docs.conn, statement, ["vector"], [text(query)])
    assert [row[0] for row in printed] == wanted
    root = prepared(docs.conn, statement, ["vector"], [text(query)])
    assert ordered(root) == [NAMES["bits"]]
    call = (
        "select mrl.create_search_function('funnel', 'docs', 'embedding',"
        " passes => %s, filter => %s)"
    )
    one(docs.conn, call, FUNNEL, filter)
    with scanning(docs.conn, NAMES["bits"]):
        rows = docs.conn.execute("select id from funnel(%s)", [text(query)]).fetchall()
    assert [row[0] for row in rows] == wanted
    docs.conn.execute("drop function funnel")


@pytest.mark.parametrize(
    ("passes", "message", "hint"),
    [
        ([], "passes is empty", "list at least one"),
        (["bit 64 500"], "pass 'bit 64 500' is not a kind, dims and a count", "write"),
        (["text(64) 500"], "is not a kind, dims and a count", "write it as"),
        (["bit(64) -5"], "is not a kind, dims and a count", "write it as"),
        (["bit(64) 500; drop table docs"], "is not a kind, dims and a count", ""),
        ([None], "pass NULL is not a kind", ""),
        (["bit(64) 50", "halfvec(8) 60"], "hands over more rows than the one", "order"),
        (["bit(64) 9"], "the last pass hands over 9 rows, fewer than k 10", "raise"),
        (["bit(64) 500", "halfvec(8) 9"], "the last pass hands over 9 rows", "raise"),
        (["bit(32) 500"], "has no short column of 32 dims, kind bit", "bit(64)"),
    ],
)
def test_passes_that_are_refused(
    docs: Docs, passes: list[str | None], message: str, hint: str
) -> None:
    kinds = (errors.InvalidParameterValue, errors.UndefinedObject)
    for call in (keys, ids):
        with refused(errors.Error, message, hint):
            call(docs.conn, docs.vectors[0], passes=passes)
    for function in ("mrl.search_sql(", "mrl.create_search_function('f', "):
        call_sql = f"select {function}'docs', 'embedding', passes => %s::text[])"
        with pytest.raises(kinds):
            docs.conn.execute(call_sql.encode(), [passes])


@pytest.mark.parametrize(
    "with_it",
    [{"candidates": 90}, {"dims": 8}, {"kind": "bit"}, {"index_name": "docs_hnsw"}],
)
def test_passes_say_all_there_is_to_say(docs: Docs, with_it: dict[str, Any]) -> None:
    with refused(
        errors.InvalidParameterValue, "passes name candidates, dims and kind", "leave"
    ):
        ids(docs.conn, docs.vectors[0], passes=FUNNEL, **with_it)
    ((name, value),) = with_it.items()
    for function in ("mrl.search_sql(", "mrl.create_search_function('f', "):
        call = f"select {function}'docs', 'embedding', passes => %s, {name} => %s)"
        with refused(errors.InvalidParameterValue, "passes name candidates"):
            docs.conn.execute(call.encode(), [FUNNEL, value])


def test_an_exact_search_has_no_passes(docs: Docs) -> None:
    with refused(errors.InvalidParameterValue, "exact search has no passes", "leave"):
        ids(docs.conn, docs.vectors[0], passes=FUNNEL, exact=True)
