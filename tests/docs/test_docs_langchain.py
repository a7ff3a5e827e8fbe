"""docs/langchain.md: its examples run as written, with the demo's model."""

from typing import Any

import pytest
from support.pages import ROOT, blocks, run_python

from mrl_pg.adapters.langchain import MatryoshkaEmbeddings


def test_the_page_runs_as_written(
    database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    page = blocks(ROOT / "docs/langchain.md")
    python = [block for block in page if block.language == "python"]
    scope: dict[str, Any] = {
        "DSN": database,
        "embeddings": MatryoshkaEmbeddings("demo"),
    }
    assert run_python(python, scope, capsys) == 4
    scope["store"].close()
