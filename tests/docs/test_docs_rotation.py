"""docs/rotation.md: its examples run as written; plans use the index."""

import shlex
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg import sql
from support.command import mrl_pg
from support.pages import ROOT, blocks, run_python
from support.plans import explain, first_pass, force_index
from support.rotations import orthogonal
from support.sql_calls import one
from support.tables import make_table
from support.vectors import assert_true, matryoshka, nearest

from mrl_pg import MatryoshkaColumn, MatryoshkaIndex

ROWS = (matryoshka(1200) @ orthogonal(64, seed=7).T).astype(np.float32)
QUERY = ROWS[7] * 0.7 + ROWS[8] * 0.3


def test_the_page_runs_as_written(
    conn: psycopg.Connection[Any],
    database: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make_table(conn, ROWS)
    MatryoshkaIndex("docs", "embedding", dims=16).create(conn)
    np.savez(tmp_path / "vectors.npz", id=np.arange(1, 601), embedding=ROWS[:600])
    np.savez(tmp_path / "more.npz", id=np.arange(601, 1201), embedding=ROWS[600:])
    monkeypatch.chdir(tmp_path)
    page = blocks(ROOT / "docs/rotation.md")
    shell, python, statements = (
        [block for block in page if block.language == language]
        for language in ("sh", "python", "sql")
    )
    in_use, stop, load, undo = (block.text.splitlines() for block in shell)
    scope: dict[str, Any] = {
        "conn": conn,
        "MatryoshkaColumn": MatryoshkaColumn,
        "vector": ROWS[4],
        "other": ROWS[5],
        "vectors": ROWS,
        "query": QUERY,
    }

    def run(commands: list[str]) -> None:
        for command in commands:
            done = mrl_pg(*shlex.split(command)[1:], "--dsn", database)
            assert done.returncode == 0, done.stderr

    run(in_use)
    run_python(python, scope, capsys)
    assert scope["found"].keys == nearest(ROWS, QUERY, 5)
    assert_true(scope["found"], ROWS, QUERY)
    force_index(conn)
    queries = {"embedding": QUERY, "embedding_rotated": QUERY}
    plan = scope["docs"].plan(conn, queries, k=5)
    assert first_pass(explain(conn, plan)) == [scope["found"].index_name]
    run(stop)
    with conn.transaction(force_rollback=True):
        conn.execute("alter table docs drop column embedding")
    run(load)
    search, like = (block.text for block in statements)
    first, known = search.split(";\n", 1)
    text = sql.Literal(str(QUERY.tolist())).as_string()
    rows = conn.execute(first.replace(":'query'", text).encode()).fetchall()
    assert [key for (key,) in rows] == nearest(ROWS, QUERY, 3)
    assert conn.execute(known.encode()).fetchone()[2:] == (64, "pca")  # type: ignore[index]
    rows = conn.execute(like.encode()).fetchall()
    assert [key for (key,) in rows] == nearest(ROWS, ROWS[6], 3)
    run(undo)
    far = "select max(embedding <-> embedding_plain) from docs"
    assert one(conn, far) < 1e-5
