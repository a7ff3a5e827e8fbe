"""mrl.search and mrl.search_keys: the answers and the plan of the Python side."""

from typing import Any

import numpy as np
import pytest
from psycopg import errors
from support.databases import Conn
from support.plans import explain, force_index, nodes
from support.sql_calls import assert_exact, create, ids, keys, many, share, stock
from support.sql_plans import ordered, planned, scanning, tree
from support.sql_state import notices, refused
from support.tables import Docs, docs_fixture, make_table
from support.vectors import distances, matryoshka, nearest

from mrl_pg import MatryoshkaIndex
from mrl_pg.kinds import Distance, Kind

LOOKS: dict[str, dict[str, Any]] = {
    "plain": {},
    "k": {"k": 25},
    "candidates": {"candidates": 40},
    "wide": {"candidates": 50, "ef_search": 400},
    "one": {"k": 1, "candidates": 1},
    "many candidates": {"k": 30, "candidates": 1500},
    "named": {"dims": 32, "kind": "halfvec"},
    "by index": {"index_name": "docs_embedding_32_halfvec_cosine_hnsw"},
}
FILTERS: dict[str, tuple[str, list[str] | None, str]] = {
    "plain": ("n < 50", None, "n < 50"),
    "args": ("n < $1::int and id > $2::bigint", ["40", "9"], "n < 40 and id > 9"),
    "comment": ("n < 50 -- not the rest", None, "n < 50"),
    "percent": ("n % 2 = 1 and title like '%1%'", None, "n in (1, 3) or true"),
    "quoted": ("title <> '$1' and n < $1::int", ["30"], "n < 30"),
    "array": ("n = any ($1::int[])", ["{3,4,5,6,7,8}"], "n between 3 and 8"),
    "or": ("n = 1 or n = 2", None, "n = 1 or n = 2"),
}


docs = docs_fixture(prepare=force_index)


@pytest.mark.parametrize("look", LOOKS)
def test_answers_and_plan_are_those_of_python(docs: Docs, look: str) -> None:
    options = LOOKS[look]
    asked = {
        name: value
        for name, value in options.items()
        if name not in ("dims", "kind", "index_name")
    }
    for query in (
        docs.vectors[0],
        docs.vectors[1] + docs.vectors[2],
        docs.vectors[500],
    ):
        found = docs.index.search(docs.conn, query, **asked)
        with scanning(docs.conn, docs.index.name):
            answers = keys(docs.conn, query, **options)
        assert [key for key, _ in answers] == found.keys
        assert [far for _, far in answers] == [hit.distance for hit in found]
        with scanning(docs.conn, docs.index.name):
            assert ids(docs.conn, query, **options) == found.keys
        assert_exact(answers, docs.vectors, query)
        if found.k > 1:
            truth = nearest(docs.vectors, query, found.k)
            assert share(found.keys, truth) >= 0.9
        plan = explain(docs.conn, docs.index.plan(docs.conn, query, **asked))
        for form in ("rows", "keys"):
            root = planned(docs.conn, form, [query], **options)
            assert ordered(root) == ordered(plan) == [docs.index.name]
            first = next(node for node, _ in nodes(root) if "Index Name" in node)
            assert tree(first)[1] == docs.index.name


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter(docs: Docs, name: str) -> None:
    where, args, same = FILTERS[name]
    query = docs.vectors[7] + docs.vectors[8]
    passing = [
        row[0]
        for row in docs.conn.execute(f"select id from docs where {same}".encode())
    ]
    if name == "percent":
        passing = [
            i for i in range(1, 2001) if i % 100 % 2 == 1 and "1" in f"title {i}"
        ]
    truth = [key for key in nearest(docs.vectors, query, 2000) if key in passing][:10]
    options: dict[str, Any] = {"filter": where, "args": args}
    with scanning(docs.conn, docs.index.name):
        answers = keys(docs.conn, query, **options)
    assert_exact(answers, docs.vectors, query)
    assert len(answers) == 10
    assert share([key for key, _ in answers], truth) >= 0.9
    assert {key for key, _ in answers} <= set(passing)
    assert ids(docs.conn, query, **options) == [key for key, _ in answers]
    assert ordered(planned(docs.conn, "rows", [query], **options)) == [docs.index.name]


def test_a_filter_that_leaves_few_rows(docs: Docs) -> None:
    query = docs.vectors[3]
    rare = [key for key in nearest(docs.vectors, query, 2000) if key % 100 == 42]
    with notices(docs.conn) as told:
        for options in (
            {"filter": "n = 42"},
            {"filter": "n = $1::int", "args": ["42"]},
        ):
            assert ids(docs.conn, query, **options, k=20) == rare
            assert ids(docs.conn, query, **options, k=30) == rare
        assert ids(docs.conn, query, filter="id = 5 or id = 1999") in (
            [5, 1999],
            [1999, 5],
        )
        assert ids(docs.conn, query, filter="false") == []
        root = planned(docs.conn, "rows", [query], filter="n = 42")
        assert ordered(root) == [docs.index.name]
        with scanning(docs.conn, docs.index.name):
            assert ids(docs.conn, query, filter="n = 42", k=20) == rare
    assert told == []


def test_k_above_the_table(docs: Docs) -> None:
    query = docs.vectors[11]
    with notices(docs.conn) as told, scanning(docs.conn, docs.index.name):
        answers = keys(docs.conn, query, k=2500, candidates=3000)
    assert told == []
    assert [key for key, _ in answers] == nearest(docs.vectors, query, 2000)
    assert_exact(answers, docs.vectors, query)
    root = planned(docs.conn, "keys", [query], k=2500, candidates=3000, again=True)
    assert ordered(root) == [docs.index.name]


def test_exact_compares_every_row(docs: Docs) -> None:
    query = docs.vectors[5] - docs.vectors[6]
    answers = keys(docs.conn, query, exact=True, k=50)
    assert [key for key, _ in answers] == nearest(docs.vectors, query, 50)
    assert answers == [
        (hit.key, hit.distance)
        for hit in docs.index.search(docs.conn, query, exact=True, k=50)
    ]
    assert ids(docs.conn, query, exact=True, k=50) == [key for key, _ in answers]
    assert ordered(planned(docs.conn, "keys", [query], exact=True)) == []


def test_exact_that_is_null_is_not_exact(docs: Docs) -> None:
    query = docs.vectors[5] - docs.vectors[6]
    for options in ({}, {"filter": "n < 50"}, {"candidates": 40}):
        given: dict[str, Any] = {"exact": None, **options}
        with scanning(docs.conn, docs.index.name):
            answers = keys(docs.conn, query, **given)
        assert answers == keys(docs.conn, query, **options)
        with scanning(docs.conn, docs.index.name):
            assert ids(docs.conn, query, **given) == [key for key, _ in answers]
        with scanning(docs.conn, docs.index.name):
            assert many(docs.conn, [query], **given) == [answers]
    few: dict[str, Any] = {"filter": "n = 1", "max_scan_tuples": 1, "exact": None}
    few |= {"k": 20, "candidates": 20, "ef_search": 20}
    for ask in (keys, ids):
        with notices(docs.conn) as told:
            ask(docs.conn, query, **few)
        assert "cut short" in "".join(told)


def test_exact_takes_the_distance_of_the_index_that_is_named(conn: Conn) -> None:
    # of many lengths, so that each distance has another order
    vectors = matryoshka(60) * np.arange(1, 61)[:, None].astype(np.float32)
    query = vectors[4]
    make_table(conn, vectors)
    create(conn, dims=16)
    far = create(conn, dims=16, distance="l2")
    create(conn, dims=8, kind="bit", distance="ip")
    named: list[tuple[dict[str, Any], Distance]] = [
        ({}, "cosine"),
        ({"index_name": far}, "l2"),
        ({"dims": 8}, "ip"),
        ({"kind": "bit"}, "ip"),
    ]
    for options, distance in named:
        answers = keys(conn, query, exact=True, **options)
        truth = nearest(vectors, query, distance=distance)
        assert [key for key, _ in answers] == truth
        assert_exact(answers, vectors, query, distance, tolerance=1e-3)
        assert ids(conn, query, exact=True, **options) == truth
        assert many(conn, [query], exact=True, **options) == [answers]
        root = planned(conn, "keys", [query], exact=True, **options)
        assert ordered(root) == []
    with refused(errors.UndefinedObject, "has no short column of 65 dims"):
        keys(conn, query, exact=True, dims=65)


@pytest.mark.parametrize("kind", ["vector", "halfvec", "bit"])
@pytest.mark.parametrize("distance", ["cosine", "l2", "ip"])
def test_kinds_and_distances(conn: Conn, kind: Kind, distance: Distance) -> None:
    vectors = matryoshka(600)
    full_type = "halfvec" if kind == "halfvec" else "vector"
    name = stock(conn, vectors, full_type=full_type, kind=kind, distance=distance)
    index = MatryoshkaIndex("docs", "embedding", dims=32, kind=kind, distance=distance)
    assert name == index.name
    candidates = 400 if kind == "bit" else 100
    tolerance = 2e-3 if kind == "halfvec" else 1e-5
    for query in (vectors[0], vectors[1] + vectors[2]):
        with scanning(conn, name):
            answers = keys(conn, query, candidates=candidates)
        found = index.search(conn, query, candidates=candidates)
        assert answers == [(hit.key, hit.distance) for hit in found]
        assert_exact(answers, vectors, query, distance, tolerance=tolerance)
        truth = nearest(vectors, query, 10, distance)
        assert share(found.keys, truth) >= 0.8
        assert ordered(planned(conn, "keys", [query])) == [name]
        exact = keys(conn, query, exact=True)
        assert share([key for key, _ in exact], truth) >= 0.9
        assert_exact(exact, vectors, query, distance, tolerance=tolerance)


def test_rows_without_a_distance_are_never_answered(conn: Conn) -> None:
    vectors = matryoshka(400)
    make_table(conn, vectors)
    conn.execute("update docs set embedding = null where id <= 20")
    zero = str([0] * 64)
    conn.execute("update docs set embedding = %s where id between 21 and 40", [zero])
    name = create(conn)
    conn.execute("analyze docs")
    force_index(conn)
    far = distances(vectors, vectors[300], "cosine")
    truth = [int(i) + 1 for i in far.argsort(kind="stable") if i >= 40]
    with scanning(conn, name), notices(conn) as told:
        answers = keys(conn, vectors[300], k=390, candidates=400)
        assert [key for key, _ in answers] == truth
        assert ids(conn, vectors[300], k=12)[:5] == truth[:5]
        assert ids(conn, vectors[300], k=390, exact=True) == truth
    assert told == []
    assert ordered(planned(conn, "keys", [vectors[300]])) == [name]


def test_zero_vectors_have_a_distance_under_l2(conn: Conn) -> None:
    vectors = matryoshka(300)
    vectors[:5] = 0
    with notices(conn) as told:
        name = stock(conn, vectors, distance="l2")
    assert told == [
        "WARNING: 5 of the first 100 vectors are not of length 1: under distance l2"
    ]
    with scanning(conn, name):
        answers = keys(conn, vectors[0], k=5, candidates=300)
    assert sorted(key for key, _ in answers) == [1, 2, 3, 4, 5]
    assert ordered(planned(conn, "keys", [vectors[0]])) == [name]
