"""mrl.create_search_function: functions of one table, and what they refuse."""

from typing import Any

import pytest
from psycopg import errors
from support.databases import Conn, connect
from support.plans import force_index
from support.sql_calls import ids, one, share, stock, text
from support.sql_plans import scanning
from support.sql_state import notices, refused
from support.tables import Docs, docs_fixture
from support.vectors import matryoshka, nearest

MODES = ["auto", "force_custom_plan", "force_generic_plan"]
MADE = (
    "select mrl.create_search_function('near', 'docs', 'embedding', filter => %s,"
    " parameters => %s::text[])"
)


SHORT = "embedding_32_halfvec"

docs = docs_fixture(prepare=force_index)


def truth(docs: Docs, query: Any, below: int = 100) -> list[int]:
    """Keys of rows whose n is below, nearest first."""
    return [key for key in nearest(docs.vectors, query, 2000) if key % 100 < below]


def test_a_made_function_keeps_its_index(docs: Docs) -> None:
    one(docs.conn, MADE, None, [])
    try:
        for mode in MODES:
            with connect(docs.url) as conn:
                conn.execute("select set_config('plan_cache_mode', %s, false)", [mode])
                force_index(conn)
                for place in range(20):
                    query = docs.vectors[place] * 0.7 + docs.vectors[place + 1] * 0.3
                    k = 1 + 7 * place % 30
                    call = "select id from near(%s, %s)"
                    with scanning(conn, docs.index.name):
                        rows = conn.execute(call, [text(query), k]).fetchall()
                    assert [row[0] for row in rows] == ids(
                        docs.conn, query, k=k, candidates=160
                    )
                    wanted = nearest(docs.vectors, query, k)
                    assert share([row[0] for row in rows], wanted) >= 0.8
    finally:
        docs.conn.execute("drop function near")


def test_a_made_function_with_a_filter(docs: Docs) -> None:
    parameters = ["below integer", 'words "char"', "since timestamptz"]
    filter = "n < $1 and (title like 'title%' or $2 = 'x') and $3 < now()"
    made = one(docs.conn, MADE, filter, parameters)
    assert made == 'near(integer,"char",timestamp with time zone,vector,integer)'
    comment = one(docs.conn, "select obj_description(%s::regprocedure)", made)
    assert comment == (
        f"The k rows of public.docs nearest to a query, nearest first, where {filter}."
    )
    call = (
        "select id from near(below => %s, words => 'y', since => '2000-01-01',"
        " query => %s, k => 5)"
    )
    with notices(docs.conn) as told:
        for below in (90, 5, 50, 1):
            query = docs.vectors[below]
            with scanning(docs.conn, docs.index.name):
                rows = docs.conn.execute(call.encode(), [below, text(query)]).fetchall()
            wanted = truth(docs, query, below)
            assert share([row[0] for row in rows], wanted[:5]) >= 0.8
    assert told == []
    for query, kind, message in (
        ("null", errors.NullValueNotAllowed, "the query is NULL"),
        ("'[1,2]'", errors.DataException, "the query has 2 dimensions, public.docs"),
        (f"'{[0] * 64}'", errors.DataException, "the query is all zeros"),
    ):
        with refused(kind, message):
            docs.conn.execute(f"select near(9, 'y', now(), {query})".encode())
    for k in ("0", "161", "null"):
        with refused(errors.InvalidParameterValue, "is outside 1 to 160", "make the"):
            docs.conn.execute(
                f"select near(9, 'y', now(), '{text(query_of(docs))}', {k})".encode()
            )
    docs.conn.execute("drop function near")


def query_of(docs: Docs) -> Any:
    """Any query."""
    return docs.vectors[77]


def test_a_made_function_warns_when_it_is_cut_short(conn: Conn) -> None:
    vectors = matryoshka(1500)
    name = stock(conn, vectors)
    far = nearest(vectors, vectors[9], 1500)[-30:]
    conn.execute("update docs set n = 777 where id = any (%s)", [far])
    conn.execute("vacuum docs")
    one(
        conn,
        "select mrl.create_search_function('near', 'docs', 'embedding', "
        " candidates => 40, filter => 'n = 777', max_scan_tuples => 1)",
    )
    with notices(conn) as told, scanning(conn, name):
        rows = conn.execute("select id from near(%s)", [text(vectors[9])]).fetchall()
    assert len(rows) < 10
    assert [line[:35] for line in told] == ["WARNING: the search was cut short: "]


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("near", "public.near"),
        ("other.near", "other.near"),
        ('other."Near ""1"""', 'other."Near ""1"""'),
        ("NEAR", "public.near"),
    ],
)
def test_a_made_function_goes_where_its_name_says(
    conn: Conn, name: str, where: str
) -> None:
    vectors = matryoshka(100)
    index = stock(conn, vectors)
    conn.execute("create schema other; set search_path = other, public")
    call = "select mrl.create_search_function(%s, 'docs', 'embedding')"
    one(conn, call, name)
    query = text(vectors[3])
    with scanning(conn, index):
        rows = conn.execute(f"select id from {where}('{query}', 2)".encode()).fetchall()
    assert [row[0] for row in rows] == nearest(vectors, vectors[3], 2)
    with refused(errors.DuplicateFunction, "already exists with same argument types"):
        one(conn, call, name)
    shape = "select proretset, prorettype::regtype::text, provolatile from pg_proc"
    row = conn.execute(
        f"{shape} where oid = '{where}(vector, int)'::regprocedure".encode()
    ).fetchall()
    assert row == [(True, "docs", "v")]


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ("function_name => 'a.b.c'", "function_name a.b.c has 3 parts", "write name"),
        ("function_name => 'a b'", 'string is not a valid identifier: "a b"', ""),
        ("filter => 'n < $1'", "the filter names $1", "tenant"),
        ("parameters => array['n int']", "args was given without a filter", ""),
        (
            "filter => 'n < $1', parameters => array['n nothing']",
            "parameter 'n nothing' is not a name and a type",
            "outside pg_catalog with its schema",
        ),
        (
            "filter => 'n < $1', parameters => array['int']",
            "is not a name and",
            "bigint",
        ),
        (
            "filter => 'title = $mrl_pg$a$mrl_pg$'",
            "holds $mrl_pg$, which ends",
            "write",
        ),
        ("k => 0", "k 0 is below 1", ""),
        ("k => 200, candidates => 100", "candidates 100 is below k 200", ""),
    ],
)
def test_functions_that_are_refused(
    docs: Docs, options: str, message: str, hint: str
) -> None:
    if "function_name" not in options:
        options = f"function_name => 'refused', {options}"
    call = (
        "select mrl.create_search_function("
        f"table_name => 'docs', full_column => 'embedding', {options})"
    )
    with refused(errors.InvalidParameterValue, message, hint):
        docs.conn.execute(call.encode())
    assert one(docs.conn, "select to_regproc('refused')") is None


RENAMES = {
    "short column": f"alter table docs rename {SHORT} to brief",
    "full column": "alter table docs rename embedding to vec",
    "table": "alter table docs rename to papers",
}


@pytest.mark.parametrize("what", RENAMES)
def test_a_made_function_after_a_rename(conn: Conn, what: str) -> None:
    vectors = matryoshka(300)
    stock(conn, vectors)
    one(
        conn,
        "select mrl.create_search_function('near', 'docs', 'embedding', k => 3, "
        "filter => 'title <> ''100%''', parameters => array['a int'])",
    )
    near = "select id from near(null, %s)"
    truth = [(key,) for key in nearest(vectors, vectors[5], 3)]
    conn.execute("alter index docs_embedding_32_halfvec_cosine_hnsw rename to quick")
    # it does not name its index
    with scanning(conn, "quick"):
        assert conn.execute(near, [text(vectors[5])]).fetchall() == truth
    conn.execute(RENAMES[what].encode())
    with pytest.raises(errors.ObjectNotInPrerequisiteState) as raised:
        conn.execute(near, [text(vectors[5])])
    assert "function public.near(integer, public.vector, int4)" in str(raised.value)
    hint = raised.value.diag.message_hint or ""
    again = hint.removeprefix("make it again: ")
    if what == "table":
        # only people know the new name
        again = again.replace("'…'", "'papers'", 1).replace("'…'", "'embedding'", 1)
    for statement in again.split("; "):
        conn.execute(statement.encode())
    with scanning(conn, "quick"):
        assert conn.execute(near, [text(vectors[5])]).fetchall() == truth
