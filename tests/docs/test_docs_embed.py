"""docs/embed.md: its examples run as written, with the demo's model."""

import sys
from pathlib import Path
from typing import Any

import pytest
from support.pages import ROOT, blocks, run_python

PAGE = ROOT / "docs/embed.md"


def test_the_python_of_the_page_runs_as_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    page = [block for block in blocks(PAGE) if block.language == "python"]
    scope: dict[str, Any] = {}
    assert run_python(page, scope, capsys) == 2
