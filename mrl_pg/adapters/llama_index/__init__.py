"""A vector store for LlamaIndex, on a table of yours or one of its own; and models."""

try:
    import llama_index.core as _llama_index_core  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "the vector store for LlamaIndex needs llama-index-core: "
        "pip install 'mrl_pg[llama-index]'",
        name=error.name,
    ) from error

from mrl_pg.adapters.llama_index.embedding import MatryoshkaEmbedding
from mrl_pg.adapters.llama_index.filters import condition_of
from mrl_pg.adapters.llama_index.queries import similarity
from mrl_pg.adapters.llama_index.store import MatryoshkaVectorStore

__all__ = ["MatryoshkaEmbedding", "MatryoshkaVectorStore", "condition_of", "similarity"]
