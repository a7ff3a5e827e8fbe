"""docs/tenants.md: its examples run as written; plans use the index of the tenant."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from pgvector.sqlalchemy import VECTOR
from psycopg import sql
from sqlalchemy import select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from support.command import mrl_pg
from support.databases import Conn
from support.drivers import open_engine
from support.pages import ROOT, blocks, run_python
from support.plans import explain, first_pass, force_index
from support.tenants import LARGE, SMALL, nearest_of, tenants_table
from support.vectors import matryoshka

from mrl_pg import MatryoshkaColumn
from mrl_pg.sqlalchemy import search

ROWS = matryoshka(1000)
QUERY = ROWS[7] * 0.7 + ROWS[8] * 0.3


class Base(DeclarativeBase):
    """Models of this module."""


class Doc(Base):
    __tablename__ = "docs"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int]
    embedding: Mapped[Any] = mapped_column(VECTOR(64))


def test_the_page_runs_as_written(
    conn: Conn,
    database: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tenants_table(conn, ROWS)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "query.json").write_text(json.dumps(QUERY.tolist()))
    page = blocks(ROOT / "docs/tenants.md")
    shell, python, statements = (
        [block for block in page if block.language == language]
        for language in ("sh", "python", "sql")
    )
    first, ask = (block.text.splitlines() for block in shell)

    def run(commands: list[str]) -> str:
        for command in commands:
            done = mrl_pg(*shlex.split(command)[1:], "--dsn", database)
            assert done.returncode == 0, done.stderr
        return done.stdout

    assert "valid" in run(first)
    engine = open_engine(database, "psycopg")
    scope: dict[str, Any] = {
        "conn": conn,
        "engine": engine,
        "query": QUERY,
        "MatryoshkaColumn": MatryoshkaColumn,
        "Session": Session,
        "Doc": Doc,
        "select": select,
        "search": search,
    }
    try:
        run_python(python, scope, capsys)
    finally:
        engine.dispose()
    mine = [row for row in range(501, 1001) if 3 + row % 50 == SMALL and row % 100 < 90]
    assert list(scope["small"].keys) == nearest_of(ROWS, QUERY, SMALL, 5, ids=mine)
    force_index(conn)
    docs: MatryoshkaColumn = scope["docs"]
    plan = docs.plan(conn, QUERY, k=5, tenant=LARGE)
    assert first_pass(explain(conn, plan)) == [scope["found"].index_name]
    assert len(run(ask).splitlines()) == 11
    setting, asked, making, calibrating, watching = (block.text for block in statements)
    for statement in setting.split(";\n")[:-1]:
        conn.execute(statement.encode())
    text = sql.Literal(str(QUERY.tolist())).as_string()
    rows = conn.execute(asked.replace(":'query'", text).encode()).fetchall()
    # not the same rows as before, because the page has built the index once more since
    keys = [key for key, _ in rows]
    exact = docs.search(conn, QUERY, k=5, tenant=LARGE, exact=True).keys
    assert keys[0] == exact[0]
    assert len({*keys} & {*exact}) >= 3
    made, called, printed = making.split(";\n")[:-1]
    conn.execute(made.encode())
    rows = conn.execute(called.replace(":'query'", text).encode()).fetchall()
    assert [key for key, _ in rows] == keys
    ((statement,),) = conn.execute(printed.encode()).fetchall()
    assert "is true" in statement
    (counted,) = calibrating.split(";\n")[:-1]
    assert conn.execute(counted.encode()).fetchall() == [(True,)]
    shown, measured = watching.split(";\n")[:-1]
    assert conn.execute(shown.encode()).fetchall() == [("1", "valid", 500)]
    assert conn.execute(measured.encode()).fetchall() == [(True,)]
