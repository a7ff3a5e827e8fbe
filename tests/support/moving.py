"""The contents and answers of a database with mrl_pg, before and after a move."""

from typing import Any, TypeAlias

from psycopg import RawCursor, sql

from mrl_pg import MatryoshkaColumn, MatryoshkaIndex
from mrl_pg.kinds import Distance, Kind
from support.calibrations import without_exact
from support.databases import Conn
from support.plans import explain, force_index, indexes
from support.servers import index_scans
from support.tables import append, make_table
from support.vectors import least_far, matryoshka, nearest

State: TypeAlias = dict[str, list[tuple[Any, ...]]]
"""Rows by the name of the query."""

VECTORS = matryoshka(300)
QUERY = str(VECTORS[7].tolist())
ALL = 300
"""Candidates that make every answer exact, because a rebuilt graph may differ."""


TABLES = ("docs", '"my schema"."100% odd"')
LAYOUTS: tuple[tuple[str, int, Kind, Distance], ...] = (
    ("docs", 48, "halfvec", "cosine"),
    ("docs", 64, "bit", "cosine"),
    ("docs", 32, "vector", "l2"),
    ('"my schema"."100% odd"', 48, "vector", "cosine"),
    ('"my schema"."100% odd"', 40, "halfvec", "ip"),
)
"""Table, dims, kind and distance of each short column."""

PYTHON = (
    MatryoshkaIndex("docs", "embedding", dims=48),
    MatryoshkaIndex(
        "100% odd", "embedding", dims=48, kind="vector", schema="my schema"
    ),
)


def fill_models(conn: Conn) -> None:
    """A table of two models, whose searches were switched to the second."""
    make_table(conn, VECTORS, table="models")
    conn.execute("alter table models add second vector(64)")
    conn.execute(
        "update models set second = (select far.embedding from models as far"
        " where far.id = 301 - models.id)"
    )
    for column, dims in (("embedding", 16), ("second", 16), ("second", 40)):
        conn.execute(
            "select mrl.create_index('models', %s, dims => %s, keep => 'expression')",
            [column, dims],
        )
    conn.execute("select mrl.switch_index('models', 'second', dims => 40)")
    conn.execute("select mrl.switch_column('models', 'embedding', 'second')")


def assert_switched(conn: Conn) -> None:
    """Searches of the table of two models use the index that was chosen, and find."""
    used = "select mrl.in_use_column('models', 'embedding')"
    assert conn.execute(used).fetchall() == [("second",)]
    models = MatryoshkaColumn("models", "embedding")
    queries = {"embedding": VECTORS[7], "second": VECTORS[3]}
    force_index(conn)
    found = models.search(conn, queries, k=5, candidates=ALL)
    assert found.index_name == "models_second_40_halfvec_cosine_hnsw"
    assert found.keys == [301 - key for key in nearest(VECTORS, VECTORS[3], 5)]
    plan = explain(conn, models.plan(conn, queries, k=5, candidates=ALL))
    assert found.index_name in indexes(plan)


def fill(conn: Conn) -> None:
    """Two tables, one of which lost columns, with short columns and functions."""
    make_table(conn, VECTORS)
    conn.execute('create schema "my schema"')
    conn.execute(
        'create table "my schema"."100% odd" (gone int, id bigint primary key,'
        " lost text, n int, title text, embedding vector(64), late int)"
    )
    for column in ("gone", "lost", "late"):
        conn.execute(
            sql.SQL('alter table "my schema"."100% odd" drop column {}').format(
                sql.Identifier(column)
            )
        )
    append(conn, VECTORS, sql.Identifier("my schema", "100% odd"))
    conn.execute('analyze "my schema"."100% odd"')
    for table in TABLES:
        create(conn, table)
    conn.execute(
        "select mrl.create_search_function('search_docs', 'docs', 'embedding',"
        " candidates => 300)"
    )
    conn.execute(
        "select mrl.create_search_function('search_odd', %s, 'embedding', dims => 48,"
        " candidates => 300, filter => 'n < $1', parameters => '{below int}')",
        [TABLES[1]],
    )
    for table in TABLES:
        measure(conn, table)


def measure(conn: Conn, table: str) -> None:
    """Store a calibration, a calibration with a filter, and a recall of a table."""
    for rest in ("", ", filter => 'n < $1::int', args => array['50']"):
        call = f"select mrl.calibrate(%s, 'embedding', k => 3, sample => 20{rest})"
        conn.execute(call.encode(), [table])
    without_exact(conn)
    conn.execute(
        "select mrl.recall(%s, 'embedding', sample => 3, keep => true)", [table]
    )
    conn.execute("select mrl.sample_queries(%s, 'embedding', 1, 3)", [table])
    conn.execute("select mrl.keep_query(%s, 'embedding', %s)", [table, QUERY])


def create(conn: Conn, table: str) -> None:
    """Create the short columns of one table."""
    for layout in LAYOUTS:
        if layout[0] == table:
            conn.execute(
                "select mrl.create_index(%s, 'embedding', dims => %s, kind => %s,"
                " distance => %s, m => 12)",
                layout,
            )


def held(conn: Conn) -> State:
    """Rows, registry, definitions of indexes and functions, and who may use them."""
    asked = {
        **{table: f"select * from {table} order by id" for table in TABLES},
        "mrl.indexes": (
            "select table_name::text, full_column, full_dims, short_column, dims, kind,"
            " distance, index_name, m, ef_construction, usable, created_at"
            " from mrl.indexes order by index_name"
        ),
        "chosen": (
            "select index_name, in_place_of, chosen_at from mrl.registry order by 1"
        ),
        "mrl.calibrations": (
            "select * from mrl.calibrations order by table_id::text, k, filter,"
            " candidates, ef_search"
        ),
        "mrl.measurements": "select * from mrl.measurements order by measured_at",
        "mrl.kept_queries": (
            "select *, mrl._kept(table_id, full_column),"
            " mrl.kept_queries(table_id, full_column)"
            " from mrl.query_sampling order by table_id::text"
        ),
        "pg_indexes": (
            "select * from pg_indexes where indexdef ~ 'embedding' order by indexname"
        ),
        "functions": (
            "select oid::regprocedure::text, pg_get_functiondef(oid),"
            " coalesce(proacl, acldefault('f', proowner))::text,"
            " obj_description(oid, 'pg_proc')"
            " from pg_proc where pronamespace = 'mrl'::regnamespace or"
            " proname ~ '^search_(docs|odd)$' order by 1"
        ),
        "mrl": "select nspacl::text, obj_description(oid, 'pg_namespace')"
        " from pg_namespace"
        " where nspname = 'mrl'",
    }
    near = least_far(VECTORS, 3)
    promises = [index.search(conn, near, k=3, recall=0.2).promise for index in PYTHON]
    return {
        name: conn.execute(statement.encode()).fetchall()
        for name, statement in asked.items()
    } | {"promises": [(promise,) for promise in promises]}


def answered(conn: Conn) -> State:
    """Answers of each way to search; fails if a search does not use its index."""
    force_index(conn)
    found: State = {}
    for table, dims, kind, distance in LAYOUTS:
        statement = (
            f"select id from mrl.search(null::{table}, 'embedding', %s, dims => %s,"
            " kind => %s, candidates => 300)".replace("100%", "100%%")
        )
        (index,) = conn.execute(
            "select format('%%I.%%I', nspname, index_name) from mrl.registry"
            " join pg_class on pg_class.oid = table_id"
            " join pg_namespace on pg_namespace.oid = relnamespace"
            " where table_id = %s::regclass and dims = %s",
            [table, dims],
        ).fetchall()[0]
        given = (QUERY, dims, kind)
        found[index] = conn.execute(statement, given).fetchall()
        assert index_scans(conn, index, statement, *given) == 1
        assert [key for (key,) in found[index]] == nearest(
            VECTORS, VECTORS[7], 10, distance
        )
    for table in TABLES:
        printed = "select mrl.search_sql(%s, 'embedding', candidates => 300)"
        text = conn.execute(printed, [table]).fetchall()[0][0]
        with RawCursor(conn) as cursor:
            found[text] = cursor.execute(text, [QUERY]).fetchall()
    found["search_docs"] = conn.execute(
        "select id from search_docs(%s, k => 9)", [QUERY]
    ).fetchall()
    found["search_odd"] = conn.execute(
        'select id from "my schema".search_odd(below => 40, query => %s, k => 9)',
        [QUERY],
    ).fetchall()
    assert len(found["search_docs"]) == len(found["search_odd"]) == 9
    for index in PYTHON:
        answer = index.search(conn, VECTORS[7], candidates=ALL)
        found[repr(index)] = [(hit.key, hit.distance) for hit in answer]
    return found
