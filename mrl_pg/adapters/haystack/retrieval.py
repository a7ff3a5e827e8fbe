"""The searches of the store for Haystack, by embedding and by words."""

from typing import Any

from haystack.dataclasses import Document

from mrl_pg.adapters.haystack.converted import document_of, score_of
from mrl_pg.adapters.haystack.filters import Filters, condition_of
from mrl_pg.adapters.haystack.runs import Runs, Verb
from mrl_pg.exchange import AnyConn, Exchange


class Retrieval(Runs):
    """The methods of a store that search."""

    def embedding_retrieval(
        self,
        query_embedding: list[float],
        *,
        filters: Filters = None,
        top_k: int = 10,
        return_embedding: bool = False,
        **options: Any,
    ) -> list[Document]:
        """The documents nearest to an embedding, with scores.

        `options` are those of `MatryoshkaIndex.search`: recall, candidates, exact …
        Scores are highest for the nearest: 1 - distance for cosine, the inner product,
        and 1 / (1 + distance) for l2.
        """
        return self._run(
            self._nearest(query_embedding, filters, top_k, return_embedding, options)
        )

    async def embedding_retrieval_async(
        self,
        query_embedding: list[float],
        *,
        filters: Filters = None,
        top_k: int = 10,
        return_embedding: bool = False,
        **options: Any,
    ) -> list[Document]:
        """The same without blocking the event loop."""
        return await self._run_async(
            self._nearest(query_embedding, filters, top_k, return_embedding, options)
        )

    def hybrid_retrieval(
        self,
        query: str,
        query_embedding: list[float],
        *,
        filters: Filters = None,
        top_k: int = 10,
        return_embedding: bool = False,
        **options: Any,
    ) -> list[Document]:
        """The best documents by embedding and by words, fused by rank, with scores.

        `options` are those of `MatryoshkaIndex.hybrid`: config, weights, recall …
        Scores are those of the fusion, highest for the best.
        """
        return self._run(
            self._fused(
                query, query_embedding, filters, top_k, return_embedding, options
            )
        )

    async def hybrid_retrieval_async(
        self,
        query: str,
        query_embedding: list[float],
        *,
        filters: Filters = None,
        top_k: int = 10,
        return_embedding: bool = False,
        **options: Any,
    ) -> list[Document]:
        """The same without blocking the event loop."""
        return await self._run_async(
            self._fused(
                query, query_embedding, filters, top_k, return_embedding, options
            )
        )

    def keyword_retrieval(
        self,
        query: str,
        *,
        filters: Filters = None,
        top_k: int = 10,
        return_embedding: bool = False,
        **options: Any,
    ) -> list[Document]:
        """The best documents by full text search alone, with scores.

        `options` are `text`, `config` and `match` of `MatryoshkaIndex.search_words`.
        Scores are the relevance of the words, highest for the best.
        """
        return self._run(self._worded(query, filters, top_k, return_embedding, options))

    async def keyword_retrieval_async(
        self,
        query: str,
        *,
        filters: Filters = None,
        top_k: int = 10,
        return_embedding: bool = False,
        **options: Any,
    ) -> list[Document]:
        """The same without blocking the event loop."""
        return await self._run_async(
            self._worded(query, filters, top_k, return_embedding, options)
        )

    def _nearest(
        self,
        query: list[float],
        filters: Filters,
        top_k: int,
        return_embedding: bool,
        options: dict[str, Any],
    ) -> Verb[list[Document]]:
        condition = condition_of(filters)

        def verb(conn: AnyConn) -> Exchange[list[Document]]:
            documents = self.documents
            found = yield from documents.nearest(
                conn, query, top_k, condition, options, vectors=return_embedding
            )
            return [
                document_of(each.document, score_of(each.score, documents.distance))
                for each in found
            ]

        return verb

    def _fused(
        self,
        words: str,
        query: list[float],
        filters: Filters,
        top_k: int,
        return_embedding: bool,
        options: dict[str, Any],
    ) -> Verb[list[Document]]:
        condition = condition_of(filters)

        def verb(conn: AnyConn) -> Exchange[list[Document]]:
            found = yield from self.documents.hybrid(
                conn,
                query,
                words,
                top_k,
                condition,
                options,
                vectors=return_embedding,
            )
            return [document_of(each.document, each.score) for each in found]

        return verb

    def _worded(
        self,
        words: str,
        filters: Filters,
        top_k: int,
        return_embedding: bool,
        options: dict[str, Any],
    ) -> Verb[list[Document]]:
        condition = condition_of(filters)

        def verb(conn: AnyConn) -> Exchange[list[Document]]:
            found = yield from self.documents.by_words(
                conn, words, top_k, condition, options, vectors=return_embedding
            )
            return [document_of(each.document, each.score) for each in found]

        return verb
