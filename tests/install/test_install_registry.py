"""The registry's rows: owners write their own, and rows of dropped tables go."""

import re
import subprocess
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from mrl_pg import MatryoshkaIndex, server

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
    """A connection as the first of two roles with an indexed table each.

    A second index `i` on the short column is not in the registry.
    """
    for role, schema in zip(roles, ("a", "b"), strict=True):
        conn.execute(f"create schema {schema} authorization {role}".encode())
        conn.execute(f"set role {role}".encode())
        conn.execute(
            f"create table {schema}.docs (id int primary key, v vector(4))".encode()
        )
        MatryoshkaIndex("docs", "v", dims=2, schema=schema).create(conn)
        conn.execute(
            f"create index i on {schema}.docs "
            "using hnsw (v_2_halfvec halfvec_cosine_ops)".encode()
        )
        conn.execute(f"grant usage on schema {schema} to public".encode())
        conn.execute("reset role")
    conn.execute("set role registry_a")
    return conn


CALL = "select mrl.register('{}.docs', 'v', '{}', '{}', {}, '{}', '{}')"
REGISTER = CALL.format("{}", "v_2_halfvec", "i", 2, "halfvec", "cosine")
UNREGISTER = "select mrl.unregister('{}.docs', 'i')"
ROWS = "select table_id::text, index_name from mrl.registry where index_name = 'i'"


def run(conn: Conn, statement: str) -> list[Any]:
    return conn.execute(statement.encode()).fetchall()


def test_owners_write_only_about_their_own_tables(two_owners: Conn) -> None:
    conn = two_owners
    rows = conn.execute("select table_name::text from mrl.indexes order by 1")
    assert rows.fetchall() == [("a.docs",), ("b.docs",)]
    for statement in (REGISTER, UNREGISTER):
        with pytest.raises(
            psycopg.errors.InsufficientPrivilege,
            match=r"role registry_a does not own table b.docs\n.*as role registry_b",
        ):
            run(conn, statement.format("b"))
    for _ in range(2):
        run(conn, REGISTER.format("a"))
        assert run(conn, ROWS) == [("a.docs", "i")]
    run(conn, UNREGISTER.format("a"))
    assert run(conn, ROWS) == []
    index = MatryoshkaIndex("docs", "v", dims=2, schema="a")
    assert index.drop(conn).changed
    assert index.create(conn).changed


def test_a_member_and_a_superuser_write_for_the_owner(two_owners: Conn) -> None:
    conn = two_owners
    conn.execute("reset role")
    run(conn, REGISTER.format("b"))
    run(conn, UNREGISTER.format("b"))
    conn.execute("grant registry_b to registry_a")
    conn.execute("set role registry_a")
    run(conn, REGISTER.format("b"))
    assert run(conn, ROWS) == [("b.docs", "i")]


def test_who_connected_is_asked_where_no_role_is_set(two_owners: Conn) -> None:
    conn = two_owners
    conn.execute("reset role")
    conn.execute("set session authorization registry_b")
    run(conn, REGISTER.format("b"))
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="registry_b does"):
        run(conn, REGISTER.format("a"))
    conn.execute("reset session authorization")


@pytest.mark.parametrize(
    ("said", "values"),
    [
        ("index nowhere of a.docs does not exist", ("v_2_halfvec", "nowhere")),
        ("index i of a.docs is not an index of nowhere", ("nowhere", "i")),
        ("index i of a.docs is not an index of v for", ("v", "i")),
        (
            "index i of a.docs is not an index of v_2_halfvec for distance l2",
            ("v_2_halfvec", "i", 2, "halfvec", "l2"),
        ),
        (
            "column a.docs.v_2_halfvec is not the halfvec(1) prefix of v",
            ("v_2_halfvec", "i", 1),
        ),
        (
            "column a.docs.v is not the vector(2) prefix of v",
            ("v", "full", 2, "vector"),
        ),
    ],
)
def test_only_what_is_there_is_registered(
    two_owners: Conn, said: str, values: tuple[object, ...]
) -> None:
    two_owners.execute('create index "full" on a.docs using hnsw (v vector_cosine_ops)')
    rest = (2, "halfvec", "cosine")[len(values) - 2 :]
    before = run(two_owners, "select * from mrl.registry")
    with pytest.raises(psycopg.Error, match=re.escape(said)):
        run(two_owners, CALL.format("a", *values, *rest))
    assert run(two_owners, "select * from mrl.registry") == before


@pytest.mark.parametrize(
    "statement",
    [
        "insert into mrl._registry select * from mrl._registry",
        "update mrl._registry set dims = 3",
        "delete from mrl._registry",
        "truncate mrl._registry",
    ],
)
def test_nobody_writes_rows_by_hand(two_owners: Conn, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="table _registry"):
        run(two_owners, statement)


@pytest.mark.parametrize("name", ["999999", "mrl.indexes", "pg_class_oid_index"])
def test_only_tables_are_registered(conn: Conn, name: str) -> None:
    call = "select mrl.register(%s::regclass, 'v', 's', 'i', 2, 'bit', 'l2')"
    with pytest.raises(psycopg.errors.UndefinedTable, match=f"{name} is not a table"):
        conn.execute(call.encode(), [name])
    with pytest.raises(psycopg.errors.UndefinedTable, match="null is not a table"):
        conn.execute("select mrl.unregister(null, 'i')")


def test_a_role_that_reads_all_data_can_dump_the_registry(
    two_owners: Conn, database: str, pg_version: int
) -> None:
    conn = two_owners
    conn.execute("reset role")
    conn.execute("alter role registry_a login")
    conn.execute("grant pg_read_all_data to registry_a")
    done = subprocess.run(
        [
            server.bin_dir(pg_version) / "pg_dump",
            *("-d", make_conninfo(database, user="registry_a")),
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    _, _, data = done.stdout.partition("COPY mrl._tables")
    rows = data.partition("\\.\n")[0].splitlines()[1:]
    assert sorted(row.split("\t")[1] for row in rows) == ["a.docs", "b.docs"]


def test_rows_of_dropped_tables_are_swept(two_owners: Conn) -> None:
    conn = two_owners
    conn.execute("reset role")
    conn.execute("drop table b.docs")
    count = "select count(*) from mrl._registry"
    assert conn.execute(count).fetchone() == (2,)
    assert len(conn.execute("select * from mrl.indexes").fetchall()) == 1
    conn.execute("set role registry_a")
    assert not MatryoshkaIndex("docs", "v", dims=2, schema="a").create(conn).changed
    assert conn.execute(count).fetchone() == (1,)
