"""docs/first.md: its ten lines run as written, in each framework, on a few texts."""

import json
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from llama_index.core import Settings
from support.pages import ROOT

from mrl_pg import server

TEXTS = (
    "a chart of the stars in the sky",
    "a map of a country",
    "a large hairy spider",
    "a device that measures heat",
)
SCRIPT = ROOT / "benchmarks/first_search.py"
FIRST = runpy.run_path(str(SCRIPT))
SECTIONS = FIRST["sections"](FIRST["PAGE"].read_text(encoding="utf-8"))
LINES = {title: FIRST["lines_of"](SECTIONS[title]) for title in SECTIONS}


def test_ten_lines_are_ten() -> None:
    assert set(LINES) == {"Python", "LangChain", "Haystack", "LlamaIndex", "Django"}
    for title, text in LINES.items():
        assert len([line for line in text.splitlines() if line]) <= 10, title


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with texts, which is the current one."""
    lines = [json.dumps({"text": text}) + "\n" for text in TEXTS]
    (tmp_path / "texts.jsonl").write_text("".join(lines))
    monkeypatch.chdir(tmp_path)
    return tmp_path


# the page leaves it to Python to close a file
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("title", ["Python", "LangChain", "Haystack", "LlamaIndex"])
def test_they_run_as_written(
    title: str,
    folder: Path,
    bare_database: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with psycopg.connect(bare_database, autocommit=True) as conn:
        # as in the embedded server
        conn.execute("create extension vector")
    running = SimpleNamespace(url=lambda: bare_database)
    monkeypatch.setattr(server, "start", lambda: running)
    # the default one takes 0.7 s to read
    Settings.tokenizer = str.split
    scope: dict[str, Any] = {}
    exec(compile(LINES[title], "first.md", "exec"), scope)
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == TEXTS[0]
    assert len(printed) == 3
    for name in ("store", "conn"):
        if name in scope:
            scope[name].close()


def test_those_of_django_run_in_a_project(folder: Path, database: str) -> None:
    done = subprocess.run(
        [sys.executable, SCRIPT, "--inside", "Django", "--url", database],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"[{TEXTS[0]!r}, ")
