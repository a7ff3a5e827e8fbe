"""A vector store for LangChain, on a table of yours or one of its own; and models."""

try:
    import langchain_core as _langchain_core  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "the vector store for LangChain needs langchain-core: "
        "pip install 'mrl_pg[langchain]'",
        name=error.name,
    ) from error

from mrl_pg.adapters.langchain.embeddings import MatryoshkaEmbeddings
from mrl_pg.adapters.langchain.filters import condition_of
from mrl_pg.adapters.langchain.store import MatryoshkaVectorStore

__all__ = ["MatryoshkaEmbeddings", "MatryoshkaVectorStore", "condition_of"]
