"""The searches of the store for LangChain, by text and by vector."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore

from mrl_pg.adapters.documents import Documents, FoundDocument
from mrl_pg.adapters.langchain.converted import plain, scored
from mrl_pg.adapters.langchain.filters import MetadataFilter, condition_of
from mrl_pg.errors import InvalidSetting
from mrl_pg.exchange import AnyConn, Exchange

Verb: TypeAlias = "Callable[[AnyConn], Exchange[list[FoundDocument]]]"


class Searches(VectorStore):
    """The methods of a store that search; the others are MatryoshkaVectorStore's."""

    documents: Documents
    _embedding: Embeddings

    def similarity_search(
        self, query: str, k: int = 4, **kwargs: Any
    ) -> list[Document]:
        """The k documents nearest to a text; `filter` and options as above."""
        return plain(self.similarity_search_with_score(query, k, **kwargs))

    async def asimilarity_search(
        self, query: str, k: int = 4, **kwargs: Any
    ) -> list[Document]:
        """The same without blocking the event loop."""
        return plain(await self.asimilarity_search_with_score(query, k, **kwargs))

    def similarity_search_with_score(
        self, query: str, k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """The k documents nearest to a text, each with its distance."""
        vector = self._embedding.embed_query(query)
        found = self.documents.carry_out(self._searching(query, vector, k, **kwargs))
        return scored(found)

    async def asimilarity_search_with_score(
        self, query: str, k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """The same without blocking the event loop."""
        vector = await self._embedding.aembed_query(query)
        found = await self.documents.carry_out_async(
            self._searching(query, vector, k, **kwargs)
        )
        return scored(found)

    def similarity_search_by_vector(
        self, embedding: list[float], k: int = 4, **kwargs: Any
    ) -> list[Document]:
        """The k documents nearest to a vector."""
        return plain(
            self.similarity_search_with_score_by_vector(embedding, k, **kwargs)
        )

    async def asimilarity_search_by_vector(
        self, embedding: list[float], k: int = 4, **kwargs: Any
    ) -> list[Document]:
        """The same without blocking the event loop."""
        found = await self.asimilarity_search_with_score_by_vector(
            embedding, k, **kwargs
        )
        return plain(found)

    def similarity_search_with_score_by_vector(
        self, embedding: list[float], k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """The k documents nearest to a vector, each with its distance."""
        found = self.documents.carry_out(self._searching(None, embedding, k, **kwargs))
        return scored(found)

    async def asimilarity_search_with_score_by_vector(
        self, embedding: list[float], k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """The same without blocking the event loop."""
        found = await self.documents.carry_out_async(
            self._searching(None, embedding, k, **kwargs)
        )
        return scored(found)

    def max_marginal_relevance_search(
        self,
        query: str,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        **kwargs: Any,
    ) -> list[Document]:
        """k documents near a text and unlike each other, chosen of the nearest."""
        vector = self._embedding.embed_query(query)
        return self.max_marginal_relevance_search_by_vector(
            vector, k, fetch_k, lambda_mult, **kwargs
        )

    async def amax_marginal_relevance_search(
        self,
        query: str,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        **kwargs: Any,
    ) -> list[Document]:
        """The same without blocking the event loop."""
        vector = await self._embedding.aembed_query(query)
        return await self.amax_marginal_relevance_search_by_vector(
            vector, k, fetch_k, lambda_mult, **kwargs
        )

    def max_marginal_relevance_search_by_vector(
        self,
        embedding: list[float],
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        **kwargs: Any,
    ) -> list[Document]:
        """k documents near a vector and unlike each other, chosen of the nearest."""
        found = self.documents.carry_out(
            self._choosing(embedding, k, fetch_k, lambda_mult, **kwargs)
        )
        return plain(scored(found))

    async def amax_marginal_relevance_search_by_vector(
        self,
        embedding: list[float],
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        **kwargs: Any,
    ) -> list[Document]:
        """The same without blocking the event loop."""
        found = await self.documents.carry_out_async(
            self._choosing(embedding, k, fetch_k, lambda_mult, **kwargs)
        )
        return plain(scored(found))

    def _searching(
        self,
        words: str | None,
        vector: list[float],
        k: int,
        *,
        filter: MetadataFilter = None,
        hybrid: "bool | Mapping[str, Any]" = False,
        **options: Any,
    ) -> Verb:
        """The verb of a search by a vector, and with `hybrid` by words, too."""
        condition = condition_of(filter)
        if hybrid is False or hybrid is None:
            return lambda conn: self.documents.nearest(
                conn, vector, k, condition, options
            )
        if words is None:
            raise InvalidSetting(
                "hybrid=True with a vector alone: search by a text, which has words"
            )
        of_words = {} if hybrid is True else hybrid
        return lambda conn: self.documents.hybrid(
            conn, vector, words, k, condition, {**options, **of_words}
        )

    def _choosing(
        self,
        vector: list[float],
        k: int,
        fetch: int,
        lambda_mult: float,
        *,
        filter: MetadataFilter = None,
        **options: Any,
    ) -> Verb:
        """The verb of a search by maximal marginal relevance."""
        condition = condition_of(filter)
        return lambda conn: self.documents.unlike(
            conn,
            vector,
            k,
            condition,
            options,
            fetch=max(fetch, k),
            diversity=1 - lambda_mult,
        )

    def _similarity_search_with_relevance_scores(
        self, query: str, k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        _check_relevance(kwargs)
        return super()._similarity_search_with_relevance_scores(query, k, **kwargs)

    async def _asimilarity_search_with_relevance_scores(
        self, query: str, k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        _check_relevance(kwargs)
        return await super()._asimilarity_search_with_relevance_scores(
            query, k, **kwargs
        )

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        def relevance(distance: float) -> float:
            # the search before it has read which distance the index has
            match self.documents.distance:
                case "l2":
                    return self._euclidean_relevance_score_fn(distance)
                case "ip":
                    return self._max_inner_product_relevance_score_fn(distance)
            return self._cosine_relevance_score_fn(distance)

        return relevance


def _check_relevance(options: Mapping[str, Any]) -> None:
    if options.get("hybrid"):
        raise InvalidSetting(
            f"hybrid={options['hybrid']!r} with relevance scores: those are of "
            "distances, so search with similarity_search or without hybrid"
        )
