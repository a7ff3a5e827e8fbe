"""docs/haystack.md: its examples run as written, with the demo's model."""

from dataclasses import replace
from typing import Any

import pytest
from haystack import Document, component
from support.pages import ROOT, blocks, run_python

from mrl_pg.embed import DemoModel


@component
class DocumentEmbedder:
    @component.output_types(documents=list[Document])
    def run(self, documents: list[Document]) -> dict[str, list[Document]]:
        texts = [document.content or "" for document in documents]
        vectors = DemoModel().embed_documents(texts).tolist()
        pairs = zip(documents, vectors, strict=True)
        return {
            "documents": [replace(each, embedding=vector) for each, vector in pairs]
        }


@component
class TextEmbedder:
    @component.output_types(embedding=list[float])
    def run(self, text: str) -> dict[str, list[float]]:
        return {"embedding": DemoModel().embed_queries([text])[0].tolist()}


def test_the_page_runs_as_written(
    database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PG_CONN_STR", database)
    page = blocks(ROOT / "docs/haystack.md")
    python = [block for block in page if block.language == "python"]
    scope: dict[str, Any] = {
        "DSN": database,
        "document_embedder": DocumentEmbedder(),
        "text_embedder": TextEmbedder(),
    }
    assert run_python(python, scope, capsys) == 5
    scope["store"].close()
