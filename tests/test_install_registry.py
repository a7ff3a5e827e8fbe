"""The registry's rows: owners write their own, and rows of dropped tables go."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from mrl_pg import MatryoshkaIndex

Conn = psycopg.Connection[Any]


@pytest.fixture
def roles(admin: Conn) -> Iterator[tuple[str, str]]:
    """Two roles; dropped after the database, which `two_owners` asks for later."""
    names = ("registry_a", "registry_b")
    for name in names:
        admin.execute(f"create role {name}".encode())
    yield names
    for name in names:
        admin.execute(f"drop role {name}".encode())


@pytest.fixture
def two_owners(roles: tuple[str, str], conn: Conn) -> Conn:
    """A connection as the first of two roles with an indexed table each."""
    for role, schema in zip(roles, ("a", "b"), strict=True):
        conn.execute(f"create schema {schema} authorization {role}".encode())
        conn.execute(f"set role {role}".encode())
        conn.execute(
            f"create table {schema}.docs (id int primary key, v vector(4))".encode()
        )
        MatryoshkaIndex("docs", "v", dims=2, schema=schema).create(conn)
        conn.execute(f"grant usage on schema {schema} to public".encode())
        conn.execute("reset role")
    conn.execute("set role registry_a")
    return conn


def changed(conn: Conn, statement: str) -> int:
    return conn.execute(statement.encode()).rowcount


def test_owners_write_only_about_their_own_tables(two_owners: Conn) -> None:
    conn = two_owners
    rows = conn.execute("select table_name::text from mrl.indexes order by 1")
    assert rows.fetchall() == [("a.docs",), ("b.docs",)]
    theirs = "where table_id = 'b.docs'::regclass"
    mine = "where table_id = 'a.docs'::regclass"
    assert changed(conn, f"update mrl.registry set dims = 3 {theirs}") == 0
    assert changed(conn, f"delete from mrl.registry {theirs}") == 0
    assert changed(conn, f"update mrl.registry set dims = 3 {mine}") == 1
    insert = (
        "insert into mrl.registry (table_id, full_column, short_column, index_name, "
        "dims, kind, distance) values ('{}.docs'::regclass, 'v', 's', 'i', 2, "
        "'bit', 'l2')"
    )
    assert changed(conn, insert.format("a")) == 1
    for statement in (
        insert.format("b"),
        f"update mrl.registry set table_id = 'b.docs'::regclass {mine}",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level"):
            conn.execute(statement.encode())
    assert changed(conn, f"delete from mrl.registry {mine}") == 2


def test_rows_of_dropped_tables_are_swept(two_owners: Conn) -> None:
    conn = two_owners
    conn.execute("reset role")
    conn.execute("drop table b.docs")
    count = "select count(*) from mrl.registry"
    assert conn.execute(count).fetchone() == (2,)
    assert len(conn.execute("select * from mrl.indexes").fetchall()) == 1
    conn.execute("set role registry_a")
    assert not MatryoshkaIndex("docs", "v", dims=2, schema="a").create(conn).changed
    assert conn.execute(count).fetchone() == (1,)
