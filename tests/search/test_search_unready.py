"""Indexes and pgvectors a search cannot work with, and what it says of each."""

import warnings

import pytest
from psycopg import errors
from support.databases import Conn, connect
from support.plans import explain, first_pass, force_index
from support.servers import index_scans
from support.tables import make_table
from support.vectors import matryoshka, nearest

from mrl_pg import MatryoshkaColumn, MatryoshkaIndex
from mrl_pg.errors import (
    IndexMismatch,
    IndexNotFound,
    PgvectorMissing,
    PgvectorTooOld,
    PgvectorWarning,
)

VECTORS = matryoshka(200)
QUERY = VECTORS[0]


def test_no_index_yet(conn: Conn) -> None:
    make_table(conn, VECTORS)
    index = MatryoshkaIndex("docs", "embedding", dims=32)
    for missing in ("short column", "index"):
        with pytest.raises(IndexNotFound) as raised:
            index.search(conn, QUERY)
        for word in (missing, "index.create(conn)", "exact=True"):
            assert word in str(raised.value)
        assert index.search(conn, QUERY, exact=True).keys == nearest(VECTORS, QUERY)
        index.create(conn)
        conn.execute(f"drop index {index.name}")
    # the connection remembers what was there only until it fails or is told
    index.create(conn)
    assert index.search(conn, QUERY).keys == nearest(VECTORS, QUERY)
    index.drop(conn)
    with pytest.raises(IndexNotFound, match="short column"):
        index.search(conn, QUERY)


def test_a_column_dropped_behind_our_back(conn: Conn, database: str) -> None:
    make_table(conn, VECTORS)
    index = MatryoshkaIndex("docs", "embedding", dims=32)
    index.create(conn)
    index.search(conn, QUERY)
    with connect(database) as other:
        index.drop(other)
    with pytest.raises(IndexNotFound) as caught:
        index.search(conn, QUERY)
    assert caught.value.__context__ is None
    with conn.transaction(), pytest.raises(IndexNotFound):
        index.search(conn, QUERY)
    with connect(database) as other:
        index.create(other)
    force_index(conn)
    assert first_pass(explain(conn, index.plan(conn, QUERY))) == [index.name]
    assert index.search(conn, QUERY).keys == nearest(VECTORS, QUERY)


OTHERS = {
    "plain index": (
        "create index {name} on docs (n)",
        ("exists and is another one", "name="),
    ),
    "index of the full column": (
        "create index {name} on docs using hnsw (embedding vector_cosine_ops)",
        ("vector_cosine_ops", "halfvec_cosine_ops"),
    ),
    "another distance": (
        "create index {name} on docs using hnsw ({short} halfvec_l2_ops)",
        ("halfvec_l2_ops", "halfvec_cosine_ops"),
    ),
}


@pytest.mark.parametrize("other", OTHERS)
def test_another_index_of_that_name(conn: Conn, other: str) -> None:
    statement, words = OTHERS[other]
    make_table(conn, VECTORS)
    index = MatryoshkaIndex("docs", "embedding", dims=32)
    index.create(conn)
    conn.execute(f"drop index {index.name}")
    conn.execute(statement.format(name=index.name, short=index.short))
    for act in (lambda: index.search(conn, QUERY), lambda: index.create(conn)):
        with pytest.raises(IndexMismatch) as raised:
            act()
        for word in (index.name, *words):
            assert word in str(raised.value)
    assert index.search(conn, QUERY, exact=True).keys == nearest(VECTORS, QUERY)


def test_another_column_of_that_name(conn: Conn) -> None:
    make_table(conn, VECTORS)
    index = MatryoshkaIndex("docs", "embedding", dims=32)
    conn.execute(f"alter table docs add {index.short} halfvec(16)")
    conn.execute(
        f"create index {index.name} on docs "
        f"using hnsw ({index.short} halfvec_cosine_ops)"
    )
    with pytest.raises(
        IndexMismatch, match=r"halfvec\(16\), not halfvec\(32\).*short="
    ):
        index.search(conn, QUERY)
    with connect(conn.info.dsn) as fresh:
        fresh.execute(f"alter table docs alter {index.short} type halfvec(32)")
        with pytest.raises(IndexMismatch, match="not generated"):
            index.search(fresh, QUERY)


def test_an_index_left_invalid(conn: Conn) -> None:
    make_table(conn, VECTORS)
    index = MatryoshkaIndex("docs", "embedding", dims=32)
    index.create(conn)
    conn.execute(
        "update pg_index set indisvalid = false where indexrelid = %s::regclass",
        [index.name],
    )
    with pytest.raises(IndexNotFound, match=r"not valid.*index.create"):
        index.search(conn, QUERY)
    index.create(conn)
    assert index.search(conn, QUERY).keys == nearest(VECTORS, QUERY)


def test_an_index_that_becomes_invalid_is_noticed(conn: Conn, database: str) -> None:
    """Of a concurrent drop that was cancelled; searches were exact, and slow."""
    make_table(conn, VECTORS)
    named = MatryoshkaIndex("docs", "embedding", dims=32)
    column = MatryoshkaColumn("docs", "embedding")
    named.create(conn)
    conn.execute("select mrl.create_search_function('near', 'docs', 'embedding')")
    force_index(conn)
    by_sql = (
        "select id from mrl.search(null::docs, 'embedding', %s)",
        "select id from near(%s)",
    )
    invalid = "update pg_index set indisvalid = %s where indexrelid = %s::regclass"
    query = str(QUERY.tolist())
    with connect(database) as other:
        for searched in (named, column):
            for _ in range(2):
                assert searched.search(conn, QUERY).keys == nearest(VECTORS, QUERY)
            assert first_pass(explain(conn, searched.plan(conn, QUERY))) == [named.name]
            other.execute(invalid, [False, named.name])
            with pytest.raises(IndexNotFound, match="not valid"):
                searched.search(conn, QUERY)
            other.execute(invalid, [True, named.name])
        for statement in by_sql:
            for _ in range(2):
                found = conn.execute(statement, [query]).fetchall()
                assert [key for (key,) in found] == nearest(VECTORS, QUERY)
            assert index_scans(conn, named.name, statement, query) == 1
            other.execute(invalid, [False, named.name])
            with pytest.raises(errors.UndefinedObject, match="not valid"):
                conn.execute(statement, [query])
            other.execute(invalid, [True, named.name])


def test_pgvector_missing(bare_database: str) -> None:
    index = MatryoshkaIndex("docs", "embedding", dims=32)
    with connect(bare_database) as conn:
        conn.execute("create table docs (id int primary key, embedding real[])")
        for act in (
            lambda: index.search(conn, QUERY),
            lambda: index.search(conn, QUERY, exact=True),
            lambda: index.create(conn),
        ):
            with pytest.raises(PgvectorMissing, match="create extension vector"):
                act()


@pytest.mark.parametrize("version", ["0.7.4", "0.5.0", "0.4"])
def test_pgvector_too_old(conn: Conn, version: str) -> None:
    make_table(conn, VECTORS)
    index = MatryoshkaIndex("docs", "embedding", dims=32)
    index.create(conn)
    conn.execute(
        "update pg_extension set extversion = %s where extname = 'vector'", [version]
    )
    for act in (lambda: index.search(conn, QUERY), lambda: index.drop(conn)):
        with pytest.raises(PgvectorTooOld) as raised:
            act()
        for word in (version, "0.8.0", "alter extension vector update"):
            assert word in str(raised.value)


@pytest.mark.parametrize(
    "version", ["0.8.0", "0.8.3", "0.8.4", "0.8.10", "0.9.0", "1.0"]
)
def test_pgvector_with_known_faults(conn: Conn, version: str) -> None:
    make_table(conn, VECTORS)
    index = MatryoshkaIndex("docs", "embedding", dims=32)
    index.create(conn)
    conn.execute(
        "update pg_extension set extversion = %s where extname = 'vector'", [version]
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert index.search(conn, QUERY).keys == nearest(VECTORS, QUERY)
        assert index.search(conn, QUERY).keys == nearest(VECTORS, QUERY)
    # once a connection, not once a search
    assert len(caught) == (version in ("0.8.0", "0.8.3"))
    for warning in caught:
        assert warning.category is PgvectorWarning
        assert version in str(warning.message)
        assert "update to 0.8.4" in str(warning.message)
