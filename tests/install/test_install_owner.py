"""A schema `mrl` that another role made beforehand: every way to install refuses."""

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from support.command import alembic
from support.databases import address

from mrl_pg import (
    NotInstalled,
    StillInUse,
    install,
    install_async,
    server,
    uninstall,
)
from mrl_pg.installation import VERSION

ROOT = Path(__file__).parents[2]
ROLES = ("owner_stranger", "owner_group", "owner_member")
Conn = psycopg.Connection[Any]
OBJECTS = (
    "select pg_describe_object(classid, objid, objsubid) from pg_depend "
    "where refclassid = 'pg_namespace'::regclass "
    "and refobjid = to_regnamespace('mrl') order by 1"
)
SUPERUSERS = "select rolname from pg_roles where rolsuper order by 1"
TRAP = """
    create function mrl.seize() returns trigger language plpgsql as
        'begin alter role owner_stranger superuser; return new; end';
    create table mrl._registry (
        table_id regclass not null, full_column name, short_column name,
        index_name name, dims int, kind text, distance text, created_at timestamptz,
        primary key (table_id, index_name)
    );
    create trigger seize before insert or delete on mrl._registry
        for each statement execute function mrl.seize();
    create function mrl.version() returns text language plpgsql as
        'begin alter role owner_stranger superuser; return ''0.0.1''; end'
"""


@pytest.fixture
def bare(admin: Conn, bare_database: str) -> Iterator[Conn]:
    """A superuser's connection to a database with pgvector, and three roles."""
    with psycopg.connect(bare_database, autocommit=True) as conn:
        conn.execute("create extension vector")
        for role in ROLES:
            conn.execute(f"create role {role}".encode())
            grant = f"grant create on database {conn.info.dbname} to {role}"
            conn.execute(grant.encode())
        conn.execute("grant owner_group to owner_member")
        yield conn
        conn.execute("reset role")
        for role in ROLES:
            conn.execute(f"drop owned by {role} cascade".encode())
            conn.execute(f"drop role {role}".encode())


def rows(conn: Conn, query: str) -> list[Any]:
    return conn.execute(query.encode()).fetchall()


def by_python(conn: Conn, version: int, folder: Path) -> str:
    with pytest.raises(NotInstalled) as caught:
        install(conn)
    assert isinstance(caught.value.__cause__, psycopg.Error)
    return str(caught.value)


def by_python_async(conn: Conn, version: int, folder: Path) -> str:
    async def run() -> None:
        async with await psycopg.AsyncConnection.connect(conn.info.dsn) as other:
            await install_async(other)

    with pytest.raises(NotInstalled) as caught:
        asyncio.run(run())
    return str(caught.value)


def refused(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode != 0
    return done.stderr


def by_psql(conn: Conn, version: int, folder: Path) -> str:
    command = [str(server.bin_dir(version) / "psql"), "-X", "-d", address(conn)]
    return refused([*command, "-f", str(ROOT / "sql" / "install.sql")], folder)


def by_alembic(conn: Conn, version: int, folder: Path) -> str:
    url = f"postgresql+psycopg:///?host={conn.info.host}&port={conn.info.port}"
    url += f"&dbname={conn.info.dbname}&user={conn.info.user}"
    options = ["-c", str(ROOT / "migrations" / "alembic.ini"), "-x", f"dsn={url}"]
    done = alembic(folder, [*options, "upgrade", "head"])
    assert done.returncode != 0
    return done.stderr


@pytest.mark.parametrize("interface", [by_python, by_python_async, by_psql, by_alembic])
def test_a_superuser_does_not_adopt_what_a_stranger_made(
    bare: Conn, pg_version: int, tmp_path: Path, interface: Any
) -> None:
    bare.execute("set role owner_stranger")
    bare.execute("create schema mrl")
    bare.execute(TRAP.encode())
    bare.execute("reset role")
    before = rows(bare, OBJECTS), rows(bare, SUPERUSERS)
    said = interface(bare, pg_version, tmp_path)
    assert "schema mrl belongs to role owner_stranger, whose code could run" in said
    assert "install as role owner_stranger, or look at the objects in" in said
    assert (rows(bare, OBJECTS), rows(bare, SUPERUSERS)) == before


def test_to_uninstall_runs_nothing_of_a_stranger(bare: Conn) -> None:
    bare.execute("set role owner_stranger")
    bare.execute("create schema mrl")
    bare.execute(TRAP.encode())
    bare.execute("reset role")
    before = rows(bare, OBJECTS), rows(bare, SUPERUSERS)
    with pytest.raises(StillInUse, match="depends on schema mrl"):
        uninstall(bare)
    assert (rows(bare, OBJECTS), rows(bare, SUPERUSERS)) == before


MADE = {
    "table mrl.registry": "create table mrl.registry (table_id int)",
    "function mrl.version()": "create function mrl.version() returns text return 'a'",
    "type mrl.mood": "create type mrl.mood as enum ('trap')",
    "view mrl.indexes": "create view mrl.indexes as select 1 as one",
}


@pytest.mark.parametrize("what", MADE)
def test_a_strangers_object_in_a_schema_of_ours(bare: Conn, what: str) -> None:
    bare.execute("create schema mrl")
    bare.execute("grant usage, create on schema mrl to owner_stranger")
    bare.execute("set role owner_stranger")
    bare.execute(MADE[what].encode())
    bare.execute("reset role")
    before = rows(bare, OBJECTS)
    with pytest.raises(NotInstalled, match=f"{what.split('(')[0]}.* owner_stranger,"):
        install(bare)
    assert rows(bare, OBJECTS) == before


def test_a_strangers_trigger_function_on_a_table_of_ours(bare: Conn) -> None:
    bare.execute("create schema theirs authorization owner_stranger")
    bare.execute("set role owner_stranger")
    bare.execute(
        "create function theirs.seize() returns trigger language plpgsql "
        "as 'begin return new; end'"
    )
    bare.execute("reset role")
    install(bare)
    bare.execute(
        "create trigger seize before insert on mrl._registry "
        "for each row execute function theirs.seize()"
    )
    with pytest.raises(NotInstalled, match="trigger seize on table mrl"):
        install(bare)


def test_an_ordinary_role_does_not_adopt_it_either(bare: Conn) -> None:
    bare.execute("set role owner_stranger")
    bare.execute("create schema mrl")
    bare.execute("set role owner_member")
    with pytest.raises(NotInstalled, match="with the rights of owner_member"):
        install(bare)
    bare.execute("reset role")
    bare.execute("drop schema mrl")
    install(bare)
    bare.execute("set role owner_member")
    with pytest.raises(NotInstalled, match="schema mrl belongs to role postgres"):
        install(bare)


def test_members_and_superusers_in_its_name_install_again(bare: Conn) -> None:
    bare.execute("set role owner_group")
    assert install(bare).found is None
    bare.execute("set role owner_member")
    assert install(bare).found == VERSION
    bare.execute("reset role")
    with pytest.raises(NotInstalled, match="install as role owner_group, or"):
        install(bare)
    bare.execute("set role owner_group")
    assert install(bare).found == VERSION
    assert uninstall(bare).found == VERSION


def test_superusers_rely_on_each_other(bare: Conn) -> None:
    bare.execute("alter role owner_group superuser")
    bare.execute("set role owner_group")
    install(bare)
    bare.execute("reset role")
    assert install(bare).found == VERSION
