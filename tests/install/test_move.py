"""A database that pg_dump writes and psql or pg_restore reads answers as before."""

from pathlib import Path

import pytest
from psycopg import errors, sql
from psycopg.conninfo import conninfo_to_dict
from support.databases import Conn, connect, database_fixture, role
from support.moving import LAYOUTS, QUERY, TABLES, answered, create, fill, held
from support.servers import psql, run

from mrl_pg import install


def move(version: int, old: str, new: str, folder: Path, way: str, *how: str) -> None:
    """Dump one database and restore it into another; any error fails the test."""
    file = str(folder / "dump")
    if way == "psql":
        run(version, "pg_dump", "-d", old, "-f", file, *how)
        psql(version, new, "-f", file)
    else:
        run(version, "pg_dump", "-Fc", "-d", old, "-f", file)
        run(version, "pg_restore", "--exit-on-error", "-d", new, *how, file)


database = database_fixture(fill, used_by="filled")


@pytest.fixture
def filled(conn: Conn) -> Conn:
    return conn


@pytest.mark.parametrize("way", ["psql", "pg_restore"])
def test_a_restored_database_holds_and_answers_the_same(
    filled: Conn,
    database: str,
    bare_database: str,
    pg_version: int,
    tmp_path: Path,
    way: str,
) -> None:
    before = answered(filled)
    move(pg_version, database, bare_database, tmp_path, way)
    with connect(bare_database) as restored:
        assert held(restored) == held(filled)
        kept = held(restored)["promises"]
        assert [promise.standing for (promise,) in kept] == ["rows", "rows"]
        # its columns have other numbers now, and a search sees that by itself
        assert answered(restored) == before
        # a fresh one, too, which has nothing loaded
        with connect(bare_database) as fresh:
            assert answered(fresh) == before
        assert str(install(restored)).endswith("refreshed it")
        assert held(restored) == held(filled)
        assert answered(restored) == before
        drop = "select mrl.drop_index(%s, 'embedding', dims => %s)"
        for table, dims, _, _ in LAYOUTS:
            restored.execute(drop, [table, dims])
        assert restored.execute("select from mrl.indexes").fetchall() == []


@pytest.mark.parametrize("way", ["psql", "pg_restore"])
def test_an_ordinary_role_restores_what_a_superuser_made(
    filled: Conn,
    admin: Conn,
    database: str,
    bare_database: str,
    pg_version: int,
    tmp_path: Path,
    way: str,
) -> None:
    before = answered(filled)
    mover = role(admin, bare_database, "mover")
    allow(admin, bare_database, "alter database {} owner to mover")
    with connect(bare_database) as target:
        # pgvector is not a trusted extension, so its comment is not the role's either
        target.execute("create extension vector")
    options = ("--no-owner", "--no-comments")
    move(pg_version, database, mover, tmp_path, way, *options)
    with connect(mover) as restored:
        assert restored.execute("select current_user").fetchall() == [("mover",)]
        assert answered(restored) == before
        owners = (
            "select distinct relowner::regrole::text from pg_class"
            " where relnamespace = 'mrl'::regnamespace"
        )
        assert restored.execute(owners).fetchall() == [("mover",)]
        # it is the role's own now: to refresh, to build on and to drop from
        assert str(install(restored)).endswith("refreshed it")
        restored.execute("select mrl.create_index('docs', 'embedding', dims => 8)")
        restored.execute("select mrl.drop_index('docs', 'embedding', dims => 8)")
        assert answered(restored) == before


def test_a_restored_table_without_its_registry_row_is_taken_up_again(
    conn: Conn,
    admin: Conn,
    database: str,
    bare_database: str,
    pg_version: int,
    tmp_path: Path,
) -> None:
    """The role's own schemas alone; on both sides mrl is a superuser's."""
    owner = role(admin, database, "mover")
    for url in (database, bare_database):
        allow(admin, url, "grant create on database {} to mover")
        with connect(url) as target:
            target.execute("grant create on schema public to mover")
    with connect(owner) as own:
        fill(own)
        before, kept = answered(own), held(own)
    with connect(bare_database) as target:
        target.execute("create extension vector")
        install(target)
    file, listed = str(tmp_path / "dump"), tmp_path / "list"
    schemas = ("-n", "public", "-n", "my schema")
    run(pg_version, "pg_dump", "-Fc", "-d", owner, "-f", file, *schemas)
    listing = run(pg_version, "pg_restore", "--no-comments", "-l", file).splitlines()
    listed.write_text(
        "\n".join(one for one in listing if " SCHEMA - public " not in one)
    )
    moved = role(admin, bare_database, "mover")
    options = ("--exit-on-error", "--no-comments", "-L", str(listed))
    run(pg_version, "pg_restore", *options, "-d", moved, file)
    with connect(moved) as restored:
        asked = "select id from mrl.search(null::docs, 'embedding', %s)"
        with pytest.raises(errors.UndefinedObject, match="has no short column") as no:
            restored.execute(asked, [QUERY])
        assert "mrl.create_index" in str(no.value.diag.message_hint)
        files = (
            "select relname, relfilenode from pg_class where relkind = 'i' order by 1"
        )
        built = restored.execute(files).fetchall()
        for table in TABLES:
            create(restored, table)
        # what was there is taken up, nothing is built again
        assert restored.execute(files).fetchall() == built
        assert answered(restored) == before
        assert held(restored)["pg_indexes"] == kept["pg_indexes"]


def allow(admin: Conn, url: str, statement: str) -> None:
    """Run a statement about a database as superuser."""
    name = sql.Identifier(str(conninfo_to_dict(url)["dbname"]))
    admin.execute(sql.SQL(statement).format(name))
