"""Models of `mrl_pg.embed` as an embedding of LlamaIndex."""

import asyncio
from typing import Any

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.bridge.pydantic import PrivateAttr

from mrl_pg.adapters.models import opened, query_vector, vectors_of
from mrl_pg.embed.protocol import Embedder

BATCH = 512
"""Texts that LlamaIndex gives to the model at once, unless you say otherwise."""


class MatryoshkaEmbedding(BaseEmbedding):
    """A model of `mrl_pg.embed`, with its sizes and its prompts.

    >>> embed_model = MatryoshkaEmbedding("openai:text-embedding-3-small")

    `model` is what `mrl_pg.embed.embedder` takes: `openai:MODEL`,
    `sentence-transformers:MODEL`, `demo` or a command. Or it is a model of
    `mrl_pg.embed`, or an object of yours with `name`, `embed_documents` and
    `embed_queries`. Async methods run in a thread.
    """

    _model: Embedder = PrivateAttr()

    def __init__(
        self, model: "str | Embedder", *, dims: int | None = None, **options: Any
    ) -> None:
        """Raise InvalidSetting for a model or a size that cannot be.

        With `dims`, vectors are the first so many numbers, scaled back to length 1.
        `options` are those of LlamaIndex, such as `embed_batch_size` (512).
        """
        named = opened(model, dims)
        options = {"model_name": named.name, "embed_batch_size": BATCH, **options}
        super().__init__(**options)
        self._model = named

    @classmethod
    def class_name(cls) -> str:
        """The name by which LlamaIndex knows the class."""
        return "MatryoshkaEmbedding"

    def _get_text_embedding(self, text: str) -> list[float]:
        return vectors_of(self._model, [text])[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return vectors_of(self._model, texts)

    async def _aget_text_embedding(self, text: str) -> list[float]:
        return await asyncio.to_thread(self._get_text_embedding, text)

    async def _aget_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return await asyncio.to_thread(self._get_text_embeddings, texts)

    def _get_query_embedding(self, query: str) -> list[float]:
        return query_vector(self._model, query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return await asyncio.to_thread(self._get_query_embedding, query)
