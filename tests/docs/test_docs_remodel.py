"""docs/remodel.md: its examples run as written; plan and answer follow the switch."""

import shlex
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from support.command import mrl_pg
from support.pages import ROOT, blocks, run_python
from support.plans import explain, force_index, indexes
from support.vectors import matryoshka, nearest

from mrl_pg import MatryoshkaColumn, MatryoshkaIndex

OLD, NEW = matryoshka(200, dims=32), matryoshka(200, dims=64, seed=4)


def test_the_page_runs_as_written(
    conn: psycopg.Connection[Any],
    database: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    conn.execute("create table docs (id int primary key, embedding vector(32))")
    conn.cursor().executemany(
        "insert into docs values (%s, %s)",
        [(i, str(v.tolist())) for i, v in enumerate(OLD, 1)],
    )
    MatryoshkaIndex("docs", "embedding", dims=16).create(conn)
    np.savez(tmp_path / "vectors.npz", id=np.arange(1, 201), embedding=NEW)
    monkeypatch.chdir(tmp_path)
    page = blocks(ROOT / "docs/remodel.md")
    commands, python, (statements,) = (
        [block for block in page if block.language == language]
        for language in ("sh", "python", "sql")
    )
    fill, overview, status, switch = commands
    for command in fill.text.splitlines():
        done = mrl_pg(*shlex.split(command)[1:], "--dsn", database)
        assert done.returncode == 0, done.stderr
    done = mrl_pg(*shlex.split(overview.text)[1:], "--dsn", database)
    assert done.stdout == overview.shown
    force_index(conn)
    scope: dict[str, Any] = {
        "conn": conn,
        "MatryoshkaColumn": MatryoshkaColumn,
        "old_query": OLD[3],
        "new_query": NEW[9],
    }
    run_python(python, scope, capsys)
    assert scope["before"].keys == nearest(OLD, OLD[3], 10)
    assert scope["after"].keys == nearest(NEW, NEW[9], 10)
    plan = scope["docs"].plan(conn, scope["queries"])
    assert "docs_embedding_v2_32_halfvec_cosine_hnsw" in indexes(explain(conn, plan))
    for block in (status, switch):
        done = mrl_pg(*shlex.split(block.text)[1:], "--dsn", database)
        assert done.returncode == 0, done.stderr
    assert "docs_embedding_v2_32_halfvec_cosine_hnsw" in done.stdout
    answers = [
        conn.execute(text).fetchone()
        for text in statements.text.split(";")
        if text.strip()
    ]
    assert answers == [
        ("docs_embedding_v2_32_halfvec_cosine_hnsw",),
        ("embedding_v2",),
    ]
