"""docs/langchain.md: its examples run as written, with the demo's model."""

from typing import Any

import pytest
from langchain_core.embeddings import Embeddings
from support.pages import ROOT, blocks, run_python

from mrl_pg.embed import DemoModel


class Demo(Embeddings):
    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        vectors: list[list[float]] = DemoModel().embed_documents(texts).tolist()
        return vectors

    def embed_query(self, text: str) -> list[float]:
        vector: list[float] = DemoModel().embed_queries([text])[0].tolist()
        return vector


def test_the_page_runs_as_written(
    database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    page = blocks(ROOT / "docs/langchain.md")
    python = [block for block in page if block.language == "python"]
    scope: dict[str, Any] = {"DSN": database, "embeddings": Demo()}
    assert run_python(python, scope, capsys) == 4
    scope["store"].close()
