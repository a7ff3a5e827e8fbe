"""Install and uninstall from Python: reports, transactions, rights, pgvector."""

import asyncio
import warnings
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from mrl_pg import (
    InstallReport,
    MatryoshkaIndex,
    NotInstalled,
    PgvectorMissing,
    PgvectorTooOld,
    PgvectorWarning,
    StillInUse,
    install,
    install_async,
    uninstall,
    uninstall_async,
)
from mrl_pg.installation import VERSION

Conn = psycopg.Connection[Any]
INDEX = MatryoshkaIndex("docs", "embedding", dims=2)
OBJECTS = (
    "select count(*) from pg_depend where refclassid = 'pg_namespace'::regclass "
    "and refobjid = to_regnamespace('mrl')"
)
INSTALLED = "select to_regnamespace('mrl') is not null"


def answer(conn: Conn, query: str) -> Any:
    return conn.execute(query.encode()).fetchall()[0][0]


def make_docs(conn: Conn) -> None:
    conn.execute("create table docs (id int primary key, embedding vector(4))")
    conn.execute(
        "insert into docs select i, array[i,1,2,3]::real[] from generate_series(1,9) i"
    )


@pytest.fixture
def bare(bare_database: str) -> Any:
    """A connection to a database with pgvector and without mrl."""
    with psycopg.connect(bare_database, autocommit=True) as conn:
        conn.execute("create extension vector")
        yield conn


def test_reports_say_what_was_found_and_what_is_left(bare: Conn) -> None:
    said = [str(act(bare)) for act in (uninstall, install, install, uninstall)]
    assert said == [
        "mrl_pg was not installed",
        f"installed mrl_pg {VERSION}",
        f"mrl_pg {VERSION} was installed already; refreshed it",
        f"removed mrl_pg {VERSION}; short columns and indexes stay",
    ]
    assert install(bare) == InstallReport(None, VERSION)
    assert install(bare) == InstallReport(VERSION, VERSION)
    assert uninstall(bare) == InstallReport(VERSION, None)
    assert uninstall(bare) == InstallReport(None, None)
    assert answer(bare, INSTALLED) is False


def test_an_upgrade_is_reported_and_done(conn: Conn) -> None:
    conn.execute(
        "create or replace function mrl.version() returns text "
        "language sql immutable parallel safe return '0.0.9'::text"
    )
    assert str(install(conn)) == f"upgraded mrl_pg 0.0.9 to {VERSION}"
    assert answer(conn, "select mrl.version()") == VERSION


def test_the_async_twins_do_the_same(bare: Conn, bare_database: str) -> None:
    async def run() -> list[InstallReport]:
        async with await psycopg.AsyncConnection.connect(
            bare_database, autocommit=True
        ) as conn:
            calls = (install_async, install_async, uninstall_async, uninstall_async)
            return [await call(conn) for call in calls]

    assert asyncio.run(run()) == [
        act(bare) for act in (install, install, uninstall, uninstall)
    ]


def test_a_second_install_keeps_the_registry(conn: Conn) -> None:
    make_docs(conn)
    INDEX.create(conn)
    before = conn.execute("select * from mrl.indexes").fetchall()
    objects = answer(conn, OBJECTS)
    install(conn)
    assert conn.execute("select * from mrl.indexes").fetchall() == before
    assert answer(conn, OBJECTS) == objects


def test_uninstall_leaves_short_columns_that_are_adopted_again(conn: Conn) -> None:
    make_docs(conn)
    INDEX.create(conn)
    before = INDEX.search(conn, [1, 1, 2, 3], k=3)
    uninstall(conn)
    # a search needs nothing of mrl
    assert INDEX.search(conn, [1, 1, 2, 3], k=3) == before
    install(conn)
    assert conn.execute("select * from mrl.indexes").fetchall() == []
    assert str(INDEX.create(conn)).endswith("nothing to do")
    assert INDEX.search(conn, [1, 1, 2, 3], k=3) == before
    assert answer(conn, "select index_name::text from mrl.indexes") == INDEX.name


def test_uninstall_refuses_while_a_view_of_yours_uses_it(conn: Conn) -> None:
    make_docs(conn)
    INDEX.create(conn)
    conn.execute("create view cut as select mrl.truncate(embedding, 2) from docs")
    objects = answer(conn, OBJECTS)
    said = (
        r"use mrl: view cut depends on function mrl.truncate\(.*; drop or change them"
    )
    with pytest.raises(StillInUse, match=said):
        uninstall(conn)
    assert answer(conn, OBJECTS) == objects
    assert answer(conn, "select count(*) from mrl.indexes") == 1
    assert answer(conn, "select count(*) from cut") == 9
    conn.execute("drop view cut")
    uninstall(conn)
    assert answer(conn, INSTALLED) is False


def test_uninstall_refuses_while_a_made_search_function_is_there(bare: Conn) -> None:
    make_docs(bare)
    install(bare)
    INDEX.create(bare)
    made = "select mrl.create_search_function('search_docs', 'docs', 'embedding')"
    bare.execute(made.encode())
    with pytest.raises(StillInUse, match=r"mrl: function search_docs\(.*\) depends on"):
        uninstall(bare)
    assert answer(bare, "select count(*) from search_docs('[1,1,2,3]')") == 9
    bare.execute("drop function search_docs")
    assert uninstall(bare) == InstallReport(VERSION, None)


def test_uninstall_works_after_pgvector_is_gone(conn: Conn) -> None:
    conn.execute("set client_min_messages = error")
    conn.execute("drop extension vector cascade")
    assert uninstall(conn).found == VERSION
    assert answer(conn, INSTALLED) is False


def test_a_rolled_back_install_leaves_nothing(bare: Conn) -> None:
    with bare.transaction(force_rollback=True):
        install(bare)
        assert answer(bare, INSTALLED) is True
    assert answer(bare, INSTALLED) is False
    install(bare)
    with bare.transaction(force_rollback=True):
        uninstall(bare)
    assert answer(bare, "select mrl.version()") == VERSION


@pytest.mark.parametrize("act", [install, uninstall])
def test_the_search_path_is_as_before(bare: Conn, act: Any) -> None:
    if act is uninstall:
        install(bare)
    path = '"$user", "A b", public'
    bare.execute("select set_config('search_path', %s, false)", [path])
    act(bare)
    assert answer(bare, "show search_path") == path
    with bare.transaction():
        bare.execute("""set local search_path to public, "it's" """)
        inside = answer(bare, "show search_path")
        act(bare)
        assert answer(bare, "show search_path") == inside
        bare.execute("set search_path to pg_temp")
        act(bare)
    assert answer(bare, "show search_path") == "pg_temp"


def test_an_empty_search_path_is_no_hindrance(bare: Conn) -> None:
    bare.execute("set search_path to ''")
    install(bare)
    assert answer(bare, "show search_path") == '""'
    assert answer(bare, "select mrl.truncate('[3,4]'::public.vector, 1)::text") == "[1]"


def test_an_object_of_yours_does_not_get_in_between(bare: Conn) -> None:
    bare.execute("create function public.l2_normalize(text) returns text return $1")
    bare.execute("create function public.max(integer) returns int return 666")
    bare.execute("create type public.regclass as enum ('trap')")
    install(bare)
    make_docs(bare)
    INDEX.create(bare)
    columns = bare.execute("select m, table_name::text from mrl.indexes").fetchall()
    assert columns == [("16", "docs")]


def test_pgvector_in_a_schema_off_the_search_path(bare_database: str) -> None:
    with psycopg.connect(bare_database, autocommit=True) as conn:
        conn.execute("create schema extensions")
        conn.execute("create extension vector schema extensions")
        assert install(conn).version == VERSION
        conn.execute("create table docs (id int primary key, v extensions.vector(4))")
        conn.execute("insert into docs values (1, '[1,0,0,0]'), (2, '[0,1,0,0]')")
        for kind in ("vector", "halfvec", "bit"):
            index = MatryoshkaIndex("docs", "v", dims=2, kind=kind)
            assert index.create(conn).changed
            assert str(index.create(conn)).endswith("nothing to do")
            assert index.search(conn, [0, 1, 0, 0], k=1).keys == [2]
            assert index.drop(conn).changed
        assert answer(conn, "show search_path") == '"$user", public'
        assert uninstall(conn).found == VERSION


def test_a_role_without_create_gets_the_error_of_postgresql(
    bare: Conn, bare_database: str
) -> None:
    bare.execute("create role install_guest login")
    with psycopg.connect(
        make_conninfo(bare_database, user="install_guest"), autocommit=True
    ) as guest:
        with pytest.raises(
            psycopg.errors.InsufficientPrivilege, match="permission denied for database"
        ):
            install(guest)
        assert answer(guest, INSTALLED) is False
        database = bare.info.dbname
        bare.execute(f"grant create on database {database} to install_guest".encode())
        assert install(guest).version == VERSION


def test_a_newer_version_is_refused(conn: Conn, database: str) -> None:
    conn.execute(
        "create or replace function mrl.version() returns text "
        "language sql immutable parallel safe return '99.0.0.dev1'::text"
    )
    message = f"mrl_pg 99.0.0.dev1, newer than this package .{VERSION}.: upgrade the"
    with pytest.raises(NotInstalled, match=message):
        install(conn)

    async def run() -> None:
        async with await psycopg.AsyncConnection.connect(database) as other:
            await install_async(other)

    with pytest.raises(NotInstalled, match=message):
        asyncio.run(run())
    assert answer(conn, "select mrl.version()") == "99.0.0.dev1"
    assert uninstall(conn).found == "99.0.0.dev1"


def test_without_pgvector(bare_database: str) -> None:
    with psycopg.connect(bare_database, autocommit=True) as conn:
        with pytest.raises(PgvectorMissing, match="run `create extension vector`"):
            install(conn)
        assert answer(conn, INSTALLED) is False


@pytest.mark.parametrize("version", ["0.7.4", "0.5", "0.7.99-dev"])
def test_pgvector_too_old(bare: Conn, version: str) -> None:
    bare.execute("update pg_extension set extversion = %s", [version])
    message = f"pgvector {version} is too old: mrl_pg needs 0.8.0 or later"
    with pytest.raises(PgvectorTooOld, match=message):
        install(bare)
    assert answer(bare, INSTALLED) is False


@pytest.mark.parametrize("version", ["0.8.0", "0.8.3"])
def test_pgvector_with_known_faults(bare: Conn, version: str) -> None:
    bare.execute("update pg_extension set extversion = %s", [version])
    with pytest.warns(PgvectorWarning, match=f"pgvector {version} has known faults"):
        install(bare)
    assert answer(bare, "select mrl.version()") == VERSION


@pytest.mark.parametrize("version", ["0.8.4", "0.9", "0.10.0", "1.0.0"])
def test_pgvector_that_is_sound(bare: Conn, version: str) -> None:
    bare.execute("update pg_extension set extversion = %s", [version])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        install(bare)
