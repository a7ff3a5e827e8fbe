"""What mrl_pg asks of an embedding model: two methods and a name."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from mrl_pg.vectors import VectorsLike


class Embedder(Protocol):
    """Turns texts into vectors. Any object with these three members will do.

    Documents and queries have a method each, because many models put another prompt
    before each kind. Vectors come in the order of the texts, all of one length.
    """

    @property
    def name(self) -> str:
        """The model, as the registry keeps it, such as `openai:my-model`."""

    def embed_documents(self, texts: Sequence[str], /) -> VectorsLike:
        """A vector for each text that is to be stored."""

    def embed_queries(self, texts: Sequence[str], /) -> VectorsLike:
        """A vector for each text that is to be searched for."""


class AsyncEmbedder(Protocol):
    """The same with async versions, as all models of this package have them."""

    @property
    def name(self) -> str:
        """The model, as the registry keeps it."""

    def embed_documents(self, texts: Sequence[str], /) -> VectorsLike:
        """A vector for each text that is to be stored."""

    async def embed_documents_async(self, texts: Sequence[str], /) -> VectorsLike:
        """The same without blocking the event loop."""
        return await asyncio.to_thread(self.embed_documents, texts)

    def embed_queries(self, texts: Sequence[str], /) -> VectorsLike:
        """A vector for each text that is to be searched for."""

    async def embed_queries_async(self, texts: Sequence[str], /) -> VectorsLike:
        """The same without blocking the event loop."""
        return await asyncio.to_thread(self.embed_queries, texts)
