"""A document store, retrievers and embedders for Haystack, on a table of documents."""

try:
    import haystack as _haystack  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "the document store for Haystack needs haystack-ai: "
        "pip install 'mrl_pg[haystack]'",
        name=error.name,
    ) from error

from mrl_pg.adapters.haystack.embedders import (
    MatryoshkaDocumentEmbedder,
    MatryoshkaTextEmbedder,
)
from mrl_pg.adapters.haystack.retriever import (
    MatryoshkaEmbeddingRetriever,
    MatryoshkaHybridRetriever,
    MatryoshkaKeywordRetriever,
)
from mrl_pg.adapters.haystack.store import MatryoshkaDocumentStore

__all__ = [
    "MatryoshkaDocumentEmbedder",
    "MatryoshkaDocumentStore",
    "MatryoshkaEmbeddingRetriever",
    "MatryoshkaHybridRetriever",
    "MatryoshkaKeywordRetriever",
    "MatryoshkaTextEmbedder",
]
