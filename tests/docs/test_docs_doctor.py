"""docs/doctor.md: its examples run, and it lists every finding."""

import re
from typing import Any

import pytest
from support.command import mrl_pg
from support.databases import Conn
from support.pages import ROOT, blocks, run_python
from support.tables import make_table
from support.vectors import matryoshka

from mrl_pg import MatryoshkaIndex

PAGE = ROOT / "docs/doctor.md"


def test_the_page_runs_as_written(
    conn: Conn, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    make_table(conn, matryoshka(600))
    MatryoshkaIndex("docs", "embedding", dims=32).create(conn)
    conn.execute("analyze docs")
    console, query, code = blocks(PAGE)
    shown = mrl_pg("doctor", "docs", "--dsn", database)
    assert console.text.split("\n", 1)[1].strip() in shown.stdout
    found = [row[0] for row in conn.execute(query.text.encode()).fetchall()]
    assert "uncalibrated" in found
    scope: dict[str, Any] = {"DSN": database}
    run_python([code], scope, capsys)
    assert "uncalibrated" in {each.code for each in scope["doctor"](conn)}


def test_the_page_lists_every_finding() -> None:
    text = (ROOT / "sql/internal/doctor.sql").read_text()
    made = set(re.findall(r"finding := '(\w+)'", text))
    made |= set(re.findall(r"when '\w+' then '(\w+)'\n", text))
    made |= set(
        re.findall(r'"(\w+_size)",', (ROOT / "mrl_pg/build/doctor.py").read_text())
    )
    listed = set(re.findall(r"`([a-z]+(?:_[a-z]+)+|uncalibrated)`", PAGE.read_text()))
    assert len(made) > 18
    assert made <= listed, made - listed
