"""Searching in SQL, on a search path whose first schema lies about all it needs."""

from collections.abc import Iterator

from psycopg import errors, sql
from support.databases import Conn, connect
from support.sql_calls import create, ids, keys, many, one, share, stock, text
from support.sql_plans import ordered, planned, scanning
from support.sql_state import refused
from support.tables import append
from support.vectors import matryoshka, nearest

VECTORS = matryoshka(600)
QUERY = VECTORS[3] * 0.7 + VECTORS[4] * 0.3
TRUTH = nearest(VECTORS, QUERY)

FUNCTIONS = [
    *("set_config(text, text, boolean)", "current_setting(text, boolean)"),
    *("current_setting(text)", "cardinality(anyarray)", "pg_typeof(anyelement)"),
    *("to_regclass(text)", "unnest(anyarray)", "generate_series(int, int)"),
    *("generate_subscripts(anyarray, int)", "array_fill(anyelement, int[])"),
    *("array_append(anycompatiblearray, anycompatible)", "clock_timestamp()"),
    *("format(text, variadic text[])", "concat(variadic text[])", "random()"),
    *("count(anyelement)", "l2_normalize(public.vector)", "vector_dims(public.vector)"),
    *("subvector(public.vector, int, int)", "parse_ident(text)", "to_regtype(text)"),
    *("array_agg(anynonarray)", "max(double precision)", "min(bigint)", "now()"),
    *("jsonb_build_object(variadic text[])", "quote_ident(text)", "count()"),
]
OPERATORS = [
    *("= int int", "<> int int", "= bigint int", "> bigint int", "< bigint int"),
    *("<> text text", "= text text", "|| text text", "= oid oid", "= tid tid"),
    *("<> double_precision double_precision", "< int int", "> int int"),
    *("<= double_precision double_precision", "+ bigint int", "- tid tid"),
    *("<=> public.vector public.vector", "<=> public.halfvec public.halfvec"),
    *("+ double_precision double_precision", "= bigint bigint", "<> tid tid"),
    *("/ double_precision double_precision", "= boolean boolean", "> bigint bigint"),
    *("- double_precision double_precision", "+ int int", "< bigint bigint"),
]
TYPES = ["text", "oid", "int4", "int8", "float8", "bool", "name", "regclass", "tid"]
TYPES = [*TYPES, "record", "jsonb", "timestamptz", "vector", "halfvec", "regtype"]


def lies() -> Iterator[str]:
    """Statements that fill a schema with what raises when it is called."""
    yield (
        "create schema evil; grant usage, create on schema evil to public;"
        "create function evil.lie() returns boolean language plpgsql as"
        " 'begin raise exception ''a lie''; end'"
    )
    body = "language plpgsql as 'begin raise exception ''a lie''; end'"
    for signature in FUNCTIONS:
        returns = "anyelement" if "anyelement" in signature else "text"
        yield f"create function evil.{signature} returns {returns} {body}"
    for i, operator in enumerate(OPERATORS):
        symbol, *sides = operator.replace("double_precision", "float8").split()
        left, right = (side.replace("float8", "double precision") for side in sides)
        yield f"create function evil.lie_{i}({left}, {right}) returns boolean {body}"
        yield (
            f"create operator evil.{symbol} (function = evil.lie_{i},"
            f" leftarg = {left}, rightarg = {right})"
        )
    for of_type in TYPES:
        yield f"create domain evil.{of_type} as pg_catalog.bpchar check (evil.lie())"


def test_a_search_path_that_lies(conn: Conn) -> None:
    name = stock(conn, VECTORS)
    for lie in lies():
        conn.execute(lie.encode())
    conn.execute("set search_path = evil, pg_catalog, public")
    with refused(errors.RaiseException, "a lie"):
        conn.execute("select 1 operator(<>) 2")
    vector = f"'{text(QUERY)}'::public.vector"
    call = "'public.docs', 'embedding'"
    found = {}
    searches = {
        "rows": f"select id from mrl.search(null::public.docs, 'embedding', {vector}",
        "keys": f"select key from mrl.search_keys(null::bigint, {call}, {vector}",
        "many": "select (hit).id from mrl.search_many(null::public.docs, 'embedding',"
        f" array[{vector}]",
    }
    filters = ["", ", filter => 'n operator(pg_catalog.<) $1::int', args => '{100}'"]
    # each new session compiles the functions under this path
    with connect(str(conn.info.dsn)) as liar:
        liar.execute("set search_path = evil, pg_catalog, public")
        for which, search in searches.items():
            for more in (*filters, ", exact => true", ", candidates => 1100"):
                rows = liar.execute(f"{search}{more})".encode()).fetchall()
                found[which, more] = [row[0] for row in rows]
        figures = "select measured from mrl.recall(" + call + ", sample => 3)"
        assert liar.execute(figures.encode()).fetchall() == [(3,)]
        for step in (
            f"select mrl.sample_queries({call}, 1)",
            f"select mrl.keep_query({call}, {vector})",
            f"select mrl.kept_queries({call})",
            f"select mrl.forget_queries({call})",
        ):
            liar.execute(step.encode())
        steps = f"select mrl.create_index_sql({call}, 8)"
        for (step,) in liar.execute(steps.encode()).fetchall():
            liar.execute(step)
        bits = f"select mrl.create_index({call}, 16, kind => 'bit')"
        liar.execute(bits.encode())
        made = f"select mrl.create_search_function('near', {call})"
        liar.execute(made.encode())
        near = f"select id from public.near({vector})"
        found["made", ""] = [row[0] for row in liar.execute(near.encode())]
        printed = liar.execute(f"select mrl.search_sql({call})".encode()).fetchall()
        statement = printed[0][0].replace("$1", f"({vector})")
        found["printed", ""] = [row[0] for row in liar.execute(statement.encode())]
        for size in ("8", "16"):
            liar.execute(f"select mrl.drop_index({call}, {size})".encode())
        # the caller's own filter may mean what it likes
        with refused(errors.RaiseException, "a lie"):
            liar.execute((searches["rows"] + ", filter => 'n < 5')").encode())
    for which_one, answers in found.items():
        assert share(answers, TRUTH) >= 0.9, which_one
    conn.execute("reset search_path")
    with scanning(conn, name):
        assert ids(conn, QUERY) == found["rows", ""]
    assert ordered(planned(conn, "rows", [QUERY])) == [name]


def test_a_temporary_table_behind_one_of_its_name(conn: Conn) -> None:
    stock(conn, VECTORS)
    conn.execute("create temp table docs (like public.docs including all)")
    conn.execute("alter table pg_temp.docs drop column embedding_32_halfvec")
    append(conn, VECTORS[:300], sql.SQL("pg_temp.docs"), first=1001)
    name = create(conn, "pg_temp.docs", dims=16)
    conn.execute("set search_path = public, pg_temp")
    made = "select mrl.create_search_function('near', 'pg_temp.docs', 'embedding')"
    made = one(conn, made)
    truth = [key + 1000 for key in nearest(VECTORS[:300], QUERY)]
    for options in ({}, {"filter": "n >= 0"}, {"exact": True}, {"dims": 16}):
        found = {
            "rows": ids(conn, QUERY, table="pg_temp.docs", **options),
            "many": [
                key
                for key, _ in many(conn, [QUERY], table="pg_temp.docs", **options)[0]
            ],
            "keys": [
                key for key, _ in keys(conn, QUERY, table="pg_temp.docs", **options)
            ],
        }
        for answers in found.values():
            assert share(answers, truth) >= 0.7
            assert min(answers) > 1000
    found_by_made = conn.execute(
        f"select id from {made.split('(')[0]}(%s)".encode(), [text(QUERY)]
    ).fetchall()
    assert min(found_by_made) > (1000,)
    assert one(conn, "select measured from mrl.recall('pg_temp.docs', 'embedding')") > 1
    with scanning(conn, name):
        assert min(ids(conn, QUERY, table="pg_temp.docs")) > 1000
    # and the other way about
    conn.execute("set search_path = public")
    assert max(ids(conn, QUERY, table="public.docs")) <= 600
    assert max(key for key, _ in keys(conn, QUERY, table="public.docs")) <= 600


def test_a_domain_over_a_row_type_is_no_table(conn: Conn) -> None:
    stock(conn, VECTORS[:50])
    conn.execute("create domain some_docs as docs")
    with refused(errors.DatatypeMismatch, "some_docs is not the row type of a"):
        ids(conn, QUERY, table="some_docs")
