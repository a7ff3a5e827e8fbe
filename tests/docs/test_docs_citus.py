"""docs/citus.md runs as written, and benchmarks/citus.py but for its servers.

There is no Citus here: a catalog like that of Citus says that the table has shards.
"""

import importlib.util
from types import ModuleType
from typing import Any

import psycopg
import pytest
from sqlalchemy import select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from support.citus import distribute, make_catalog
from support.pages import ROOT, blocks, run_python
from support.plans import explain, force_index, indexes
from support.sql_calls import one
from support.tables import make_table
from support.vectors import matryoshka, nearest

from mrl_pg import MatryoshkaColumn

ROWS = matryoshka(600)


class Base(DeclarativeBase):
    """Models of this module."""


class Doc(Base):
    __tablename__ = "docs"
    id: Mapped[int] = mapped_column(primary_key=True)


def test_the_page_runs_as_written(
    conn: psycopg.Connection[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    make_catalog(conn)
    make_table(conn, ROWS)
    distribute(conn, "docs")
    page = blocks(ROOT / "docs/citus.md")
    python = [block for block in page if block.language == "python"]
    scope: dict[str, Any] = {"conn": conn, "query": ROWS[4], "queries": ROWS[:10]}
    assert run_python(python[:1], scope, capsys) == 1
    assert scope["result"].keys == nearest(ROWS, ROWS[4], 5)
    index = scope["index"]
    plan = index.plan(conn, ROWS[4])
    with conn.transaction(force_rollback=True):
        force_index(conn)
        assert index.name in indexes(explain(conn, plan))
    run_python(python[1:-1], scope, capsys)
    assert scope["measured"].recall >= 0.95
    scope |= {"MatryoshkaColumn": MatryoshkaColumn, "Doc": Doc, "select": select}
    run_python(python[-1:], scope, capsys)
    assert scope["keys"] == nearest(ROWS, ROWS[4], 5)
    (statement,) = [block.text for block in page if block.language == "sql"]
    conn.execute(statement.encode())
    assert one(conn, "select count(*) from docs_sample") == len(ROWS) // 10


def benchmark() -> ModuleType:
    path = ROOT / "benchmarks/citus.py"
    spec = importlib.util.spec_from_file_location("citus_benchmark", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_benchmark_measures(
    conn: psycopg.Connection[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    make_catalog(conn)
    benchmark().measure(conn, ROWS, 16, distribute)
    printed = capsys.readouterr().out
    for line in (
        "before it is distributed: 160 candidates, ef_search 160, recall 1.000",
        "8 shards: 160 candidates, ef_search 40, recall 1.000",
        "ef_search on the shards: [('40',)]",
        "settings as before: True",
        "one tenant: 1 shard, 1.000 found",
        "reference table: 1 shard, 1.000 found",
    ):
        assert line in printed
    assert one(conn, "select to_regclass('docs')") is None
