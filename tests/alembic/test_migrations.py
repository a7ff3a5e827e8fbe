"""Alembic's own command: up, down and up again, and what it prints offline."""

import subprocess
from pathlib import Path
from typing import Any

import psycopg
import pytest
from support.command import alembic as run_alembic

from mrl_pg import MatryoshkaIndex, server, source

pytestmark = pytest.mark.every_version

MIGRATIONS = Path(__file__).parents[2] / "migrations"
STATE = (
    "select to_regnamespace('mrl') is not null, version_num from mrl_alembic_version"
)
Conn = psycopg.Connection[Any]


def alembic(folder: Path, *arguments: str, url: str | None = None) -> str:
    options = ["-c", str(MIGRATIONS / "alembic.ini")]
    if url is not None:
        options += ["-x", "dsn=" + url.replace("postgresql:", "postgresql+psycopg:")]
    done = run_alembic(folder, [*options, *arguments])
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_up_down_and_up_again(bare_database: str, tmp_path: Path) -> None:
    url = bare_database
    index = MatryoshkaIndex("docs", "embedding", dims=2)
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("create extension vector")
        alembic(tmp_path, "upgrade", "head", url=url)
        assert conn.execute(STATE).fetchall() == [(True, "mrl_0001")]
        conn.execute("create table docs (id int primary key, embedding vector(4))")
        conn.execute("insert into docs values (1, '[1,0,0,0]'), (2, '[0,1,0,0]')")
        index.create(conn)
        alembic(tmp_path, "downgrade", "base", url=url)
        left = conn.execute(
            "select to_regnamespace('mrl'), count(*) from pg_indexes "
            "where indexname = %s",
            [index.name],
        )
        assert left.fetchall() == [(None, 1)]
        alembic(tmp_path, "upgrade", "head", url=url)
        assert conn.execute(STATE).fetchall() == [(True, "mrl_0001")]
        assert not index.create(conn).changed
        assert index.search(conn, [0, 1, 0, 0], k=1).keys == [2]


def test_the_url_may_come_from_the_environment(
    bare_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = bare_database.replace("postgresql:", "postgresql+psycopg:")
    monkeypatch.setenv("DATABASE_URL", url)
    with psycopg.connect(bare_database, autocommit=True) as conn:
        conn.execute("create extension vector")
        alembic(tmp_path, "upgrade", "head")
        assert conn.execute(STATE).fetchall() == [(True, "mrl_0001")]


def test_offline_text_holds_the_files_byte_for_byte(tmp_path: Path) -> None:
    up = alembic(tmp_path, "upgrade", "head", "--sql")
    assert_runs(up, "releases/0.2.0.sql")
    down = alembic(tmp_path, "downgrade", "mrl_0001:base", "--sql")
    assert_runs(down, "releases/0.2.0.down.sql")


def assert_runs(text: str, manifest: str) -> None:
    """Each file of a manifest stands in a text, one behind the other."""
    place = 0
    for name in source.manifest(manifest):
        found = text.find(source.read(name), place)
        assert found >= 0, name
        place = found + len(source.read(name))


def test_offline_text_installs_and_removes(
    bare_database: str, pg_version: int, tmp_path: Path
) -> None:
    program = server.bin_dir(pg_version) / "psql"
    command = [str(program), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", bare_database]
    with psycopg.connect(bare_database, autocommit=True) as conn:
        conn.execute("create extension vector")
        for revisions, installed in (
            (("upgrade", "head"), True),
            (("downgrade", "mrl_0001:base"), False),
        ):
            text = alembic(tmp_path, *revisions, "--sql")
            subprocess.run(command, input=text, text=True, check=True)
            there = conn.execute("select to_regnamespace('mrl') is not null")
            assert there.fetchone() == (installed,)


def test_revisions_hold_no_sql_and_say_what_they_lock() -> None:
    for path in (MIGRATIONS / "versions").glob("mrl_*.py"):
        text = path.read_text()
        assert "op.execute" not in text
        assert "lock" in text.split('"""')[1]
        assert "def downgrade() -> None:" in text
