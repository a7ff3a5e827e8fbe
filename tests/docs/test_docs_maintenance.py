"""docs/maintenance.md runs as written, and lists every step."""

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.calibrations import NEVER_EXACT
from support.command import mrl_pg
from support.databases import Conn
from support.pages import ROOT, blocks, run_python
from support.tables import make_table
from support.vectors import matryoshka

from mrl_pg import MatryoshkaIndex, server

PAGE = ROOT / "docs/maintenance.md"
INDEX = MatryoshkaIndex("docs", "embedding", dims=32)


def test_the_page_runs_as_written(
    conn: Conn, database: str, pg_version: int, capsys: pytest.CaptureFixture[str]
) -> None:
    make_table(conn, matryoshka(600))
    INDEX.create(conn)
    conn.execute("analyze docs")
    conn.execute(NEVER_EXACT)
    conn.execute("select pg_stat_force_next_flush()")
    INDEX.calibrate(conn, k=10, sample=60, rows=True)
    page = blocks(PAGE)
    for block in page:
        if block.language == "sh":
            program, *arguments = shlex.split(block.text)
            assert program == "mrl-pg"
            done = mrl_pg(*arguments, "--dsn", database)
            assert (done.returncode, done.stdout) == (0, "nothing is due\n")
    python = [block for block in page if block.language == "python"]
    scope: dict[str, Any] = {"URL": database}
    assert run_python(python, scope, capsys) == 1
    (query,) = [block for block in page if block.language == "sql"]
    subprocess.run(
        [server.bin_dir(pg_version) / "psql", "-X", "-v", "ON_ERROR_STOP=1", database],
        input=query.text,
        text=True,
        check=True,
        capture_output=True,
    )


def test_the_page_lists_every_step() -> None:
    text = (ROOT / "sql/internal/maintenance.sql").read_text()
    made = set(re.findall(r"step := '(\w+)'", text))
    listed = set(re.findall(r"^\| `(\w+)` \|", Path(PAGE).read_text(), re.MULTILINE))
    assert made == listed
