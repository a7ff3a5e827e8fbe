"""Models of `mrl_pg.embed` as embedders of Haystack's pipelines."""

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from haystack import component, default_from_dict, default_to_dict
from haystack.dataclasses import Document

from mrl_pg.adapters.models import opened, query_vector, vectors_of
from mrl_pg.arguments import shown
from mrl_pg.embed.program import ProgramModel
from mrl_pg.embed.protocol import Embedder
from mrl_pg.errors import InvalidSetting

if TYPE_CHECKING:
    # in `typing` itself from Python 3.11 on
    from typing_extensions import Self


class OfModel:
    """What the embedders have in common: their model, saved and loaded by its name."""

    def __init__(self, model: "str | Embedder", *, dims: int | None = None) -> None:
        """Raise InvalidSetting for a model or a size that cannot be.

        With `dims`, vectors are the first so many numbers, scaled back to length 1.
        """
        self.given = model
        self.dims = dims
        self.model = opened(model, dims)

    def to_dict(self) -> dict[str, Any]:
        """The embedder in a saved pipeline; raises InvalidSetting."""
        _check_saved(self.given, self.model)
        return default_to_dict(self, model=self.given, dims=self.dims)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Self":
        """The embedder of a saved pipeline, which may not name a command."""
        loaded = default_from_dict(cls, data)
        _check_saved(loaded.given, loaded.model)
        return loaded


def _check_saved(given: "str | Embedder", model: Embedder) -> None:
    if not isinstance(given, str):
        raise InvalidSetting(
            f"model={shown(given)} cannot be saved in a pipeline: make the embedder "
            "with the name of a model"
        )
    # whoever writes the file of a pipeline would run programs here
    if isinstance(model, ProgramModel):
        raise InvalidSetting(
            f"model={shown(given)} is a command, which a saved pipeline cannot have: "
            "make the embedder in Python"
        )


@component
class MatryoshkaDocumentEmbedder(OfModel):
    """Gives documents their embeddings, by a model of `mrl_pg.embed`.

    >>> embedder = MatryoshkaDocumentEmbedder("openai:text-embedding-3-small")

    `model` is what `mrl_pg.embed.embedder` takes: `openai:MODEL`,
    `sentence-transformers:MODEL`, `demo` or a command. Or it is a model of
    `mrl_pg.embed`, or an object of yours with `name`, `embed_documents` and
    `embed_queries`. An embedder with a command or an object cannot be saved in a
    pipeline.
    """

    @component.output_types(documents=list[Document])
    def run(self, documents: list[Document]) -> dict[str, list[Document]]:
        """Copies of the `documents`, with embeddings of their contents."""
        texts = [document.content or "" for document in documents]
        pairs = zip(documents, vectors_of(self.model, texts), strict=True)
        return {
            "documents": [replace(each, embedding=vector) for each, vector in pairs]
        }

    @component.output_types(documents=list[Document])
    async def run_async(self, documents: list[Document]) -> dict[str, list[Document]]:
        """The same in a thread."""
        return await asyncio.to_thread(self.run, documents)


@component
class MatryoshkaTextEmbedder(OfModel):
    """Gives a query its embedding, by a model of `mrl_pg.embed`.

    >>> embedder = MatryoshkaTextEmbedder("openai:text-embedding-3-small")
    >>> pipeline.connect("embedder.embedding", "retriever.query_embedding")

    `model` is that of the MatryoshkaDocumentEmbedder.
    """

    @component.output_types(embedding=list[float])
    def run(self, text: str) -> dict[str, list[float]]:
        """The `embedding` of a query."""
        return {"embedding": query_vector(self.model, text)}

    @component.output_types(embedding=list[float])
    async def run_async(self, text: str) -> dict[str, list[float]]:
        """The same in a thread."""
        return await asyncio.to_thread(self.run, text)
