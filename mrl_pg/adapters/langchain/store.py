"""The vector store for LangChain: its table, what is written, read and deleted."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings

from mrl_pg.adapters.connections import Source
from mrl_pg.adapters.documents import (
    Documents,
    TableKeywords,
    document_table,
    explains_table,
)
from mrl_pg.adapters.langchain.converted import document_of, rows_of
from mrl_pg.adapters.langchain.filters import MetadataFilter, deletion_condition
from mrl_pg.adapters.langchain.searches import Searches

if TYPE_CHECKING:
    # in `typing` itself from Python 3.11 on
    from typing_extensions import Self, Unpack


class MatryoshkaVectorStore(Searches):
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

    @explains_table
    def __init__(
        self,
        embedding: Embeddings,
        connection: Source,
        table: str = "documents",
        **columns: "Unpack[TableKeywords]",
    ) -> None:
        """Open nothing yet; raise InvalidSetting for names that cannot be."""
        self._embedding = embedding
        self.documents = Documents(connection, document_table(table, columns))

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
        rows = rows_of(documents, vectors, **kwargs)
        self.documents.carry_out(lambda conn: self.documents.add(conn, rows))
        return [row.key for row in rows]

    async def aadd_documents(
        self, documents: list[Document], **kwargs: Any
    ) -> list[str]:
        """The same without blocking the event loop."""
        texts = [document.page_content for document in documents]
        rows = rows_of(
            documents, await self._embedding.aembed_documents(texts), **kwargs
        )
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
        condition = deletion_condition(ids, filter)
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
        condition = deletion_condition(ids, filter)
        await self.documents.carry_out_async(
            lambda conn: self.documents.remove(conn, ids, condition)
        )
        return True

    # ------------------------------------------------------------------ reading

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """The documents of these ids that there are, in the order of the ids."""
        found = self.documents.carry_out(lambda conn: self.documents.get(conn, ids))
        return [document_of(each) for each in found]

    async def aget_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """The same without blocking the event loop."""
        found = await self.documents.carry_out_async(
            lambda conn: self.documents.get(conn, ids)
        )
        return [document_of(each) for each in found]

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
