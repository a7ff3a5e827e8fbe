"""docs/parts.md: its examples run as written; plans leave out the other parts."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql
from support.command import mrl_pg
from support.databases import Conn
from support.pages import ROOT, blocks, run_python
from support.parts import CENTRES, COLUMN, around_centres, needs_k_means
from support.plans import explain, first_pass, force_index
from support.tables import make_table

from mrl_pg import MatryoshkaColumn

ROWS = around_centres(600)
QUERY = ROWS[7] * 0.7 + ROWS[8] * 0.3


def test_the_page_runs_as_written(
    conn: Conn,
    database: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    needs_k_means()
    make_table(conn, ROWS)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "query.json").write_text(json.dumps(QUERY.tolist()))
    page = blocks(ROOT / "docs/parts.md")
    shell, python, statements = (
        [block.text for block in page if block.language == language]
        for language in ("sh", "python", "sql")
    )

    def run(text: str) -> str:
        for command in text.splitlines():
            done = mrl_pg(*shlex.split(command)[1:], "--dsn", database)
            assert done.returncode == 0, done.stderr
        return done.stdout

    make, ask, measure, route = shell
    assert len(run(make).splitlines()) >= 8
    conn.execute("analyze")
    scope: dict[str, Any] = {
        "conn": conn,
        "query": QUERY,
        "MatryoshkaColumn": MatryoshkaColumn,
    }
    run_python([b for b in page if b.language == "python"], scope, capsys)
    assert len(python) == 3
    assert scope["curve"].points[-1].probes == 6
    assert "4 probes: recall" in run(measure)
    assert scope["measured"].probes == 2
    parts: MatryoshkaColumn = scope["parts"]
    found = scope["found"]
    force_index(conn)
    scanned = first_pass(explain(conn, parts.plan(conn, QUERY, k=5, probes=2)))
    assert set(scanned) == {
        f"docs_parts_{part}_embedding_32_halfvec_idx" for part in found.parts
    }
    assert len(found.parts) == 3
    assert len(run(ask).splitlines()) >= 10

    def filled(statement: str) -> bytes:
        text = sql.Literal(str(QUERY.tolist())).as_string()
        return statement.replace(":'query'", text).encode()

    printed, asked, measured, insert, update = map(filled, statements)
    rows = [row for (row,) in conn.execute(printed).fetchall()]
    with conn.transaction():
        for statement in rows:
            conn.execute(statement)
    assert conn.execute("select count(*) from docs_sql").fetchall() == [(600,)]
    assert conn.execute(asked).fetchall() == [hit.key for hit in found]
    assert conn.execute(measured).fetchall() == [(True,)]
    conn.execute(insert)
    assert parts.search(conn, QUERY, k=1, probes=1).keys[0][0] == 1001
    conn.execute("update docs_parts set part = 0 where id <= 30")
    assert "moved 30 rows" in run(route)
    conn.execute("update docs_parts set part = 1 where id <= 30")
    moved = conn.execute(update).rowcount
    assert 0 < moved <= 30
    assert not any(s.misplaced for s in parts.parts(conn, sample=1000))


def test_no_partition_is_walked_in_parallel(conn: Conn) -> None:
    """What the page says: a limit in a branch keeps workers from it."""
    make_table(conn, ROWS)
    COLUMN.make_parts(conn, "docs_parts", centres=CENTRES)
    conn.execute(
        "set parallel_setup_cost = 0; set parallel_tuple_cost = 0;"
        "set min_parallel_table_scan_size = 0; set min_parallel_index_scan_size = 0;"
        "set max_parallel_workers_per_gather = 4"
    )
    branch = (
        "(select id, embedding <=> (select embedding from docs limit 1) as far"
        " from docs_parts_{}{})"
    )
    for limit, workers in ((" order by far limit 5", False), ("", True)):
        asked = " union all ".join(branch.format(part, limit) for part in (1, 2))
        plan = str(conn.execute(f"explain (costs off) {asked}".encode()).fetchall())
        assert ("Parallel Append" in plan) is workers, plan
