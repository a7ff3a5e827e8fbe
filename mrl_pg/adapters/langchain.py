"""A vector store for LangChain, on a table of yours or one that it makes."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from mrl_pg.adapters.conditions import (
    Combination,
    Comparison,
    Condition,
    Operator,
)
from mrl_pg.adapters.connections import Source
from mrl_pg.adapters.documents import (
    Documents,
    DocumentTable,
    FoundDocument,
    StoredDocument,
    new_key,
)
from mrl_pg.arguments import shown
from mrl_pg.errors import InvalidFilter, InvalidSetting
from mrl_pg.exchange import AnyConn, Exchange
from mrl_pg.kinds import Distance, Kind

try:
    from langchain_core.documents import Document
    from langchain_core.embeddings import Embeddings
    from langchain_core.vectorstores import VectorStore
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "the vector store for LangChain needs langchain-core: "
        "pip install 'mrl_pg[langchain]'",
        name=error.name,
    ) from error

if TYPE_CHECKING:
    # in `typing` itself from Python 3.11 on
    from typing_extensions import Self

MetadataFilter: TypeAlias = "Mapping[str, Any] | None"
"""`{"lang": "en"}`, `{"year": {"$gte": 2020}}`, `{"$or": [{…}, {…}]}`."""

Verb: TypeAlias = "Callable[[AnyConn], Exchange[list[FoundDocument]]]"

OPERATORS: dict[str, Operator] = {
    "$eq": "=",
    "$ne": "<>",
    "$gt": ">",
    "$gte": ">=",
    "$lt": "<",
    "$lte": "<=",
    "$in": "one of",
    "$nin": "none of",
    "$like": "like",
    "$ilike": "any case like",
}


class MatryoshkaVectorStore(VectorStore):
    """Texts, metadata and full vectors in one table, searched in two passes.

    >>> store = MatryoshkaVectorStore(embeddings, "postgresql:///app", "docs", dims=256)

    `connection` is a connection string, for which the store keeps a pool, or a pool of
    psycopg_pool, or a connection of psycopg, in whose transaction the store works. A
    connection string serves sync and async methods. Nothing is opened before the first
    call; `close` closes what the store opened.

    The table is made when the first documents come, if it is not there: `id` text,
    `text` text, `metadata` jsonb and `embedding` vector of the model's full size. With
    `dims`, it gets an index of that size, and the database the schema `mrl` if it has
    none. Without, searches are exact, until you run `mrl-pg tune` and `create`. A table
    of yours may have other names and types: name its columns here. `metadata_columns`
    are columns that count as metadata, beside or instead of `metadata_column`.

    Searches take the options of `MatryoshkaIndex.search`: `recall=0.95`, `candidates`,
    `exact` and the others. `filter` compares metadata: `{"lang": "en"}`, or with
    operators `$eq $ne $gt $gte $lt $lte $in $nin $between $like $ilike $exists`,
    combined by `$and`, `$or` and `$not`. A field that is missing is `$ne` and `$nin` of
    everything. Scores are distances, so the smallest is best; relevance scores are
    highest for the best.

    `hybrid=True` fuses what the vectors find with full text search in the texts, as
    `MatryoshkaIndex.hybrid` does, whose options `hybrid={"config": "german"}` has.
    Scores are then those of the fusion, and the largest is best.
    """

    def __init__(
        self,
        embedding: Embeddings,
        connection: Source,
        table: str = "documents",
        *,
        schema: str = "",
        dims: int | None = None,
        kind: Kind = "halfvec",
        distance: Distance | None = None,
        id_column: str = "id",
        text_column: str = "text",
        metadata_column: str | None = "metadata",
        embedding_column: str = "embedding",
        metadata_columns: Sequence[str] = (),
        make_table: bool = True,
    ) -> None:
        """Open nothing yet; raises InvalidSetting for names and values that cannot be.

        `distance` is that of the index that is made, by default cosine. `make_table`
        says whether a table that is not there is made, or is an error.
        """
        self._embedding = embedding
        self.documents = Documents(
            connection,
            DocumentTable(
                table=table,
                schema=schema,
                key=id_column,
                text=text_column,
                metadata=metadata_column,
                embedding=embedding_column,
                columns=metadata_columns,
                make=make_table,
                dims=dims,
                kind=kind,
                distance=distance,
            ),
        )

    @property
    def embeddings(self) -> Embeddings:
        """The model."""
        return self._embedding

    def close(self) -> None:
        """Close the connections that the store opened."""
        self.documents.connections.close()

    async def aclose(self) -> None:
        """The same, for those of asynchronous methods, too."""
        await self.documents.connections.close_async()

    # ------------------------------------------------------------------ writing

    def add_documents(self, documents: list[Document], **kwargs: Any) -> list[str]:
        """Embed and write documents; those whose id is there are replaced.

        All of them or none, in one transaction. Returns their ids, in order; a document
        without an id gets a random one. `ids=` may give them instead.
        """
        vectors = self._embedding.embed_documents([d.page_content for d in documents])
        rows = _rows(documents, vectors, **kwargs)
        self.documents.carry_out(lambda conn: self.documents.add(conn, rows))
        return [row.key for row in rows]

    async def aadd_documents(
        self, documents: list[Document], **kwargs: Any
    ) -> list[str]:
        """The same without blocking the event loop."""
        texts = [document.page_content for document in documents]
        rows = _rows(documents, await self._embedding.aembed_documents(texts), **kwargs)
        await self.documents.carry_out_async(
            lambda conn: self.documents.add(conn, rows)
        )
        return [row.key for row in rows]

    def delete(
        self,
        ids: list[str] | None = None,
        *,
        filter: MetadataFilter = None,
        **kwargs: Any,
    ) -> bool | None:
        """Delete documents by id, or those that a filter lets through.

        With neither, all of them, as LangChain has it. An id that is not there is no
        error.
        """
        condition = _either(ids, filter)
        self.documents.carry_out(
            lambda conn: self.documents.remove(conn, ids, condition)
        )
        return True

    async def adelete(
        self,
        ids: list[str] | None = None,
        *,
        filter: MetadataFilter = None,
        **kwargs: Any,
    ) -> bool | None:
        """The same without blocking the event loop."""
        condition = _either(ids, filter)
        await self.documents.carry_out_async(
            lambda conn: self.documents.remove(conn, ids, condition)
        )
        return True

    # ------------------------------------------------------------------ reading

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """The documents of these ids that there are, in the order of the ids."""
        found = self.documents.carry_out(lambda conn: self.documents.get(conn, ids))
        return [_document(each) for each in found]

    async def aget_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """The same without blocking the event loop."""
        found = await self.documents.carry_out_async(
            lambda conn: self.documents.get(conn, ids)
        )
        return [_document(each) for each in found]

    def similarity_search(
        self, query: str, k: int = 4, **kwargs: Any
    ) -> list[Document]:
        """The k documents nearest to a text; `filter` and options as above."""
        return _plain(self.similarity_search_with_score(query, k, **kwargs))

    async def asimilarity_search(
        self, query: str, k: int = 4, **kwargs: Any
    ) -> list[Document]:
        """The same without blocking the event loop."""
        return _plain(await self.asimilarity_search_with_score(query, k, **kwargs))

    def similarity_search_with_score(
        self, query: str, k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """The k documents nearest to a text, each with its distance."""
        vector = self._embedding.embed_query(query)
        found = self.documents.carry_out(self._searching(query, vector, k, **kwargs))
        return _scored(found)

    async def asimilarity_search_with_score(
        self, query: str, k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """The same without blocking the event loop."""
        vector = await self._embedding.aembed_query(query)
        found = await self.documents.carry_out_async(
            self._searching(query, vector, k, **kwargs)
        )
        return _scored(found)

    def similarity_search_by_vector(
        self, embedding: list[float], k: int = 4, **kwargs: Any
    ) -> list[Document]:
        """The k documents nearest to a vector."""
        return _plain(
            self.similarity_search_with_score_by_vector(embedding, k, **kwargs)
        )

    async def asimilarity_search_by_vector(
        self, embedding: list[float], k: int = 4, **kwargs: Any
    ) -> list[Document]:
        """The same without blocking the event loop."""
        found = await self.asimilarity_search_with_score_by_vector(
            embedding, k, **kwargs
        )
        return _plain(found)

    def similarity_search_with_score_by_vector(
        self, embedding: list[float], k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """The k documents nearest to a vector, each with its distance."""
        found = self.documents.carry_out(self._searching(None, embedding, k, **kwargs))
        return _scored(found)

    async def asimilarity_search_with_score_by_vector(
        self, embedding: list[float], k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """The same without blocking the event loop."""
        found = await self.documents.carry_out_async(
            self._searching(None, embedding, k, **kwargs)
        )
        return _scored(found)

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
        return _plain(_scored(found))

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
        return _plain(_scored(found))

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

    # ------------------------------------------------------------------ making

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> "Self":
        """A store with these texts; `kwargs` are those of the class: `connection` …"""
        store = cls(embedding, **kwargs)
        store.add_texts(texts, metadatas, ids=ids)
        return store

    @classmethod
    async def afrom_texts(
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> "Self":
        """The same without blocking the event loop."""
        store = cls(embedding, **kwargs)
        await store.aadd_texts(texts, metadatas, ids=ids)
        return store


# ---------------------------------------------------------------------- filters


def condition_of(filter: MetadataFilter) -> Condition | None:
    """A filter as LangChain's stores write it; raises InvalidFilter."""
    if filter is None:
        return None
    if not isinstance(filter, Mapping):
        raise InvalidFilter(
            f"filter={shown(filter)} is not a mapping: write "
            '{"field": value} or {"field": {"$gte": value}}'
        )
    return Combination("and", tuple(_part(key, filter[key]) for key in filter))


def _part(key: str, value: Any) -> Condition:
    if key in ("$and", "$or"):
        if not isinstance(value, (list, tuple)) or not value:
            raise InvalidFilter(
                f"filter has {key} with {shown(value)}: give a list of filters"
            )
        return Combination("and" if key == "$and" else "or", _parts(value))
    if key == "$not":
        listed = value if isinstance(value, (list, tuple)) else [value]
        return Combination("not", _parts(listed))
    if not isinstance(key, str) or key.startswith("$"):
        raise InvalidFilter(
            f"filter has {shown(key)}, which is no field: combine filters with $and, "
            "$or and $not"
        )
    if not isinstance(value, Mapping):
        return Comparison((key,), "=", value)
    compared = [_compared(key, word, value[word]) for word in value]
    return Combination("and", tuple(compared))


def _parts(filters: Sequence[MetadataFilter]) -> tuple[Condition, ...]:
    conditions = map(condition_of, filters)
    return tuple(part for part in conditions if part is not None)


def _compared(field: str, word: str, value: Any) -> Condition:
    if word == "$between":
        if not isinstance(value, (list, tuple)) or len(value) != 2:
            raise InvalidFilter(
                f"filter has $between with {shown(value)} for {field!r}: give a list "
                "of the lowest and the highest value"
            )
        low, high = value
        ends = Comparison((field,), ">=", low), Comparison((field,), "<=", high)
        return Combination("and", ends)
    if word == "$exists":
        return Comparison((field,), "there" if value else "missing")
    if word == "$not":
        inner = value if isinstance(value, Mapping) else {"$eq": value}
        return Combination("not", tuple(_compared(field, w, inner[w]) for w in inner))
    if word not in OPERATORS:
        known = ", ".join([*OPERATORS, "$between", "$exists", "$not"])
        raise InvalidFilter(
            f"filter has {shown(word)} for {field!r}, which is no operator: there are "
            f"{known}"
        )
    return Comparison((field,), OPERATORS[word], value)


def _check_relevance(options: Mapping[str, Any]) -> None:
    if options.get("hybrid"):
        raise InvalidSetting(
            f"hybrid={options['hybrid']!r} with relevance scores: those are of "
            "distances, so search with similarity_search or without hybrid"
        )


def _either(ids: list[str] | None, filter: MetadataFilter) -> Condition | None:
    if ids is not None and filter is not None:
        raise InvalidFilter("ids and filter were given: delete by one of them")
    return condition_of(filter)


# ---------------------------------------------------------------------- documents


def _rows(
    documents: Iterable[Document],
    vectors: Sequence[Sequence[float]],
    ids: Sequence[str | None] | None = None,
) -> list[StoredDocument]:
    listed = list(documents)
    if ids is None:
        ids = [document.id for document in listed]
    return [
        StoredDocument(
            new_key() if key is None else key, each.page_content, each.metadata, vector
        )
        for key, each, vector in zip(ids, listed, vectors, strict=True)
    ]


def _document(stored: StoredDocument) -> Document:
    return Document(
        id=stored.key, page_content=stored.text or "", metadata=dict(stored.metadata)
    )


def _scored(found: Sequence[FoundDocument]) -> list[tuple[Document, float]]:
    return [(_document(each.document), each.score) for each in found]


def _plain(found: Sequence[tuple[Document, float]]) -> list[Document]:
    return [document for document, _ in found]
