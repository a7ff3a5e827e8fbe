"""docs/train.md: its commands and examples run as written, with the demo's model."""

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
from support.command import mrl_pg
from support.databases import Conn
from support.pages import ROOT, blocks, run_python

from mrl_pg.demo.corpus import glosses
from mrl_pg.demo.model import StaticModel

PAGE = ROOT / "docs/train.md"
PAIRS = 400


def test_the_page_runs_as_written(
    conn: Conn,
    database: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    model = StaticModel.load()
    rows = [
        row
        for row in glosses(2 * PAIRS)
        if model.embed([row.label, row.text]).any(axis=1).all()
    ][:PAIRS]
    pairs = [{"anchor": row.label, "positive": row.text} for row in rows]
    docs = [
        {"id": row.id, "text": f"{row.label}: {row.text}"}
        for row in glosses(12)
        if model.embed([row.text]).any()
    ]
    for name, lines in (("pairs.jsonl", pairs), ("docs.jsonl", docs)):
        Path(name).write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    page = blocks(PAGE)
    commands = "".join(block.text for block in page if block.language == "sh")
    for line in commands.replace("\\\n", " ").splitlines():
        program, *words = shlex.split(line)
        assert program == "mrl-pg"
        server = [] if words[0] == "train" else ["--dsn", database]
        done = mrl_pg(*words, *server)
        assert done.returncode == 0, (line, done.stderr)
        if words[0] == "search":
            assert "arachnophobia" in done.stdout.splitlines()[1]
    python = [block for block in page if block.language == "python"]
    scope: dict[str, Any] = {}
    assert run_python(python, scope, capsys) == 2
