"""docs/haystack.md: its examples run as written, with the demo's model."""

from typing import Any

import pytest
from support.pages import ROOT, blocks, run_python

from mrl_pg.adapters.haystack import (
    MatryoshkaDocumentEmbedder,
    MatryoshkaTextEmbedder,
)


def test_the_page_runs_as_written(
    database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PG_CONN_STR", database)
    page = blocks(ROOT / "docs/haystack.md")
    python = [block for block in page if block.language == "python"]
    scope: dict[str, Any] = {
        "DSN": database,
        "document_embedder": MatryoshkaDocumentEmbedder("demo"),
        "text_embedder": MatryoshkaTextEmbedder("demo"),
    }
    assert run_python(python, scope, capsys) == 6
    scope["store"].close()
