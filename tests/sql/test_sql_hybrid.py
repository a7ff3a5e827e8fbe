"""`mrl.hybrid`: the same answers as `index.hybrid`, from any language."""

from collections.abc import Iterator
from typing import Any

import pytest
from psycopg import errors, sql
from support.databases import Conn, Server, connect
from support.sql_calls import TYPES, text
from support.sql_plans import scanning
from support.sql_state import current, refused
from support.tables import Docs
from support.vectors import matryoshka
from support.words import BARE, allow_both, by_words, fused, make_worded

from mrl_pg import MatryoshkaIndex

ROWS = 1200
WIDE = 800
QUERY = matryoshka(1, seed=9)[0]
Answers = list[tuple[Any, float, float | None, int | None, int | None]]


@pytest.fixture(scope="module")
def docs(pg_server: Server) -> Iterator[Docs]:
    vectors = matryoshka(ROWS)
    index = MatryoshkaIndex("docs", "embedding", dims=32)
    with pg_server.fresh() as url, connect(url) as conn:
        make_worded(conn, vectors, index)
        allow_both(conn)
        yield Docs(url, conn, vectors, index)


def hybrid(
    conn: Conn,
    words: str | None,
    *,
    query: Any = QUERY,
    table: str = "docs",
    text_column: str = "title",
    key: str = "(hit).id",
    **options: Any,
) -> Answers:
    """Keys, scores, distances and ranks of `mrl.hybrid`."""
    types = {**TYPES, "weights": "float8[]", "config": "regconfig"}
    given = sql.SQL("").join(
        sql.SQL(", {} => {}{}").format(
            sql.Identifier(name),
            sql.Literal(value),
            sql.SQL("::" + types[name] if name in types else ""),
        )
        for name, value in options.items()
    )
    call = sql.SQL(
        "select {}, score, distance, vector_rank, word_rank"
        " from mrl.hybrid(null::{}, 'embedding', {}, {}, {}{})"
    ).format(
        sql.SQL(key),
        sql.SQL(table),
        sql.Literal(text(query)),
        sql.Literal(words),
        sql.Literal(text_column),
        given,
    )
    return conn.execute(call).fetchall()


def in_python(docs: Docs, words: str, **options: Any) -> Answers:
    found = docs.index.hybrid(docs.conn, QUERY, words, **{"text": "title"} | options)
    return [
        (hit.key, hit.score, hit.distance, hit.vector_rank, hit.word_rank)
        for hit in found
    ]


@pytest.mark.parametrize(
    ("python", "in_sql"),
    [
        ({}, {}),
        ({"text": "code", "k": 3}, {"text_column": "code", "k": 3}),
        (
            {"text": "terms", "config": "simple"},
            {"text_column": "terms", "config": "simple"},
        ),
        ({"fetch": 300}, {"fetch_rows": 300}),
        ({"fetch": 1100, "ef_search": 1000}, {"fetch_rows": 1100, "ef_search": 1000}),
        ({"candidates": 30}, {"candidates": 30}),
        (
            {"weights": (2, 0.5), "rank_constant": 5},
            {"weights": [2.0, 0.5], "rank_constant": 5},
        ),
        ({"weights": (0, 1)}, {"weights": [0, 1]}),
        ({"match": "all"}, {"match": "all"}),
        ({"exact": True}, {"exact": True}),
        (
            {"filter": "n < %s", "params": [30]},
            {"filter": "n < $1::int", "args": ["30"]},
        ),
        ({"filter": "id > 1090", "k": 40}, {"filter": "id > 1090", "k": 40}),
    ],
)
def test_it_answers_as_python_does(
    docs: Docs, python: dict[str, Any], in_sql: dict[str, Any]
) -> None:
    for words in ("red or unicorn", "blue fish", "zebra", "!!! & |"):
        wanted = in_python(docs, words, **python)
        assert hybrid(docs.conn, words, **in_sql) == wanted


def test_both_indexes_answer(docs: Docs) -> None:
    for options in ({}, {"filter": "n < 90"}):
        with scanning(docs.conn, docs.index.name, "docs_title"):
            found = hybrid(
                docs.conn, "red or unicorn", candidates=WIDE, fetch_rows=100, **options
            )
        condition = options.get("filter", "true")
        near = docs.index.search(docs.conn, QUERY, k=100, exact=True, filter=condition)
        worded = by_words(docs.conn, "red or unicorn", filter=condition, fetch=100)
        wanted = fused(near.keys, worded)
        assert [(key, *ranks) for key, _, _, *ranks in found] == [
            (key, *ranks) for key, _, *ranks in wanted
        ]
        assert [each[1] for each in found] == pytest.approx(
            [each[1] for each in wanted]
        )


def test_rows_without_a_vector_and_an_empty_half(docs: Docs) -> None:
    few = f"id in ({BARE[1]}, {BARE[2]})"
    found = hybrid(docs.conn, "red or green or blue", filter=few)
    worded = by_words(docs.conn, "red or green or blue", filter=few)
    assert [(key, far, rank) for key, _, far, rank, _ in found] == [
        (key, None, None) for key in worded
    ]
    assert hybrid(docs.conn, "zebra", filter="false") == []


def test_a_table_without_vectors(database: str) -> None:
    """Every try finds no candidate; the last one answers what the words found."""
    index = MatryoshkaIndex("docs", "embedding", dims=32)
    with connect(database) as conn:
        conn.execute(
            "create table docs (id int, title text, embedding vector(64));"
            "insert into docs select i, 'red ' || i from generate_series(1, 20) as i;"
            "alter table docs add primary key (id)"
        )
        index.create(conn)
        wanted = index.hybrid(conn, QUERY, "red", text="title").keys
        assert [each[0] for each in hybrid(conn, "red")] == wanted == [*range(1, 11)]
        # SQL needs no key
        conn.execute("alter table docs drop constraint docs_pkey")
        assert len(hybrid(conn, "red")) == 10


def test_settings_end_with_the_call(docs: Docs) -> None:
    before = current(docs.conn)
    with docs.conn.transaction():
        hybrid(docs.conn, "red", candidates=1100, filter="n < 90")
        hybrid(docs.conn, "red", candidates=90)
        assert current(docs.conn) == before


def test_under_another_search_path_and_policy(docs: Docs) -> None:
    conn = docs.conn
    conn.execute(
        "create role sql_hybrid_reader; grant select on docs to sql_hybrid_reader;"
        "alter table docs enable row level security;"
        "create policy few on docs using (n < 20)"
    )
    try:
        conn.execute("set role sql_hybrid_reader; set search_path = mrl")
        found = hybrid(
            conn, "red or blue", table="public.docs", k=20, query=QUERY, key="(hit).n"
        )
    finally:
        conn.execute("reset role; reset search_path")
        conn.execute(
            "drop policy few on docs; alter table docs disable row level security;"
            "revoke all on docs from sql_hybrid_reader; drop role sql_hybrid_reader"
        )
    assert len(found) == 20
    assert all(n < 20 for n, *_ in found)


def test_a_search_for_a_recall(database: str) -> None:
    index = MatryoshkaIndex("docs", "embedding", dims=32)
    with connect(database) as conn:
        make_worded(conn, matryoshka(400), index)
        allow_both(conn)
        conn.execute("set client_min_messages = error")
        conn.execute(
            "select mrl.calibrate('docs', 'embedding', k => 10, sample => 100)"
        )
        found = index.hybrid(conn, QUERY, "red", text="title", recall=0.9)
        assert found.promise is not None
        assert found.promise.standing != "uncalibrated"
        answers = hybrid(conn, "red", recall=0.9)
        assert [each[0] for each in answers] == found.keys


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"words": None}, errors.NullValueNotAllowed, "words is NULL"),
        ({"text_column": "nothing"}, errors.UndefinedColumn, "nothing does not exist"),
        ({"text_column": None}, errors.UndefinedColumn, "NULL does not exist"),
        ({"text_column": "n"}, errors.DatatypeMismatch, "docs.n is of type integer"),
        ({"config": None}, errors.NullValueNotAllowed, "config is NULL"),
        ({"config": "klingon"}, errors.UndefinedObject, '"klingon" does not exist'),
        ({"match": "some"}, errors.InvalidParameterValue, "match is 'some'"),
        ({"weights": [1.0]}, errors.InvalidParameterValue, "not two numbers"),
        ({"weights": [0.0, 0.0]}, errors.InvalidParameterValue, "not two numbers"),
        ({"weights": [-1.0, 1.0]}, errors.InvalidParameterValue, "not two numbers"),
        ({"weights": [float("nan"), 1.0]}, errors.InvalidParameterValue, "not two"),
        ({"weights": [None, 1.0]}, errors.InvalidParameterValue, "not two numbers"),
        ({"rank_constant": 0}, errors.InvalidParameterValue, "rank_constant 0 is"),
        ({"fetch_rows": 9}, errors.InvalidParameterValue, "fetch_rows 9 is below k 10"),
        (
            {"fetch_rows": 41, "candidates": 40},
            errors.InvalidParameterValue,
            "fetch_rows 41 is above the 40",
        ),
        ({"k": 0}, errors.InvalidParameterValue, "k 0 is below 1"),
        ({"k": None}, errors.InvalidParameterValue, "k NULL is below 1"),
        ({"candidates": 5}, errors.InvalidParameterValue, "candidates 5 is below k 10"),
        ({"query": [1.0]}, errors.DataException, "the query has 1 dimensions"),
    ],
)
def test_bad_input_is_refused(
    docs: Docs, options: dict[str, Any], error: type[errors.Error], message: str
) -> None:
    given = {"words": "red"} | options
    with refused(error, message):
        hybrid(docs.conn, **given)


def test_null_means_the_default(docs: Docs) -> None:
    wanted = hybrid(docs.conn, "red")
    options: dict[str, Any] = {
        "fetch_rows": None,
        "weights": None,
        "rank_constant": None,
        "match": None,
        "exact": None,
    }
    assert hybrid(docs.conn, "red", **options) == wanted
