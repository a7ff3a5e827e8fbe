"""docs/plan-guard.md runs as written, in a pytest of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.databases import Conn
from support.pages import ROOT, blocks, psycopg_url, run_python
from support.tables import make_table
from support.vectors import matryoshka

from mrl_pg import MatryoshkaIndex, server

PAGE = ROOT / "docs/plan-guard.md"
INDEX = MatryoshkaIndex("docs", "embedding", dims=32)
CONFTEST = """
import psycopg, pytest, sqlalchemy

@pytest.fixture
def conn():
    with psycopg.connect({url!r}) as connection:
        yield connection

@pytest.fixture
def connection():
    engine = sqlalchemy.create_engine({engine_url!r})
    with engine.connect() as connection:
        yield connection
    engine.dispose()
"""
FAILING = """
import asyncio, psycopg

def test_that_fails(conn, assert_search_uses_index):
    assert_search_uses_index(conn, "select id from docs order by n limit 5")

def test_another(conn, assert_search_uses_index):
    assert_search_uses_index(conn, docs, exact=True)

def test_async(assert_search_uses_index_async):
    async def ask():
        async with await psycopg.AsyncConnection.connect({url!r}) as conn:
            assert (await assert_search_uses_index_async(conn, docs)).forced
            await assert_search_uses_index_async(conn, docs, exact=True)
    asyncio.run(ask())
"""

PYTEST = (
    *(sys.executable, "-W", "error", "-m", "pytest", "-q"),
    *("-p", "no:cacheprovider", "-p", "mrl_pg.pytest_plugin"),
)


@pytest.fixture
def docs(conn: Conn) -> Conn:
    make_table(conn, matryoshka(10))
    conn.execute("alter table docs add lang text not null default 'fr'")
    INDEX.create(conn)
    return conn


def run_pytest(folder: Path) -> str:
    """What a pytest prints that loads our plugin, and no other."""
    done = subprocess.run(
        [*PYTEST, folder],
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def test_the_page_runs_as_written(
    docs: Conn, database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = blocks(PAGE)
    *tests, alone = [block for block in page if block.language == "python"]
    conftest = CONFTEST.format(url=database, engine_url=psycopg_url(database))
    (tmp_path / "conftest.py").write_text(conftest)
    guards = "\n".join(block.text for block in tests)
    (tmp_path / "test_guards.py").write_text(guards)
    assert "3 passed" in run_pytest(tmp_path)
    (tmp_path / "test_guards.py").write_text(guards + FAILING.format(url=database))
    said = run_pytest(tmp_path)
    assert "3 failed, 3 passed" in said
    assert "the statement does not use a vector index: it reads Seq Scan" in said
    assert "this search of docs is exact: leave out exact=True" in said
    assert "pytest_plugin.py" not in said
    assert run_python([alone], {"conn": docs, "docs": INDEX}, capsys) == 1


def test_the_statement_prints_what_the_page_shows(
    docs: Conn, database: str, pg_version: int
) -> None:
    (block,) = [block for block in blocks(PAGE) if block.language == "sql"]
    done = subprocess.run(
        [server.bin_dir(pg_version) / "psql", "-X", "-q", database],
        input=block.text,
        text=True,
        check=True,
        capture_output=True,
    )
    assert done.stdout == block.shown


def test_the_plugin_imports_nothing_heavy() -> None:
    heavy = "numpy psycopg sqlalchemy pgvector typer mrl_pg.layout".split()
    code = (
        "import mrl_pg.pytest_plugin, sys; "
        f"print(*[name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    assert done.stdout.split() == []


def test_the_plugin_is_an_entry_point() -> None:
    declared = (ROOT / "pyproject.toml").read_text()
    entry = '[project.entry-points.pytest11]\nmrl_pg = "mrl_pg.pytest_plugin"\n'
    assert entry in declared
