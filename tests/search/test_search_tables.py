"""Tables of every sort: roles, row-level security, partitions, schemas."""

import pytest
from psycopg import errors, sql
from support.databases import Conn, connect, role
from support.plans import explain, first_pass, force_index
from support.tables import append, make_table
from support.vectors import assert_true, matryoshka, nearest

from mrl_pg import MatryoshkaIndex
from mrl_pg.errors import TableNotFound


def test_an_ordinary_role_needs_select_alone(conn: Conn, database: str) -> None:
    vectors = matryoshka(500)
    make_table(conn, vectors)
    index = MatryoshkaIndex("docs", "embedding", dims=32)
    index.create(conn)
    url = role(conn, database, "reader")
    with connect(url) as reader:
        with pytest.raises(errors.InsufficientPrivilege):
            index.search(reader, vectors[0])
        conn.execute("grant select on docs to reader")
        force_index(reader)
        plan = index.plan(reader, vectors[0])
        assert first_pass(explain(reader, plan)) == [index.name]
        for exact in (False, True):
            found = index.search(reader, vectors[0], exact=exact)
            assert found.keys == nearest(vectors, vectors[0])


def test_the_key_and_both_vectors_are_all_a_role_must_see(
    conn: Conn, database: str
) -> None:
    vectors = matryoshka(300)
    make_table(conn, vectors)
    index = MatryoshkaIndex("docs", "embedding", dims=32)
    index.create(conn)
    url = role(conn, database, "reader")
    conn.execute(
        sql.SQL("grant select (id, embedding, {}) on docs to reader").format(
            sql.Identifier(index.short)
        )
    )
    with connect(url) as reader:
        assert index.search(reader, vectors[0]).keys == nearest(vectors, vectors[0])
        assert len(index.search(reader, vectors[0], k=300, candidates=999)) == 300


def test_row_level_security_holds_and_k_is_filled(conn: Conn, database: str) -> None:
    vectors = matryoshka(3000)
    make_table(conn, vectors)
    index = MatryoshkaIndex("docs", "embedding", dims=32)
    index.create(conn)
    conn.execute(
        """
        alter table docs enable row level security, force row level security;
        create policy own on docs using (
            (n < 5) = (current_user = 'tenant_a')
        );
        analyze docs
        """
    )
    for tenant in ("tenant_a", "tenant_b"):
        url = role(conn, database, tenant)
        conn.execute(
            sql.SQL("grant select on docs to {}").format(sql.Identifier(tenant))
        )
        mine = [
            key
            for key in nearest(vectors, vectors[42], 3000)
            if (key % 100 < 5) == (tenant == "tenant_a")
        ]
        with connect(url) as reader:
            force_index(reader)
            plan = index.plan(reader, vectors[42])
            assert first_pass(explain(reader, plan)) == [index.name]
            for exact in (False, True):
                found = index.search(reader, vectors[42], k=20, exact=exact)
                assert found.keys == mine[:20]
                assert not found.cut_short
                found = index.search(
                    reader, vectors[42], filter="id < 1500", k=20, exact=exact
                )
                assert found.keys == [key for key in mine if key < 1500][:20]
            assert plan.shape.effort.scan == "iterative"


def test_a_partitioned_table(conn: Conn) -> None:
    vectors = matryoshka(3000)
    conn.execute(
        """
        create table docs (
            id bigint primary key, n int, title text, embedding vector(64)
        ) partition by range (id);
        create table docs_low partition of docs for values from (1) to (1000);
        create table docs_mid partition of docs for values from (1000) to (2000);
        create table docs_high partition of docs for values from (2000) to (9999)
        """
    )
    append(conn, vectors, sql.Identifier("docs"))
    index = MatryoshkaIndex("docs", "embedding", dims=32)
    index.create(conn)
    conn.execute("analyze docs")
    force_index(conn)
    query = vectors[1500]
    names = first_pass(explain(conn, index.plan(conn, query)))
    assert [name.split("_embedding")[0] for name in sorted(names)] == [
        "docs_high",
        "docs_low",
        "docs_mid",
    ]
    found = index.search(conn, query)
    assert found.keys == nearest(vectors, query)
    assert (found.seen, found.scan) == (160, "single")
    assert_true(found, vectors, query)
    where = "id < 1000"
    names = first_pass(explain(conn, index.plan(conn, query, filter=where)))
    assert [name.split("_embedding")[0] for name in names] == ["docs_low"]
    low = nearest(vectors[:999], query)
    assert index.search(conn, query, filter=where).keys == low
    deep = index.search(conn, query, k=1500, candidates=2900)
    assert (deep.seen, deep.cut_short) == (2900, False)
    assert index.drop(conn).changed


def test_a_table_with_children(conn: Conn) -> None:
    vectors = matryoshka(900)
    make_table(conn, vectors[:600])
    conn.execute("create table notes (primary key (id)) inherits (docs)")
    append(conn, vectors[600:], sql.Identifier("notes"), first=601)
    index = MatryoshkaIndex("docs", "embedding", dims=32)
    index.create(conn)
    force_index(conn)
    for query in (vectors[5], vectors[700]):
        assert index.name in first_pass(explain(conn, index.plan(conn, query)))
        for exact in (False, True):
            found = index.search(conn, query, exact=exact)
            assert found.keys == nearest(vectors, query)


def test_tables_of_one_name_in_two_schemas(conn: Conn, database: str) -> None:
    ours, theirs = matryoshka(400, seed=1), matryoshka(400, seed=2)
    conn.execute("create schema a; create schema b")
    make_table(conn, ours, schema="a")
    make_table(conn, theirs, schema="b")
    indexes = [
        MatryoshkaIndex("docs", "embedding", dims=32, schema=schema)
        for schema in ("a", "b")
    ]
    force_index(conn)
    with pytest.raises(TableNotFound, match="search path"):
        MatryoshkaIndex("docs", "embedding", dims=32).create(conn)
    for index, vectors in zip(indexes, (ours, theirs), strict=True):
        index.create(conn)
        plan = index.plan(conn, ours[3])
        assert first_pass(explain(conn, plan)) == [index.name]
        found = index.search(conn, ours[3])
        assert found.keys == nearest(vectors, ours[3])
    unnamed = MatryoshkaIndex("docs", "embedding", dims=32)
    for path, vectors in (("a", ours), ("b", theirs)):
        with connect(f"{database}&options=-csearch_path%3D{path},public") as other:
            assert unnamed.search(other, ours[3]).keys == nearest(vectors, ours[3])
    with connect(database) as other:
        for path, vectors in (("a", ours), ("b", theirs), ("a", ours)):
            other.execute(sql.SQL("set search_path = {}, public").format(path))
            for exact in (False, True):
                found = unnamed.search(other, ours[3], exact=exact)
                assert found.keys == nearest(vectors, ours[3])
    indexes[0].drop(conn)
    assert indexes[1].search(conn, ours[3]).keys == nearest(theirs, ours[3])
