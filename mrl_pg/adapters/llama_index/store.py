"""The vector store for LlamaIndex: its table, what is written, read and deleted."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.schema import BaseNode
from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryResult,
)
from psycopg.conninfo import make_conninfo

from mrl_pg.adapters.conditions import Condition
from mrl_pg.adapters.connections import Source
from mrl_pg.adapters.documents import (
    Documents,
    StoredDocument,
    TableKeywords,
    document_table,
    explains_table,
)
from mrl_pg.adapters.llama_index.filters import (
    all_of,
    condition_of,
    of_documents,
    of_nodes,
)
from mrl_pg.adapters.llama_index.nodes import node_of, row_of
from mrl_pg.adapters.llama_index.queries import finding, result_of
from mrl_pg.errors import InvalidFilter, InvalidSetting
from mrl_pg.exchange import AnyConn, Exchange

if TYPE_CHECKING:
    # in `typing` itself from Python 3.11 on
    from typing_extensions import Self, Unpack


class MatryoshkaVectorStore(BasePydanticVectorStore):
    """Nodes and full vectors in one table, searched in two passes.

    >>> store = MatryoshkaVectorStore("postgresql:///app", "nodes", dims=256)
    >>> index = VectorStoreIndex.from_vector_store(store, embed_model)

    `connection` is a connection string, for which the store keeps a pool, or a pool of
    psycopg_pool, or a connection of psycopg, in whose transaction the store works. A
    connection string serves sync and async methods. Nothing is opened before the first
    call; `close` closes what the store opened.

    The table is made when the first nodes come, if it is not there: `id` text, `text`
    text, `metadata` jsonb and `embedding` vector of the model's full size. With `dims`,
    it gets an index of that size, and the database the schema `mrl` if it has none.
    Without, searches are exact, until you run `mrl-pg tune` and `create`. A table of
    yours may have other names and types: name its columns here. `metadata_columns` are
    columns that count as metadata, beside `metadata_column`. Rows that LlamaIndex did
    not write are read as nodes, too. A table without a `metadata_column` can only be
    searched and read, because nodes keep their relationships there.

    `query` takes the options of `MatryoshkaIndex.search`, as a retriever's
    `vector_store_kwargs`: `recall=0.95`, `candidates`, `exact` and the others.
    Similarities are the larger, the nearer: the cosine, the inner product for "ip", the
    negative distance for "l2".
    """

    stores_text: bool = True
    is_embedding_query: bool = True
    flat_metadata: bool = False

    _documents: Documents = PrivateAttr()

    @explains_table
    def __init__(
        self,
        connection: Source,
        table: str = "nodes",
        **columns: "Unpack[TableKeywords]",
    ) -> None:
        """Open nothing yet; raise InvalidSetting for names that cannot be."""
        super().__init__(stores_text=True)
        self._documents = Documents(connection, document_table(table, columns))

    @classmethod
    def from_params(
        cls,
        *,
        host: str | None = None,
        port: int | str | None = None,
        database: str | None = None,
        user: str | None = None,
        password: str | None = None,
        **options: Any,
    ) -> "Self":
        """A store from the parts of a connection string, and its other options."""
        given = {
            "host": host,
            "port": port,
            "dbname": database,
            "user": user,
            "password": password,
        }
        return cls(make_conninfo("", **given), **options)

    @classmethod
    def class_name(cls) -> str:
        """The name by which LlamaIndex knows the class."""
        return "MatryoshkaVectorStore"

    @property
    def client(self) -> Documents:
        """The table of documents."""
        return self._documents

    def close(self) -> None:
        """Close the connections that the store opened."""
        self._documents.connections.close()

    async def aclose(self) -> None:
        """The same, for those of asynchronous methods, too."""
        await self._documents.connections.close_async()

    # ------------------------------------------------------------------ writing

    def add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[str]:
        """Write nodes with their embeddings; those whose id is there are replaced.

        All of them or none, in one transaction. Of nodes with one id, the last is kept.
        """
        rows = self._rows(nodes)
        self._documents.carry_out(lambda conn: self._documents.add(conn, rows))
        return [node.node_id for node in nodes]

    async def async_add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[str]:
        """The same without blocking the event loop."""
        rows = self._rows(nodes)
        await self._documents.carry_out_async(
            lambda conn: self._documents.add(conn, rows)
        )
        return [node.node_id for node in nodes]

    def delete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        """Delete the nodes that were made from a document."""
        self._remove(of_documents([ref_doc_id]))

    async def adelete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        """The same without blocking the event loop."""
        await self._remove_async(of_documents([ref_doc_id]))

    def delete_nodes(
        self,
        node_ids: list[str] | None = None,
        filters: MetadataFilters | None = None,
        **delete_kwargs: Any,
    ) -> None:
        """Delete nodes of these ids, if the filters let them through.

        Raises InvalidFilter if there are neither ids nor filters.
        """
        self._remove(self._deleted(node_ids, filters))

    async def adelete_nodes(
        self,
        node_ids: list[str] | None = None,
        filters: MetadataFilters | None = None,
        **delete_kwargs: Any,
    ) -> None:
        """The same without blocking the event loop."""
        await self._remove_async(self._deleted(node_ids, filters))

    def clear(self) -> None:
        """Delete all nodes; the table and its index stay."""
        self._remove(None)

    async def aclear(self) -> None:
        """The same without blocking the event loop."""
        await self._remove_async(None)

    # ------------------------------------------------------------------ reading

    def get_nodes(
        self,
        node_ids: list[str] | None = None,
        filters: MetadataFilters | None = None,
    ) -> list[BaseNode]:
        """Nodes of these ids that the filters let through, without their embeddings.

        In the order of the ids, or, if there are filters or no ids, of the table's key.
        """
        found = self._documents.carry_out(self._reading(node_ids, filters))
        return [node_of(each) for each in found]

    async def aget_nodes(
        self,
        node_ids: list[str] | None = None,
        filters: MetadataFilters | None = None,
    ) -> list[BaseNode]:
        """The same without blocking the event loop."""
        found = await self._documents.carry_out_async(self._reading(node_ids, filters))
        return [node_of(each) for each in found]

    def query(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        """The nodes nearest to a vector, nearest first; `kwargs` as explained above.

        Mode "mmr" chooses nodes that are unlike each other, of the `fetch` nearest, by
        `mmr_threshold`, where 1 counts likeness to the query alone. Their similarities
        are those to the query. Mode "hybrid" fuses what the vectors find with full text
        search for `query_str`, and takes the options of `MatryoshkaIndex.hybrid`.
        `alpha` is the share of the vectors. Similarities are the fused scores. Modes
        "text_search" and "sparse" are full text search alone, with the options `text`,
        `config` and `match` of `MatryoshkaIndex.search_words`; similarities are the
        relevance of the words.

        `doc_ids` and `filters` restrict the search, and `node_ids` do unless the list
        is empty, as an index's retriever sends it.
        """
        found = self._documents.carry_out(finding(self._documents, query, kwargs))
        return result_of(self._documents, query, found)

    async def aquery(
        self, query: VectorStoreQuery, **kwargs: Any
    ) -> VectorStoreQueryResult:
        """The same without blocking the event loop."""
        found = await self._documents.carry_out_async(
            finding(self._documents, query, kwargs)
        )
        return result_of(self._documents, query, found)

    # ------------------------------------------------------------------ on the way

    def _rows(self, nodes: Sequence[BaseNode]) -> list[StoredDocument]:
        if nodes and self._documents.table.metadata is None:
            raise InvalidSetting(
                "metadata_column=None: nodes keep their relationships in a column of "
                "type jsonb; add one to the table and name it, to write nodes"
            )
        return list({node.node_id: row_of(node) for node in nodes}.values())

    def _remove(self, condition: Condition | None) -> None:
        self._documents.carry_out(
            lambda conn: self._documents.remove(conn, None, condition)
        )

    async def _remove_async(self, condition: Condition | None) -> None:
        await self._documents.carry_out_async(
            lambda conn: self._documents.remove(conn, None, condition)
        )

    def _condition(self, filters: MetadataFilters | None) -> Condition | None:
        return condition_of(filters, self._documents.table.columns)

    def _deleted(
        self, node_ids: list[str] | None, filters: MetadataFilters | None
    ) -> Condition:
        condition = all_of(of_nodes(node_ids), self._condition(filters))
        if condition is None:
            raise InvalidFilter(
                "delete_nodes got neither node_ids nor filters: give some, or call "
                "clear to delete all nodes"
            )
        return condition

    def _reading(
        self, node_ids: list[str] | None, filters: MetadataFilters | None
    ) -> Callable[[AnyConn], Exchange[list[StoredDocument]]]:
        documents, condition = self._documents, self._condition(filters)
        if node_ids is not None and condition is None:
            return lambda conn: documents.get(conn, node_ids)
        condition = all_of(of_nodes(node_ids), condition)
        return lambda conn: documents.read(conn, condition)
