"""mrl.search_many: each query answered as mrl.search_keys answers it alone."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from psycopg import errors
from support.databases import Conn, Server
from support.plans import force_index
from support.sql_calls import assert_exact, create, keys, many, one, share, stock
from support.sql_plans import ordered, planned, scanning
from support.sql_state import notices, refused
from support.tables import Docs, fresh_docs
from support.vectors import matryoshka, nearest

LOOKS: dict[str, dict[str, Any]] = {
    "plain": {},
    "k": {"k": 25, "candidates": 100},
    "wide": {"candidates": 50, "ef_search": 400},
    "many candidates": {"candidates": 1200},
    "filter": {"filter": "n < $1::int", "args": ["50"]},
    "comment": {"filter": "n < 50 -- 100% of these"},
    "kind": {"kind": "bit", "candidates": 900},
}


@pytest.fixture(scope="module")
def docs(pg_server: Server) -> Iterator[Docs]:
    with fresh_docs(pg_server, rows=1500) as docs:
        create(docs.conn, kind="bit")
        force_index(docs.conn)
        yield docs


def queries(docs: Docs, count: int) -> list[Any]:
    """Points between two rows."""
    return [docs.vectors[i] * 0.7 + docs.vectors[i + 1] * 0.3 for i in range(count)]


@pytest.mark.parametrize("look", LOOKS)
def test_each_query_is_answered_as_if_alone(docs: Docs, look: str) -> None:
    options = LOOKS[look]
    asked = queries(docs, 12)
    bit = docs.index.name.replace("halfvec", "bit")
    name = bit if look == "kind" else docs.index.name
    with scanning(docs.conn, name):
        answers = many(docs.conn, asked, **options)
    shares = []
    for query, hits in zip(asked, answers, strict=True):
        assert hits == keys(docs.conn, query, **options)
        assert_exact(hits, docs.vectors, query)
        truth = nearest(docs.vectors, query, 1500)
        if "filter" in options:
            truth = [key for key in truth if key % 100 < 50]
        shares.append(share([key for key, _ in hits], truth[: len(hits)]))
        assert len(hits) == options.get("k", 10)
    assert np.mean(shares) >= 0.9
    assert ordered(planned(docs.conn, "batch", asked, **options)) == [name]


def test_python_answers_alike(docs: Docs) -> None:
    asked = queries(docs, 6)
    found = docs.index.search_many(docs.conn, asked)
    with scanning(docs.conn, docs.index.name):
        answers = many(docs.conn, asked)
    assert answers == [[(hit.key, hit.distance) for hit in result] for result in found]
    exact = docs.index.search_many(docs.conn, asked, exact=True)
    assert many(docs.conn, asked, exact=True) == [
        [(hit.key, hit.distance) for hit in result] for result in exact
    ]
    assert ordered(planned(docs.conn, "batch", asked)) == [docs.index.name]


def test_one_query_none_and_the_same_one_twice(docs: Docs) -> None:
    query = docs.vectors[3]
    with scanning(docs.conn, docs.index.name):
        assert many(docs.conn, [query]) == [keys(docs.conn, query)]
    assert many(docs.conn, [query] * 3) == [keys(docs.conn, query)] * 3
    assert many(docs.conn, []) == []
    assert ordered(planned(docs.conn, "batch", [query])) == [docs.index.name]


def test_few_rows_pass_for_every_query(docs: Docs) -> None:
    asked = queries(docs, 4)
    with notices(docs.conn) as told, scanning(docs.conn, docs.index.name):
        answers = many(docs.conn, asked, filter="n = 42", k=20)
    assert told == []
    for query, hits in zip(asked, answers, strict=True):
        rare = [key for key in nearest(docs.vectors, query, 1500) if key % 100 == 42]
        assert [key for key, _ in hits] == rare
    root = planned(docs.conn, "batch", asked, filter="n = 42", k=20)
    assert ordered(root) == [docs.index.name]


def test_queries_that_are_refused(docs: Docs) -> None:
    call = "select * from mrl.search_many(null::docs, 'embedding', {}::vector[])"
    good = str(docs.vectors[0].tolist())
    zero = str([0] * 64)
    for given, kind, message in (
        ("null", errors.NullValueNotAllowed, "queries is NULL"),
        (f"array['{good}', null]", errors.NullValueNotAllowed, "the query is NULL"),
        (f"array['{good}', '[1,2]']", errors.DataException, "has 2 dimensions"),
        (f"array['{good}', '{zero}']", errors.DataException, "is all zeros"),
    ):
        with refused(kind, message):
            docs.conn.execute(call.format(given).encode())


def test_dead_rows_around_some_of_the_queries(conn: Conn) -> None:
    vectors = matryoshka(1200)
    name = stock(conn, vectors)
    centre = vectors[0]
    near = nearest(vectors, centre, 1200)
    conn.execute("delete from docs where id = any (%s)", [near[:600]])
    far = vectors[near[-1] - 1]
    asked = [far, centre, -centre, centre]
    with notices(conn) as told, scanning(conn, name):
        answers = many(conn, asked)
    assert told == []
    for query, hits in zip(asked, answers, strict=True):
        truth = [key for key in nearest(vectors, query, 1200) if key not in near[:600]]
        assert len(hits) == 10
        assert_exact(hits, vectors, query)
        assert share([key for key, _ in hits], truth[:10]) >= 0.9
    for again in (False, True):
        assert ordered(planned(conn, "batch", asked, again=again)) == [name]


def test_rows_come_whole(docs: Docs) -> None:
    row = one(
        docs.conn,
        "select hit from mrl.search_many(null::docs, 'embedding', array[%s]::vector[],"
        " k => 1)",
        str(docs.vectors[6].tolist()),
    )
    assert row == one(docs.conn, "select docs from docs where id = 7")
