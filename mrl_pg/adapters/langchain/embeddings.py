"""Models of `mrl_pg.embed` as LangChain's embeddings."""

from langchain_core.embeddings import Embeddings

from mrl_pg.adapters.models import opened, query_vector, vectors_of
from mrl_pg.embed.protocol import Embedder


class MatryoshkaEmbeddings(Embeddings):
    """A model of `mrl_pg.embed`, with its sizes and its prompts.

    >>> embeddings = MatryoshkaEmbeddings("openai:text-embedding-3-small")

    `model` is what `mrl_pg.embed.embedder` takes: `openai:MODEL`,
    `sentence-transformers:MODEL`, `demo` or a command. Or it is a model of
    `mrl_pg.embed`, or an object of yours with `name`, `embed_documents` and
    `embed_queries`. Async methods run in a thread.
    """

    def __init__(self, model: "str | Embedder", *, dims: int | None = None) -> None:
        """Raise InvalidSetting for a model or a size that cannot be.

        With `dims`, vectors are the first so many numbers, scaled back to length 1.
        """
        self.model = opened(model, dims)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """A vector for each text; raises EmbeddingError."""
        return vectors_of(self.model, texts)

    def embed_query(self, text: str) -> list[float]:
        """The vector of a query; raises EmbeddingError."""
        return query_vector(self.model, text)
