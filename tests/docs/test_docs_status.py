"""docs/status.md runs as written: shell, SQL and Python on one database."""

import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from support.databases import connect
from support.pages import ROOT, blocks, run_python
from support.scripts import run_script
from support.tables import make_table
from support.vectors import matryoshka

from mrl_pg import MatryoshkaIndex, server, status

PAGE = ROOT / "docs/status.md"


def test_the_page_runs_as_written(
    database: str, pg_version: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with connect(database) as conn:
        make_table(conn, matryoshka(300, dims=300))
        MatryoshkaIndex("docs", "embedding", dims=256).create(conn)
    path = [str(Path(sys.executable).parent), str(server.bin_dir(pg_version))]
    environment = {
        **os.environ,
        "PATH": ":".join([*path, "/usr/bin", "/bin"]),
        "DATABASE_URL": database,
    }
    scope: dict[str, Any] = {"URL": database, "__name__": "page"}
    shown = 0
    for block in blocks(PAGE):
        if block.language == "python":
            shown += run_python([block], scope, capsys)
            continue
        text = block.text
        if block.language == "sql":
            text = f"psql -X -q -v ON_ERROR_STOP=1 {database!r} <<'EOF'\n{text}EOF\n"
        done = run_script(text, None, environment)
        assert done.returncode == 0, done.stderr
        if block.shown is not None:
            assert done.stdout.strip() == block.shown.strip()
            shown += 1
    scope["conn"].close()
    assert shown == 2
    with connect(database) as conn:
        (state,) = status(conn)
    assert state.ok
    assert state.name == "nearest"


def test_the_page_lists_every_finding() -> None:
    made = (ROOT / "sql/internal/status.sql").read_text(encoding="utf-8")
    codes = set(re.findall(r"(?:finding := |then |else )'([a-z]+_[a-z_]+)'", made))
    listed = set(
        re.findall(r"^\| (`.*?) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    )
    named = {code for cell in listed for code in re.findall(r"`(\w+)`", cell)}
    assert codes <= named
    assert len(named) > 12
