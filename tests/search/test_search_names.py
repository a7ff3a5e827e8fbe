"""Names that need quoting, and search paths that mean harm."""

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from psycopg import sql
from support.databases import Conn, connect
from support.plans import explain, first_pass, force_index
from support.tables import append, make_table
from support.vectors import matryoshka, nearest

from mrl_pg import MatryoshkaIndex, install
from mrl_pg.layout import NAME_BYTES

ROWS, DIMS = 60, 8

NAMED = [
    "docs",
    'he said "no"',
    "O'Brien's",
    "100 %",
    "%s",
    "%(mrl_query)s",
    "{}",
    "{table}",
    "back\\slash",
    "Capital Letters",
    "semi;colon--",
    "/* comment",
    "new\nline",
    "select",
    "mrl_query",
    "mrl_before",
    "candidates",
    "distance",
    "ünïcödé 表",
    "$1",
    "x" * NAME_BYTES,
    "é" * (NAME_BYTES // 2),
]


def round_trip(conn: Conn, schema: str, table: str, column: str, key: str) -> None:
    """Make a table of these names, create, search, drop."""
    vectors = matryoshka(ROWS, dims=DIMS)
    index = MatryoshkaIndex(table, column, dims=4, schema=schema, ef_construction=32)
    names = {
        "schema": sql.Identifier(schema),
        "table": sql.Identifier(schema, table),
        "column": sql.Identifier(column),
        "key": sql.Identifier(key),
    }
    with conn.transaction(force_rollback=True):
        make_table(conn, vectors, table="docs")
        for statement in (
            "alter table public.docs rename column id to {key}",
            "alter table public.docs rename column embedding to {column}",
            "create schema {schema}",
            "create table {table} as table public.docs",
            "alter table {table} add primary key ({key})",
        ):
            conn.execute(sql.SQL(statement).format(**names))
        force_index(conn)
        index.create(conn)
        plan = index.plan(conn, vectors[0], candidates=50)
        assert first_pass(explain(conn, plan)) == [index.name]
        quoted = sql.Identifier(key.replace("%", "%%"))
        where = sql.SQL("{} >= %(low)s").format(quoted)
        found = index.search(
            conn, vectors[0], filter=where, params={"low": 1}, columns=[key]
        )
        assert found.keys[0] == found[0][key] == 1
        assert len(found) == 10
        exact = index.search(conn, vectors[0], columns=[column], exact=True)
        assert exact.keys == nearest(vectors, vectors[0])
        assert [len(many) for many in index.search_many(conn, vectors[:2])] == [10, 10]
        assert len(index.search(conn, vectors[0], k=60, candidates=61)) == ROWS
        assert index.drop(conn).changed
        assert not index.drop(conn).changed


@pytest.mark.parametrize("name", NAMED, ids=repr)
def test_a_name_may_be_anything(conn: Conn, name: str) -> None:
    round_trip(conn, name, name, f"2 {name[:30]}", name)


# what PostgreSQL takes in UTF-8: no NUL, no surrogates
identifiers = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1
).filter(
    lambda name: (
        len(name.encode()) <= NAME_BYTES
        and name not in ("n", "title", "public", "mrl", "ctid", "xmin", "xmax")
        and not name.startswith("pg_")
        and name not in ("cmin", "cmax", "tableoid", "information_schema")
    )
)


@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(schema=identifiers, table=identifiers, column=identifiers, key=identifiers)
@example(schema="%", table='"%"', column="%%", key="{%}")
def test_names_drawn_at_random(
    conn: Conn, schema: str, table: str, column: str, key: str
) -> None:
    if column != key:
        round_trip(conn, schema, table, column, key)


def test_pgvector_outside_the_search_path(bare_database: str) -> None:
    vectors = matryoshka(500)
    with connect(bare_database) as conn:
        conn.execute('create schema "My 100% ext\'s"')
        conn.execute('create extension vector schema "My 100% ext\'s"')
        install(conn)
        conn.execute(
            "create table docs (id bigint primary key, n int, title text, "
            'embedding "My 100% ext\'s".vector(64))'
        )
        append(conn, vectors, sql.Identifier("docs"))
        force_index(conn)
        for kind in ("vector", "halfvec", "bit"):
            index = MatryoshkaIndex("docs", "embedding", dims=32, kind=kind)
            assert index.create(conn).changed
            assert not index.create(conn).changed
            plan = index.plan(conn, vectors[4])
            assert first_pass(explain(conn, plan)) == [index.name]
            for exact in (False, True):
                found = index.search(conn, vectors[4], exact=exact)
                assert found.keys[0] == 5
            assert found.keys == nearest(vectors, vectors[4])
            assert len(index.search(conn, vectors[4], k=400, candidates=501)) == 400
            assert index.recall(conn, queries=vectors[:2]).queries == 2
            assert index.calibrate(conn, queries=vectors[:2], k=3).queries == 2
            index.drop(conn)


HOSTILE = """
create schema evil;
create table evil.log (what text);
create function evil.set_config(text, text, boolean) returns text
    language sql as $$insert into evil.log values ('set_config'); select 'x'$$;
create function evil.current_setting(text, boolean) returns text
    language sql as $$insert into evil.log values ('current_setting'); select 'x'$$;
create function evil.never(float8, float8) returns boolean
    language sql as $$insert into evil.log values ('never'); select false$$;
create function evil.far(public.vector, public.vector) returns float8
    language sql as $$insert into evil.log values ('far'); select 1.0::float8$$;
create function evil.count() returns bigint
    language sql as $$insert into evil.log values ('count'); select 0::bigint$$;
create function evil.concat(text, text, text) returns text
    language sql as $$insert into evil.log values ('concat'); select null::text$$;
create operator evil.<> (leftarg = float8, rightarg = float8, function = evil.never);
create operator evil.= (leftarg = float8, rightarg = float8, function = evil.never);
create operator evil.< (leftarg = float8, rightarg = float8, function = evil.never);
create operator evil.<=> (
    leftarg = public.vector, rightarg = public.vector, function = evil.far
);
create domain evil.float8 as text;
create domain evil.vector as text;
create domain evil.halfvec as text;
create domain evil.int8 as text;
"""


@pytest.mark.parametrize(
    "path", ["evil, pg_catalog, public", "evil, public", "public, evil", "evil", ""]
)
def test_a_hostile_search_path_changes_nothing(conn: Conn, path: str) -> None:
    vectors = matryoshka(500)
    make_table(conn, vectors)
    index = MatryoshkaIndex("docs", "embedding", dims=32, schema="public")
    conn.execute(HOSTILE)
    conn.execute("select set_config('search_path', %s, false)", [path])
    index.create(conn)
    force_index(conn)
    plan = index.plan(conn, vectors[4])
    assert first_pass(explain(conn, plan)) == [index.name]
    with conn.transaction():
        for exact in (False, True):
            found = index.search(conn, vectors[4], exact=exact)
            assert found.keys == nearest(vectors, vectors[4])
        found = index.search(conn, vectors[4], k=400, candidates=501)
        assert (found.seen, found.cut_short) == (500, False)
        setting = "select pg_catalog.current_setting('hnsw.ef_search')"
        assert conn.execute(setting).fetchone() == ("40",)
    assert conn.execute("select what from evil.log").fetchall() == []
    index.drop(conn)
