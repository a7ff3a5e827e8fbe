"""psql, Python and Alembic leave the same catalog; files and versions agree."""

import re
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from support.databases import address
from support.installs import (
    ROOT,
    SQL,
    Conn,
    alembic,
    by_alembic,
    by_psql,
    by_python_twice,
    catalog,
    psql,
)

from mrl_pg import MatryoshkaIndex, install, source, uninstall
from mrl_pg.installation import VERSION


@pytest.mark.parametrize(
    "install_by",
    [by_psql, by_alembic, by_python_twice],
    ids=["psql", "alembic", "python twice"],
)
def test_every_way_leaves_the_same_catalog(
    database: str,
    bare_database: str,
    pg_version: int,
    tmp_path: Path,
    install_by: Callable[[str, int, Path], None],
) -> None:
    with psycopg.connect(bare_database, autocommit=True) as conn:
        conn.execute("create extension vector")
    install_by(bare_database, pg_version, tmp_path)
    wanted = catalog(database)
    assert [what for what, rows in wanted.items() if not rows] == ["policies"]
    assert catalog(bare_database) == wanted


def test_psql_again_over_python_and_back(conn: Conn, pg_version: int) -> None:
    url = address(conn)
    wanted = catalog(url)
    by_psql(url, pg_version, ROOT)
    assert catalog(url) == wanted
    assert uninstall(conn).found == VERSION
    done = psql(url, pg_version, SQL / "uninstall.sql")
    assert (done.returncode, done.stderr) == (0, "")


def test_psql_removes_what_python_made(conn: Conn, pg_version: int) -> None:
    done = psql(address(conn), pg_version, SQL / "uninstall.sql")
    assert (done.returncode, done.stderr) == (0, "")
    assert conn.execute("select to_regnamespace('mrl')").fetchone() == (None,)


def test_psql_without_pgvector(bare_database: str, pg_version: int) -> None:
    done = psql(bare_database, pg_version, SQL / "install.sql")
    assert done.returncode != 0
    assert "pgvector is not installed in this database" in done.stderr
    assert "create extension vector" in done.stderr
    with psycopg.connect(bare_database) as conn:
        assert conn.execute("select to_regnamespace('mrl')").fetchone() == (None,)


def test_psql_with_an_old_pgvector(bare_database: str, pg_version: int) -> None:
    with psycopg.connect(bare_database, autocommit=True) as conn:
        conn.execute("create extension vector")
        conn.execute("update pg_extension set extversion = '0.7.4'")
        done = psql(bare_database, pg_version, SQL / "install.sql")
        assert done.returncode != 0
        assert "pgvector 0.7.4 is too old: mrl_pg needs 0.8.0" in done.stderr
        assert conn.execute("select to_regnamespace('mrl')").fetchone() == (None,)


NEWER = (
    "create or replace function mrl.version() returns text "
    "language sql immutable parallel safe return '0.10.0'::text"
)


def test_psql_does_not_go_back_to_an_older_version(
    conn: Conn, database: str, pg_version: int
) -> None:
    conn.execute(NEWER)
    before = catalog(database)
    done = psql(database, pg_version, SQL / "install.sql")
    assert done.returncode != 0
    assert f"mrl_pg 0.10.0, newer than this package ({VERSION})" in done.stderr
    assert "HINT:  upgrade the package" in done.stderr
    assert catalog(database) == before


def test_alembic_leaves_a_newer_version_as_it_is(
    conn: Conn, database: str, tmp_path: Path
) -> None:
    conn.execute(NEWER)
    before = catalog(database)
    done = alembic(database, tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"mrl_pg 0.10.0 is there: {VERSION} is not installed" in done.stderr
    assert catalog(database) == before


def test_functions_are_public_whatever_the_default(bare_database: str) -> None:
    with psycopg.connect(bare_database, autocommit=True) as conn:
        conn.execute("create extension vector")
        conn.execute("alter default privileges revoke execute on functions from public")
        install(conn)
        closed = conn.execute(
            "select proname from pg_proc where pronamespace = 'mrl'::regnamespace "
            "and not has_function_privilege('public', oid, 'execute')"
        )
        assert closed.fetchall() == []


def test_an_index_of_that_name_on_another_table_is_not_shown(conn: Conn) -> None:
    conn.execute("create table docs (id int primary key, embedding vector(4))")
    conn.execute("create table other (embedding vector(4))")
    index = MatryoshkaIndex("docs", "embedding", dims=2)
    index.create(conn)
    conn.execute(f"drop index {index.name}".encode())
    conn.execute(
        f"create index {index.name} on other "
        "using hnsw (embedding vector_l2_ops) with (m = 5)".encode()
    )
    rows = conn.execute("select m, index_bytes, usable from mrl.indexes").fetchall()
    assert rows == [(None, None, False)]


def test_whether_mrl_is_there_is_seen_without_any_right(conn: Conn) -> None:
    query = source.statement("pgvector").encode()
    there = conn.execute(query).fetchall()
    assert there[0][2] is True
    with conn.transaction(force_rollback=True):
        conn.execute("revoke usage on schema mrl from public")
        conn.execute("create role catalog_guest")
        conn.execute("set role catalog_guest")
        assert conn.execute(query).fetchall() == there


def test_the_manifests_name_every_file_once() -> None:
    releases = [f"releases/{path.name}" for path in (SQL / "releases").glob("*.sql")]
    manifests = ["install.sql", "uninstall.sql", *releases]
    for manifest in manifests:
        named = source.manifest(manifest)
        assert len(named) == len(set(named))
        for name in named:
            assert (SQL / name).is_file()
    kept = {
        path.relative_to(SQL).as_posix()
        for folder in ("functions", "internal", "tables", "templates", "views")
        for path in (SQL / folder).glob("*.sql")
    }
    assert kept <= {name for manifest in releases for name in source.manifest(manifest)}


def test_the_manifest_names_the_newest_of_each_function() -> None:
    named = source.manifest("install.sql")
    assert named == source.manifest(f"releases/{VERSION}.sql")
    for folder in ("functions", "internal", "templates", "views"):
        versions: dict[str, list[int]] = {}
        for path in (SQL / folder).glob("*.sql"):
            stem, _, number = path.stem.partition(".")
            versions.setdefault(stem, []).append(int(number or 1))
        for stem, numbers in versions.items():
            last = max(numbers)
            assert sorted(numbers) == [*range(1, last + 1)]
            inside = [name for name in named if name.startswith(f"{folder}/{stem}.")]
            assert inside == [f"{folder}/{stem}{f'.{last}' if last > 1 else ''}.sql"]


def test_one_version() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    declared = re.search(r'^version = "(.+)"$', project, re.MULTILINE)
    [file] = [
        name
        for name in source.manifest("install.sql")
        if name.startswith("functions/version.")
    ]
    installed = re.search(r"return '(.+)'::pg_catalog.text", source.read(file))
    assert declared is not None
    assert installed is not None
    assert declared[1] == installed[1] == VERSION
