"""The retrievers for Haystack's pipelines."""

from typing import TYPE_CHECKING, Any

from haystack import component, default_from_dict, default_to_dict
from haystack.dataclasses import Document
from haystack.document_stores.types import FilterPolicy, apply_filter_policy

from mrl_pg.adapters.haystack.filters import Filters
from mrl_pg.adapters.haystack.store import MatryoshkaDocumentStore
from mrl_pg.arguments import shown
from mrl_pg.errors import InvalidSetting
from mrl_pg.search.options import options_of

if TYPE_CHECKING:
    # in `typing` itself from Python 3.11 on
    from typing_extensions import Self

HAYSTACKS_OWN = {
    "k": "top_k",
    "filter": "filters",
    "params": "filters",
    "columns": "return_embedding",
}
"""Options of a search that have another name here."""


class Retriever:
    """What the retrievers have in common: their settings, saved and loaded."""

    def __init__(
        self,
        *,
        document_store: MatryoshkaDocumentStore,
        filters: Filters = None,
        top_k: int = 10,
        filter_policy: str | FilterPolicy = FilterPolicy.REPLACE,
        return_embedding: bool = False,
        **options: Any,
    ) -> None:
        """Raise InvalidSetting for values, and TypeError for options, that none takes.

        `filter_policy` says whether the filters of a run replace these or are merged
        with them. `return_embedding` says whether documents come with embeddings.
        """
        if not isinstance(document_store, MatryoshkaDocumentStore):
            raise InvalidSetting(
                f"document_store={shown(document_store)} is no MatryoshkaDocumentStore"
            )
        self.document_store = document_store
        self.filters = filters or {}
        self.top_k = top_k
        self.filter_policy = (
            FilterPolicy.from_str(filter_policy)
            if isinstance(filter_policy, str)
            else filter_policy
        )
        self.return_embedding = return_embedding
        self.options = options
        self._asked(None, None, None)

    def to_dict(self) -> dict[str, Any]:
        """The retriever in a saved pipeline."""
        # YAML knows no tuples
        options = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in self.options.items()
        }
        return default_to_dict(
            self,
            document_store=self.document_store.to_dict(),
            filters=self.filters,
            top_k=self.top_k,
            filter_policy=self.filter_policy.value,
            return_embedding=self.return_embedding,
            **options,
        )

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Self":
        """The retriever of a saved pipeline."""
        given = dict(data["init_parameters"])
        store = MatryoshkaDocumentStore.from_dict(given["document_store"])
        return default_from_dict(
            cls, {**data, "init_parameters": {**given, "document_store": store}}
        )

    def close(self) -> None:
        """Close the connections of the store; a pipeline calls it."""
        self.document_store.close()

    async def close_async(self) -> None:
        """The same, for those of asynchronous runs, too."""
        await self.document_store.close_async()

    def _asked(
        self,
        filters: Filters,
        top_k: int | None,
        options: dict[str, Any] | None,
    ) -> dict[str, Any]:
        """The keywords of a retrieval, checked."""
        k = self.top_k if top_k is None else top_k
        asked = {**self.options, **(options or {})}
        for name in asked:
            if name in HAYSTACKS_OWN:
                own = HAYSTACKS_OWN[name]
                raise InvalidSetting(f"{name} is not an option here: {own} is")
        self._check({"k": k, **asked})
        return {
            "filters": apply_filter_policy(self.filter_policy, self.filters, filters),
            "top_k": k,
            "return_embedding": self.return_embedding,
            **asked,
        }

    def _check(self, options: Any) -> None:
        options_of(options)


@component
class MatryoshkaEmbeddingRetriever(Retriever):
    """Retrieves the documents nearest to an embedding from a MatryoshkaDocumentStore.

    >>> retriever = MatryoshkaEmbeddingRetriever(document_store=store, recall=0.95)
    >>> pipeline.add_component("retriever", retriever)
    >>> pipeline.connect("embedder.embedding", "retriever.query_embedding")

    `options` are those of `MatryoshkaIndex.search`: `recall`, `candidates`, `exact` and
    the others. A run may have `search_options` of its own, which win.
    """

    @component.output_types(documents=list[Document])
    def run(
        self,
        query_embedding: list[float],
        filters: dict[str, Any] | None = None,
        top_k: int | None = None,
        search_options: dict[str, Any] | None = None,
    ) -> dict[str, list[Document]]:
        """The `documents` nearest to an embedding, with scores, best first."""
        return {
            "documents": self.document_store.embedding_retrieval(
                query_embedding, **self._asked(filters, top_k, search_options)
            )
        }

    @component.output_types(documents=list[Document])
    async def run_async(
        self,
        query_embedding: list[float],
        filters: dict[str, Any] | None = None,
        top_k: int | None = None,
        search_options: dict[str, Any] | None = None,
    ) -> dict[str, list[Document]]:
        """The same without blocking the event loop."""
        return {
            "documents": await self.document_store.embedding_retrieval_async(
                query_embedding, **self._asked(filters, top_k, search_options)
            )
        }


@component
class MatryoshkaHybridRetriever(Retriever):
    """Retrieves documents by an embedding and by words, fused by rank.

    >>> retriever = MatryoshkaHybridRetriever(document_store=store, config="german")
    >>> pipeline.connect("embedder.embedding", "retriever.query_embedding")
    >>> pipeline.run({"embedder": {"text": words}, "retriever": {"query": words}})

    `options` are those of `MatryoshkaIndex.hybrid`: `config`, `weights`,
    `rank_constant` and `fetch`, and those of a search. A run may have `search_options`
    of its own, which win.
    """

    @component.output_types(documents=list[Document])
    def run(
        self,
        query: str,
        query_embedding: list[float],
        filters: dict[str, Any] | None = None,
        top_k: int | None = None,
        search_options: dict[str, Any] | None = None,
    ) -> dict[str, list[Document]]:
        """The best `documents` by embedding and by words, with scores, best first."""
        return {
            "documents": self.document_store.hybrid_retrieval(
                query, query_embedding, **self._asked(filters, top_k, search_options)
            )
        }

    @component.output_types(documents=list[Document])
    async def run_async(
        self,
        query: str,
        query_embedding: list[float],
        filters: dict[str, Any] | None = None,
        top_k: int | None = None,
        search_options: dict[str, Any] | None = None,
    ) -> dict[str, list[Document]]:
        """The same without blocking the event loop."""
        return {
            "documents": await self.document_store.hybrid_retrieval_async(
                query, query_embedding, **self._asked(filters, top_k, search_options)
            )
        }

    def _check(self, options: Any) -> None:
        rest: Any
        _, _, rest = self.document_store.table.word_options("words", options)
        # not super(), because @component makes another class of this one
        options_of(rest)


@component
class MatryoshkaKeywordRetriever(Retriever):
    """Retrieves documents by full text search for the words of a query.

    >>> retriever = MatryoshkaKeywordRetriever(document_store=store, match="all")
    >>> pipeline.run({"retriever": {"query": words}})

    `options` are `config`, `match` and `text` of `MatryoshkaIndex.search_words`. A run
    may have `search_options` of its own, which win.
    """

    @component.output_types(documents=list[Document])
    def run(
        self,
        query: str,
        filters: dict[str, Any] | None = None,
        top_k: int | None = None,
        search_options: dict[str, Any] | None = None,
    ) -> dict[str, list[Document]]:
        """The best `documents` by their words, with scores, best first."""
        return {
            "documents": self.document_store.keyword_retrieval(
                query, **self._asked(filters, top_k, search_options)
            )
        }

    @component.output_types(documents=list[Document])
    async def run_async(
        self,
        query: str,
        filters: dict[str, Any] | None = None,
        top_k: int | None = None,
        search_options: dict[str, Any] | None = None,
    ) -> dict[str, list[Document]]:
        """The same without blocking the event loop."""
        return {
            "documents": await self.document_store.keyword_retrieval_async(
                query, **self._asked(filters, top_k, search_options)
            )
        }

    def _check(self, options: Any) -> None:
        own = {name: options[name] for name in options if name != "k"}
        self.document_store.table.word_options("words", own, alone=True)
        options_of({"k": options["k"]})
