"""From PostgreSQL 16 to 18, by a dump and by pg_upgrade: all answers as before."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from psycopg import sql
from support.databases import SETTINGS, Conn, connect
from support.folders import make_folder, temporary_folder
from support.moving import State, answered, assert_switched, fill, fill_models, held
from support.servers import run, run_as_server
from support.tables import append
from support.vectors import matryoshka

from mrl_pg import install, server

OLD, NEW = 16, 18


@dataclass(frozen=True, slots=True)
class Before:
    """A stopped 16: its data folder, a dump, what it held and what it answered."""

    directory: Path
    dump: Path
    held: State
    answered: State


@pytest.fixture(scope="module")
def folder(clean_environment: None) -> Iterator[Path]:
    with temporary_folder() as folder:
        yield folder


@pytest.fixture(scope="module")
def before(folder: Path) -> Before:
    with (
        server.embedded(folder / "old", OLD, settings=SETTINGS) as running,
        connect(running.url()) as conn,
    ):
        install(conn)
        fill(conn)
        fill_models(conn)
        # called otherwise since, and gone: the registry keeps the one, not the other
        for name in ("early", "dropped"):
            columns = "(id int primary key, embedding vector(9))"
            conn.execute(f"create table {name} {columns}".encode())
            conn.execute("select mrl.create_index(%s, 'embedding', 8)", [name])
        conn.execute("alter table early rename to late")
        conn.execute("drop table dropped")
        dump = folder / "dump"
        # of the new version, as PostgreSQL's manual says
        run(NEW, "pg_dump", "-Fc", "-d", running.url(), "-f", str(dump))
        return Before(running.directory, dump, held(conn), answered(conn))


def upgraded(folder: Path, old: Path, *how: str) -> Path:
    """A data folder of 18 that pg_upgrade made of a stopped 16."""
    new = make_folder(folder / f"new{'-'.join(how)}")
    # 16 has no checksums unless asked for, 18 has
    plain = ("--no-data-checksums", "--no-sync", "--no-instructions")
    run_as_server(
        new, NEW, "initdb", "-D", ".", "-U", "postgres", "-A", "trust", *plain
    )
    work = make_folder(folder / f"work-{new.name}")
    run_as_server(
        work,
        NEW,
        "pg_upgrade",
        *("-b", str(server.bin_dir(OLD)), "-B", str(server.bin_dir(NEW))),
        *("-d", str(old), "-D", str(new), "-U", "postgres", "--no-sync", *how),
    )
    return new


def check(conn: Conn, before: Before) -> None:
    """It holds and answers what it did, and goes on as a database of 18."""
    assert conn.info.server_version // 10000 == NEW
    assert held(conn) == before.held
    known = conn.execute("select table_name::text from mrl.indexes").fetchall()
    assert ("late",) in known
    assert answered(conn) == before.answered
    assert_switched(conn)
    assert str(install(conn)).endswith("refreshed it")
    assert held(conn) == before.held
    assert answered(conn) == before.answered
    # new rows are found, and short columns come and go
    vectors = matryoshka(5, seed=3)
    append(conn, vectors, sql.Identifier("docs"), first=9001)
    asked = "select id from mrl.search(null::docs, 'embedding', %s, k => 1, dims => %s)"
    conn.execute("select mrl.create_index('docs', 'embedding', dims => 8)")
    for dims in (48, 8):
        found = conn.execute(asked, [str(vectors[2].tolist()), dims]).fetchall()
        assert found == [(9003,)]
    conn.execute("select mrl.drop_index('docs', 'embedding', dims => 8)")


@pytest.mark.parametrize("how", [(), ("--link",)], ids=["copy", "link"])
def test_pg_upgrade_keeps_rows_registry_functions_and_answers(
    folder: Path, before: Before, how: tuple[str, ...]
) -> None:
    # the old folder cannot start again after --link, which comes last
    new = upgraded(folder, before.directory, *how)
    with (
        server.embedded(new, NEW, settings=SETTINGS) as running,
        connect(running.url()) as conn,
    ):
        check(conn, before)


def test_a_dump_of_the_old_version_restores_into_the_new(
    folder: Path, before: Before
) -> None:
    with (
        server.embedded(folder / "restored", NEW, settings=SETTINGS) as running,
        connect(running.url()) as conn,
    ):
        conn.execute("create database restored template template0")
        url = running.url("restored")
        run(NEW, "pg_restore", "--exit-on-error", "-d", url, str(before.dump))
        with connect(url) as restored:
            check(restored, before)
