"""Models of mrl_pg.embed in the words of each framework."""

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from haystack import Document, Pipeline
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.schema import TextNode
from numpy.typing import NDArray

from mrl_pg.adapters.haystack import (
    MatryoshkaDocumentEmbedder,
    MatryoshkaTextEmbedder,
)
from mrl_pg.adapters.langchain import MatryoshkaEmbeddings
from mrl_pg.adapters.llama_index import MatryoshkaEmbedding
from mrl_pg.errors import EmbeddingError, InvalidSetting

TEXTS = ["a", "bb", "ccc"]


class Lengths:
    """Embeds the length of a text; a query has another second number."""

    name = "mine:lengths"

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.array([[len(text), 1] for text in texts], np.float32)

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.array([[len(text), 2] for text in texts], np.float32)


class Broken(Lengths):
    """Gives one vector too few."""

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return super().embed_documents(texts)[1:]


VECTORS = [[1.0, 1.0], [2.0, 1.0], [3.0, 1.0]]
QUERY = [2.0, 2.0]


def test_langchain() -> None:
    embeddings = MatryoshkaEmbeddings(Lengths())
    assert embeddings.embed_documents(TEXTS) == VECTORS
    assert embeddings.embed_documents([]) == []
    assert embeddings.embed_query("bb") == QUERY
    assert asyncio.run(embeddings.aembed_documents(TEXTS)) == VECTORS
    assert asyncio.run(embeddings.aembed_query("bb")) == QUERY
    with pytest.raises(EmbeddingError, match=r"mine:lengths gave 2 vectors .* 3 texts"):
        MatryoshkaEmbeddings(Broken()).embed_documents(TEXTS)


def test_llama_index() -> None:
    model: BaseEmbedding = MatryoshkaEmbedding(Lengths(), embed_batch_size=2)
    assert model.model_name == "mine:lengths"
    assert model.get_text_embedding("a") == VECTORS[0]
    assert model.get_text_embedding_batch(TEXTS) == VECTORS
    assert model.get_query_embedding("bb") == QUERY
    assert asyncio.run(model.aget_text_embedding("a")) == VECTORS[0]
    assert asyncio.run(model.aget_text_embedding_batch(TEXTS)) == VECTORS
    assert asyncio.run(model.aget_query_embedding("bb")) == QUERY
    (node,) = model([TextNode(text="ccc")])
    assert node.embedding == VECTORS[2]


def test_haystack() -> None:
    embedder = MatryoshkaDocumentEmbedder(Lengths())
    documents = [Document(content=text) for text in TEXTS]
    found = embedder.run(documents)["documents"]
    assert [each.embedding for each in found] == VECTORS
    assert [each.id for each in found] == [each.id for each in documents]
    assert documents[0].embedding is None
    assert asyncio.run(embedder.run_async(documents))["documents"] == found
    query = MatryoshkaTextEmbedder(Lengths())
    assert query.run("bb") == {"embedding": QUERY}
    assert asyncio.run(query.run_async("bb")) == {"embedding": QUERY}


def test_embedders_in_a_saved_pipeline() -> None:
    def loaded(embedder: Any) -> Any:
        pipeline = Pipeline()
        pipeline.add_component("embedder", embedder)
        again = Pipeline.loads(pipeline.dumps(), allowed_modules=["mrl_pg"])
        return again.get_component("embedder")

    for embedder in (MatryoshkaDocumentEmbedder, MatryoshkaTextEmbedder):
        again = loaded(embedder("demo", dims=8))
        assert (again.given, again.dims) == ("demo", 8)
        with pytest.raises(InvalidSetting, match="cannot be saved in a pipeline"):
            embedder(Lengths()).to_dict()
        # a file may not run programs
        with pytest.raises(InvalidSetting, match="is a command"):
            embedder("python mine.py").to_dict()
        saved = embedder("demo").to_dict()
        saved["init_parameters"]["model"] = "python mine.py"
        with pytest.raises(InvalidSetting, match="is a command"):
            embedder.from_dict(saved)


@pytest.mark.parametrize(
    "made", [MatryoshkaEmbeddings, MatryoshkaEmbedding, MatryoshkaTextEmbedder]
)
def test_a_model_by_its_name(made: Any) -> None:
    made("demo", dims=16)
    with pytest.raises(InvalidSetting, match=r"dims=2 is for a model .* by its name"):
        made(Lengths(), dims=2)
    with pytest.raises(InvalidSetting, match="openai: names no model"):
        made("openai:")
