"""Embedding models of `mrl_pg.embed` for frameworks, which ask for lists of floats."""

from collections.abc import Sequence

from mrl_pg.arguments import shown
from mrl_pg.embed.named import embedder
from mrl_pg.embed.protocol import Embedder
from mrl_pg.embed.text_model import as_matrix
from mrl_pg.errors import InvalidSetting


def opened(model: "str | Embedder", dims: int | None) -> Embedder:
    """The model that a text names, or the caller's own; raises InvalidSetting."""
    if isinstance(model, str):
        return embedder(model, dims=dims)
    if dims is not None:
        raise InvalidSetting(
            f"dims={shown(dims)} is for a model that is given by its name: make "
            f"{shown(model)} with that size"
        )
    return model


def vectors_of(model: Embedder, texts: Sequence[str]) -> list[list[float]]:
    """The vectors of documents, in their order."""
    if not texts:
        return []
    matrix = as_matrix(model.name, model.embed_documents(texts), len(texts))
    vectors: list[list[float]] = matrix.tolist()
    return vectors


def query_vector(model: Embedder, text: str) -> list[float]:
    """The vector of a query."""
    matrix = as_matrix(model.name, model.embed_queries([text]), 1)
    vector: list[float] = matrix[0].tolist()
    return vector
