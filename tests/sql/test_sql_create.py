"""mrl.create_index, mrl.create_index_sql, mrl.drop_index: all as Python does it."""

import subprocess
from typing import Any

import numpy as np
import pytest
from psycopg import errors, sql
from support.databases import Conn, Server
from support.plans import force_index
from support.sql_calls import create, ids, named, one
from support.sql_plans import ordered, planned, scanning
from support.sql_state import catalog, notices, refused
from support.tables import append, make_partitioned, make_table
from support.vectors import matryoshka, nearest

from mrl_pg import MatryoshkaIndex, server

VECTORS = matryoshka(300)


def steps(conn: Conn, table: str = "docs", dims: int = 32, **options: Any) -> list[str]:
    """What mrl.create_index_sql returns."""
    call = sql.SQL("select mrl.create_index_sql({}, 'embedding', {}{})").format(
        sql.Literal(table), sql.Literal(dims), named(options)
    )
    return [row[0] for row in conn.execute(call)]


@pytest.mark.parametrize(
    ("kind", "distance", "full_type"),
    [
        ("vector", "cosine", "vector"),
        ("vector", "l2", "halfvec"),
        ("halfvec", "ip", "vector"),
        ("halfvec", "cosine", "halfvec"),
        ("bit", "l2", "vector"),
        ("bit", "cosine", "halfvec"),
        ("bit", "ip", "vector"),
    ],
)
def test_it_makes_what_python_makes(
    conn: Conn, kind: Any, distance: Any, full_type: str
) -> None:
    make_table(conn, VECTORS[:50], full_type=full_type)
    before = catalog(conn, numbers=True)
    index = MatryoshkaIndex(
        "docs",
        "embedding",
        dims=24,
        kind=kind,
        distance=distance,
        m=8,
        ef_construction=20,
    )
    index.create(conn)
    wanted = catalog(conn)
    index.drop(conn)
    options = {"kind": kind, "distance": distance, "m": 8, "ef_construction": 20}
    assert create(conn, dims=24, **options) == index.name
    assert catalog(conn) == wanted
    # a second time there is nothing to do
    numbered = catalog(conn, numbers=True)
    oid = one(conn, "select %s::regclass::oid", index.name)
    assert create(conn, dims=24, **options) == index.name
    assert catalog(conn, numbers=True) == numbered
    assert one(conn, "select %s::regclass::oid", index.name) == oid
    assert one(conn, "select mrl.drop_index('docs', 'embedding')") == index.name
    assert catalog(conn, numbers=True) == before
    for step in steps(conn, dims=24, **options):
        conn.execute(step.encode())
    assert catalog(conn) == wanted
    assert not index.create(conn).changed
    force_index(conn)
    query = VECTORS[0] * 0.8 + VECTORS[1] * 0.6
    with scanning(conn, index.name):
        found = ids(conn, query, k=5, candidates=50)
    assert found[:2] == nearest(VECTORS[:50], query, 5, distance)[:2]
    assert ordered(planned(conn, "rows", [query])) == [index.name]


def test_statements_for_a_table_in_use(conn: Conn) -> None:
    make_table(conn, VECTORS)
    told = steps(conn)
    assert [step.split()[0] for step in told] == ["alter", "create", "select", "select"]
    assert "create index concurrently docs_embedding_32" in told[1]
    for step in told:
        conn.execute(step.encode())
    assert [step.split()[0] for step in steps(conn)] == ["select"]
    force_index(conn)
    name = "docs_embedding_32_halfvec_cosine_hnsw"
    with scanning(conn, name):
        assert ids(conn, VECTORS[5], k=3) == nearest(VECTORS, VECTORS[5], 3)
    assert ordered(planned(conn, "rows", [VECTORS[5]])) == [name]


def test_an_empty_name_is_none(conn: Conn) -> None:
    make_table(conn, matryoshka(50))
    name = create(conn, dims=32, short_column="", index_name="")
    assert name == "docs_embedding_32_halfvec_cosine_hnsw"
    short = one(conn, "select short_column from mrl.registry")
    assert short == "embedding_32_halfvec"


def test_a_build_that_broke_off_is_finished(conn: Conn) -> None:
    make_table(conn, VECTORS)
    first, build, check, register = steps(conn)
    conn.execute(first.encode())
    assert steps(conn) == [build, check, register]
    conn.execute(build.encode())
    name = "docs_embedding_32_halfvec_cosine_hnsw"
    broken = "update pg_index set indisvalid = false where indexrelid = %s::regclass"
    conn.execute(broken.encode(), [name])
    with refused(errors.UndefinedObject, f"index {name} of public.docs is not valid"):
        conn.execute(register.encode())
    drop, *rest = steps(conn)
    assert drop.startswith("drop index concurrently")
    assert rest == [build, check, register]
    for step in (drop, *rest):
        conn.execute(step.encode())
    assert steps(conn) == [register]
    conn.execute(broken.encode(), [name])
    assert create(conn) == name
    assert catalog(conn)[1][0][1:] == (True, True)
    force_index(conn)
    with scanning(conn, name):
        assert ids(conn, VECTORS[5], k=3) == nearest(VECTORS, VECTORS[5], 3)
    assert ordered(planned(conn, "rows", [VECTORS[5]])) == [name]


def test_a_partitioned_table_is_built_part_by_part(conn: Conn) -> None:
    make_partitioned(conn)
    append(conn, VECTORS, sql.Identifier("docs"))
    before = catalog(conn, numbers=True), catalog(conn, "docs_0")
    told = steps(conn)
    assert ["concurrently" in step for step in told] == [
        *(False, False, True, True, False, False, False, False)
    ]
    index = MatryoshkaIndex("docs", "embedding", dims=32)
    index.create(conn)
    wanted = catalog(conn)
    index.drop(conn)
    for step in told:
        conn.execute(step.encode())
    # the indexes of the parts have other names
    assert catalog(conn) == wanted
    assert one(conn, "select mrl.drop_index('docs', 'embedding')") == index.name
    assert (catalog(conn, numbers=True), catalog(conn, "docs_0")) == before


def test_a_drop_takes_what_it_made_and_no_more(conn: Conn) -> None:
    make_table(conn, VECTORS)
    first = create(conn)
    second = create(conn, index_name="finer", m=32, ef_construction=100)
    other = create(conn, dims=16, kind="bit", keep="generated", rebuild=True)
    assert create(conn) == first
    with refused(
        errors.AmbiguousParameter,
        "column public.docs.embedding has 3 short columns",
        "dims",
    ):
        one(conn, "select mrl.drop_index('docs', 'embedding')")
    with refused(errors.AmbiguousParameter, "has 2 short columns like that"):
        one(conn, "select mrl.drop_index('docs', 'embedding', dims => 32)")
    assert one(conn, "select mrl.drop_index('docs', 'embedding', dims => 33)") is None
    call = "select mrl.drop_index('docs', 'embedding', index_name => %s)"
    assert one(conn, call, second) == second
    # the other index needs the column still
    force_index(conn)
    with scanning(conn, first):
        assert ids(conn, VECTORS[5], k=2, dims=32) == nearest(VECTORS, VECTORS[5], 2)
    assert one(conn, "select mrl.drop_index('docs', 'embedding', 32)") == first
    columns, indexes, rows = catalog(conn)
    assert [row[0] for row in columns] == [
        *("embedding", "embedding_16_bit", "id", "n", "title")
    ]
    assert (len(indexes), [row[3] for row in rows]) == (2, [other])
    conn.execute("drop index docs_embedding_16_bit_cosine_hnsw")
    assert one(conn, "select mrl.drop_index('docs', 'embedding')") == other
    assert len(catalog(conn)[0]) == 4 and catalog(conn)[2] == []
    # twice is no error, in any interface
    assert one(conn, "select mrl.drop_index('docs', 'embedding')") is None
    with refused(errors.UndefinedColumn, "embeding"):
        one(conn, "select mrl.drop_index('docs', 'embeding')")


def test_a_drop_leaves_a_generated_column_of_yours(conn: Conn) -> None:
    """It bore the name of the short one, which somebody had dropped by hand."""
    make_table(conn, VECTORS[:50])
    create(conn)
    conn.execute("alter table docs drop column embedding_32_halfvec")
    conn.execute(
        "alter table docs add column embedding_32_halfvec halfvec(64) "
        "generated always as (embedding::halfvec(64)) stored"
    )
    one(conn, "select mrl.drop_index('docs', 'embedding')")
    columns, _, rows = catalog(conn)
    assert "embedding_32_halfvec" in [row[0] for row in columns]
    assert rows == []


def test_a_drop_knows_its_column_when_the_full_one_is_renamed(conn: Conn) -> None:
    make_table(conn, VECTORS[:50])
    create(conn)
    conn.execute('alter table docs rename embedding to "full_v%"')
    one(conn, "select mrl.drop_index('docs', 'embedding')")
    assert "embedding_32_halfvec" not in [row[0] for row in catalog(conn)[0]]


def test_the_registry_says_how_short_values_come_about(conn: Conn) -> None:
    make_table(conn, VECTORS[:50])
    create(conn)
    create(conn, dims=16, kind="bit")
    for view in ("mrl.registry", "mrl.indexes"):
        told = conn.execute(
            f"select computed_as, kept_as from {view} order by dims".encode()
        )
        assert told.fetchall() == [("bits", "expression"), ("prefix", "generated")]
    call = (
        "select mrl.register('docs', 'embedding', 'embedding_32_halfvec', "
        "'docs_embedding_32_halfvec_cosine_hnsw', 32, 'halfvec', 'cosine', %s, %s)"
    )
    one(conn, call, "prefix", "generated")
    for computed, kept in (("bits", "generated"), ("prefix", "by hand")):
        with pytest.raises(errors.CheckViolation):
            one(conn, call, computed, kept)


@pytest.mark.parametrize("distance", ["l2", "ip"])
def test_vectors_that_are_not_of_length_1(conn: Conn, distance: str) -> None:
    make_table(conn, VECTORS * 3)
    with notices(conn) as told:
        create(conn, distance=distance)
    assert told == [
        "WARNING: 100 of the first 100 vectors are not of length 1: "
        f"under distance {distance}"
    ]
    with notices(conn) as told:
        create(conn, dims=16)
    assert told == []


@pytest.mark.parametrize("distance", ["cosine", "l2", "ip"])
def test_signs_that_cannot_tell_rows_apart(conn: Conn, distance: str) -> None:
    make_table(conn, np.abs(VECTORS))
    with notices(conn) as told:
        create(conn, kind="bit", distance=distance)
    assert told == [
        "WARNING: the first 100 vectors have 1 short values of kind bit(32): a first "
        "pass cannot tell their rows apart"
    ]
    with notices(conn) as told:
        create(conn, distance=distance)
    assert told == []


@pytest.mark.parametrize("word", ["kind", "distance"])
@pytest.mark.parametrize("function", ["create_index", "create_index_sql"])
def test_a_kind_too_long_for_any_name_is_refused(
    conn: Conn, word: str, function: str
) -> None:
    make_table(conn, VECTORS)
    conn.execute("set statement_timeout = '10s'")
    call = f"select mrl.{function}('docs', 'embedding', 16, {word} => repeat('x', 60))"
    with refused(errors.InvalidParameterValue, f"{word} 'xxx"):
        conn.execute(call.encode())
    with refused(errors.InvalidParameterValue, "leaves no room for a name"):
        conn.execute("select mrl._fit('stem', repeat('x', 60))")


def test_psql_runs_the_statements(conn: Conn, database: str, pg_server: Server) -> None:
    make_table(conn, VECTORS)
    script = r"select mrl.create_index_sql('docs', 'embedding', 32) \gexec"
    psql = server.bin_dir(pg_server.version) / "psql"
    subprocess.run(
        [psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", database],
        input=script.encode(),
        check=True,
        capture_output=True,
    )
    assert one(conn, "select usable from mrl.indexes") is True
