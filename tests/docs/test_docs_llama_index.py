"""docs/llama_index.md: its examples run as written, with the demo's model."""

from typing import Any

import pytest
from llama_index.core import Settings
from llama_index.core.base.embeddings.base import BaseEmbedding
from support.pages import ROOT, blocks, run_python

from mrl_pg.embed import DemoModel


class Demo(BaseEmbedding):
    """Embeds the text of a node alone, which LlamaIndex puts behind its metadata."""

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._get_query_embedding(text.splitlines()[-1])

    def _get_query_embedding(self, query: str) -> list[float]:
        vector: list[float] = DemoModel().embed_queries([query])[0].tolist()
        return vector

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_query_embedding(query)


def test_the_page_runs_as_written(
    database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    # the default one takes 0.7 s to read
    Settings.tokenizer = str.split
    page = blocks(ROOT / "docs/llama_index.md")
    python = [block for block in page if block.language == "python"]
    scope: dict[str, Any] = {"DSN": database, "embed_model": Demo()}
    assert run_python(python, scope, capsys) == 3
    scope["store"].close()
