"""Searching in SQL, on tables of every sort: names, keys, partitions, changes."""

from typing import Any

import pytest
from psycopg import errors, sql
from support.databases import Conn
from support.plans import force_index
from support.sql_calls import (
    assert_exact,
    create,
    ids,
    keys,
    many,
    one,
    share,
    stock,
    text,
)
from support.sql_plans import ordered, planned, run, scanning
from support.sql_state import refused
from support.tables import append, make_table
from support.vectors import matryoshka, nearest

ODD = [
    *("distance", "mrl_place", "mrl_part", "mrl_row", "mrl_pass", "mrl_query", "full"),
    *("query", "k", "number", "hit", "mrl_full", "mrl_number", "docs", "mrl_came"),
    *("candidates", "key", "answer", "table_id", "Ctid", "mrl_far"),
]
VECTORS = matryoshka(500)
QUERY = VECTORS[3] + VECTORS[4]
TRUTH = nearest(VECTORS, QUERY)
INDEX = "docs_embedding_32_halfvec_cosine_hnsw"


def test_columns_named_like_the_statements_own(conn: Conn) -> None:
    name = stock(conn, VECTORS)
    for column in ODD:
        add = sql.SQL("alter table docs add column {} int default 5")
        conn.execute(add.format(sql.Identifier(column)))
    conn.execute("analyze docs")
    made = (
        "select mrl.create_search_function('near', 'docs', 'embedding', filter => %s)"
    )
    for filter in (None, *(f'"{column}" = 5' for column in ODD)):
        with scanning(conn, name):
            answers = keys(conn, QUERY, filter=filter)
        assert_exact(answers, VECTORS, QUERY)
        assert share([key for key, _ in answers], TRUTH) >= 0.9
        assert ids(conn, QUERY, filter=filter) == [key for key, _ in answers]
        assert many(conn, [QUERY], filter=filter) == [answers]
        assert ordered(planned(conn, "rows", [QUERY], filter=filter)) == [name]
        conn.execute(made, [filter])
        found = conn.execute("select id from near(%s)", [text(QUERY)]).fetchall()
        assert [row[0] for row in found] == [key for key, _ in answers]
        conn.execute("drop function near")
    measured = one(
        conn, "select measured from mrl.recall('docs', 'embedding', sample => 5)"
    )
    assert measured == 5


@pytest.mark.parametrize(
    "table",
    ["candidates", "after", "mrl_query", "mrl_candidates", "mrl_before", "public"],
)
def test_tables_named_like_the_statements_own(conn: Conn, table: str) -> None:
    make_table(conn, VECTORS, table=table)
    name = create(conn, table)
    force_index(conn)
    assert name == f"{table}_embedding_32_halfvec_cosine_hnsw"
    with scanning(conn, name):
        answers = keys(conn, QUERY, table=table)
    assert_exact(answers, VECTORS, QUERY)
    assert share([key for key, _ in answers], TRUTH) >= 0.9
    assert ids(conn, QUERY, table=table) == [key for key, _ in answers]
    if table != "mrl_query":
        assert many(conn, [QUERY], table=table) == [answers]
    assert ordered(planned(conn, "keys", [QUERY], table=table)) == [name]


@pytest.mark.parametrize("name", ["Docs", 'a"b', "50%", "{x}", "$1", "it's", "sp ace"])
def test_names_that_need_quotes(conn: Conn, name: str) -> None:
    conn.execute(sql.SQL("create schema {}").format(sql.Identifier(name)))
    make_table(conn, VECTORS, table=name, schema=name)
    quoted = sql.Identifier(name, name).as_string(conn)
    plain = sql.Identifier(name).as_string(conn)
    rename = sql.SQL("alter table {} rename {} to {}")
    conn.execute(
        rename.format(sql.SQL(quoted), sql.Identifier("title"), sql.Identifier(name))
    )
    index = create(conn, quoted)
    assert index == f"{name}_embedding_32_halfvec_cosine_hnsw"
    conn.execute(sql.SQL("analyze {}").format(sql.SQL(quoted)))
    conn.execute(sql.SQL("set search_path = {}, public").format(sql.Identifier(name)))
    force_index(conn)
    for filter in (None, f"{plain} like 'title %'"):
        with scanning(conn, index):
            answers = keys(conn, QUERY, table=quoted, filter=filter)
        assert share([key for key, _ in answers], TRUTH) >= 0.9
        assert_exact(answers, VECTORS, QUERY)
        assert ids(conn, QUERY, table=quoted, filter=filter) == [k for k, _ in answers]
        assert many(conn, [QUERY], table=plain, filter=filter) == [answers]
    assert ordered(planned(conn, "rows", [QUERY], table=quoted)) == [index]
    dropped = one(conn, "select mrl.drop_index(%s, 'embedding')", quoted)
    assert dropped == index


def test_a_partitioned_table(conn: Conn) -> None:
    conn.execute(
        """
        create table docs (
            id bigint primary key, n int, title text, embedding vector(64)
        ) partition by range (id);
        create table docs_low partition of docs for values from (1) to (200);
        create table docs_high partition of docs for values from (200) to (9999)
        """
    )
    append(conn, VECTORS, sql.Identifier("docs"))
    name = create(conn)
    conn.execute("analyze docs")
    force_index(conn)
    assert name == INDEX
    looks: list[dict[str, Any]] = [
        {},
        {"filter": "n < 90"},
        {"k": 30, "candidates": 200},
    ]
    for options in looks:
        truth = [key for key in nearest(VECTORS, QUERY, 500) if key % 100 < 90][:10]
        with scanning(conn, name):
            answers = keys(conn, QUERY, **options)
        assert_exact(answers, VECTORS, QUERY)
        assert share([key for key, _ in answers], truth) >= 0.9
        assert ids(conn, QUERY, **options) == [key for key, _ in answers]
        assert many(conn, [QUERY], **options) == [answers]
        assert len(ordered(planned(conn, "rows", [QUERY], **options))) == 2
    one(conn, "select mrl.create_search_function('near', 'docs', 'embedding')")
    with scanning(conn, name):
        found = conn.execute("select id from near(%s)", [text(QUERY)]).fetchall()
    assert [row[0] for row in found] == [key for key, _ in keys(conn, QUERY)]
    conn.execute(
        "create table docs_more partition of docs for values from (9999) to (99999)"
    )
    append(conn, VECTORS[:100], sql.Identifier("docs"), first=10000)
    twice = ids(conn, VECTORS[0], k=2)
    assert sorted(twice) == [1, 10000]
    assert one(conn, "select mrl.drop_index('docs', 'embedding')") == name


def test_a_parent_and_its_children(conn: Conn) -> None:
    name = stock(conn, VECTORS[:250])
    one(conn, "select mrl.create_search_function('near', 'docs', 'embedding')")
    statement = one(conn, "select mrl.search_sql('docs', 'embedding')")
    conn.execute("create table child () inherits (docs)")
    append(conn, VECTORS[250:], sql.Identifier("child"), first=251)
    conn.execute("analyze docs, child")
    calls = ("select id from near($1)", statement)
    for query in (QUERY, VECTORS[300] + VECTORS[301]):
        with scanning(conn, name):
            answers = keys(conn, query)
        assert_exact(answers, VECTORS, query)
        assert share([key for key, _ in answers], nearest(VECTORS, query)) >= 0.9
        assert ids(conn, query) == [key for key, _ in answers]
        assert many(conn, [query]) == [answers]
        assert ordered(planned(conn, "rows", [query])) == [name]
        # what was made before there were children knows them, too
        for call in calls:
            found = run(conn, call, ["vector"], [text(query)])
            assert [row[0] for row in found] == [key for key, _ in answers]
    assert ids(conn, VECTORS[400], k=1) == [401]


def test_keys_of_several_columns_and_types(conn: Conn) -> None:
    name = stock(conn, VECTORS)
    found = ids(conn, QUERY)
    assert share(found, TRUTH) >= 0.9
    as_text: list[Any] = [str(i) for i in found]
    assert [key for key, _ in keys(conn, QUERY, key="text")] == as_text
    with refused(errors.CannotCoerce, "cannot cast type bigint to jsonb"):
        keys(conn, QUERY, key="jsonb")
    conn.execute("alter table docs drop constraint docs_pkey, add primary key (title)")
    with scanning(conn, name):
        answers = keys(conn, QUERY, key="text")
    assert [key for key, _ in answers] == [f"title {i}" for i in found]
    conn.execute("alter table docs drop constraint docs_pkey, add primary key (n, id)")
    with scanning(conn, name):
        answers = keys(conn, QUERY, key="jsonb")
    assert [key for key, _ in answers] == [{"n": i % 100, "id": i} for i in found]
    assert ordered(planned(conn, "keys", [QUERY], key="jsonb")) == [name]
    with refused(
        errors.DatatypeMismatch, "the key of table public.docs has 2 columns", "::jsonb"
    ):
        keys(conn, QUERY)
    conn.execute("alter table docs drop constraint docs_pkey")
    with refused(errors.UndefinedObject, "table public.docs has no primary key", "add"):
        keys(conn, QUERY)
    assert ids(conn, QUERY) == found
