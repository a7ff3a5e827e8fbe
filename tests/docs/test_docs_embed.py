"""docs/embed.md: its examples run as written, with the demo's model."""

import csv
import json
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
from support.command import mrl_pg
from support.databases import Conn
from support.pages import ROOT, blocks, run_python

PAGE = ROOT / "docs/embed.md"
ROWS = [
    {
        "id": 1,
        "title": "thermometer",
        "text": "it measures temperature",
    },
    {"id": 2, "title": "cartographer", "text": "a person who makes maps"},
    {"id": 3, "title": "tarantula", "text": "a large hairy spider"},
]


def test_the_page_runs_as_written(
    conn: Conn,
    database: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    lines = "".join(f"{json.dumps(row)}\n" for row in ROWS)
    Path("texts.jsonl").write_text(lines)
    with Path("articles.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "title", "body"])
        writer.writerows([row["id"], row["title"], row["text"]] for row in ROWS)
    page = blocks(PAGE)
    commands = [block.text for block in page if block.language == "sh"]
    for line in "".join(commands).splitlines():
        program, *words = shlex.split(line)
        assert program == "mrl-pg"
        done = mrl_pg(*words, "--dsn", database)
        assert done.returncode == 0, (line, done.stderr)
        if words[0] == "search":
            assert "thermometer" in done.stdout.splitlines()[1]
    python = [block for block in page if block.language == "python"]
    scope: dict[str, Any] = {"DSN": database}
    assert run_python(python, scope, capsys) == 3
