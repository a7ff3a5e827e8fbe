"""The document store for Haystack: its table, what is written, read and deleted."""

from collections.abc import Sequence
from functools import cached_property, partial
from typing import Any, Literal, TypeAlias

from haystack import default_from_dict, default_to_dict
from haystack.dataclasses import Document
from haystack.document_stores.types import DuplicatePolicy
from haystack.errors import FilterError
from haystack.utils import Secret

from mrl_pg.adapters import fields
from mrl_pg.adapters.connections import Source
from mrl_pg.adapters.documents import Documents, DocumentTable
from mrl_pg.adapters.haystack.converted import check_reserved, document_of
from mrl_pg.adapters.haystack.filters import Filters, condition_of
from mrl_pg.adapters.haystack.metadata import Metadata
from mrl_pg.adapters.haystack.retrieval import Retrieval
from mrl_pg.adapters.haystack.runs import Verb
from mrl_pg.adapters.haystack.writing import write
from mrl_pg.arguments import check_choice, check_whole, shown
from mrl_pg.errors import InvalidSetting
from mrl_pg.exchange import AnyConn, Exchange
from mrl_pg.kinds import Distance, Kind

VectorFunction: TypeAlias = Literal["cosine_similarity", "inner_product", "l2_distance"]
"""Names of distances, as Haystack's store for pgvector has them."""

DISTANCES: dict[VectorFunction, Distance] = {
    "cosine_similarity": "cosine",
    "inner_product": "ip",
    "l2_distance": "l2",
}

FROM_ENVIRONMENT = Secret.from_env_var("PG_CONN_STR")


class MatryoshkaDocumentStore(Retrieval, Metadata):
    """Documents and full embeddings in one table, searched in two passes.

    >>> store = MatryoshkaDocumentStore(dims=256)

    `connection_string` is a Secret, read from the variable PG_CONN_STR if you give
    none; the store keeps a pool for it, which serves sync and async methods. Instead,
    `connection` may be a pool of psycopg_pool, or a connection of psycopg, in whose
    transaction the store works; such a store cannot be saved in a pipeline. Nothing is
    opened before the first call. `close` closes what the store opened.

    The table is made when the first documents come, if it is not there: `id` and
    `content` text, `meta` jsonb and `embedding` vector of the model's full size. With
    `dims`, it gets an index of that size, and the database the schema `mrl` if it has
    none. Without, searches are exact, until you run `mrl-pg tune` and `create`. A table
    of yours may have other names and types: name its columns here. `metadata_columns`
    are columns that count as metadata, beside or instead of `meta_column`.

    Blobs and sparse embeddings are kept in the metadata, under the name `_haystack`,
    which metadata of yours cannot have. A document's score is not kept.

    Filters are Haystack's own: `== != > >= < <= in`, `not in`, combined by AND, OR and
    NOT, and, as with pgvector's store, `like`, `not like`, `array_contains` and
    `array_overlaps`. They compare `id`, `content` and `meta.…`, nested names among
    them. Dates are compared as texts: write all of them alike. A wrong filter raises
    FilterError.
    """

    def __init__(
        self,
        *,
        connection_string: Secret = FROM_ENVIRONMENT,
        connection: "Source | None" = None,
        table_name: str = "haystack_documents",
        schema_name: str = "",
        embedding_dimension: int | None = None,
        vector_function: VectorFunction | None = None,
        dims: int | None = None,
        kind: Kind = "halfvec",
        id_column: str = "id",
        content_column: str = "content",
        meta_column: str | None = "meta",
        embedding_column: str = "embedding",
        metadata_columns: Sequence[str] = (),
        create_table: bool = True,
    ) -> None:
        """Open nothing yet; raises InvalidSetting for names and values that cannot be.

        `embedding_dimension` is the size of the embeddings in a table that is made, by
        default that of the first documents, or 768 if these have none.
        `vector_function` is the distance of the index that is made, or that searches
        without an index have, by default cosine. `create_table` says whether a table
        that is not there is made, or is an error.
        """
        if not isinstance(connection_string, Secret):
            raise InvalidSetting(
                "connection_string is no Secret: give Secret.from_env_var(…) or "
                "Secret.from_token(…), or a pool or a connection as connection="
            )
        if vector_function is not None:
            check_choice("vector_function", vector_function, DISTANCES)
        if embedding_dimension is not None:
            embedding_dimension = check_whole(
                "embedding_dimension", embedding_dimension, 1, 16000, "pgvector"
            )
        self.embedding_dimension = embedding_dimension
        self.connection_string = connection_string
        self.connection = connection
        self.vector_function = vector_function
        self.table = DocumentTable(
            table=table_name,
            schema=schema_name,
            key=id_column,
            text=content_column,
            metadata=meta_column,
            embedding=embedding_column,
            columns=metadata_columns,
            make=create_table,
            dims=dims,
            kind=kind,
            distance=None if vector_function is None else DISTANCES[vector_function],
        )

    @cached_property
    def documents(self) -> Documents:
        """The table on its server; the connection string is read here."""
        if self.connection is not None:
            return Documents(self.connection, self.table)
        # a Secret that may be missing leaves the choice to libpq
        return Documents(self.connection_string.resolve_value() or "", self.table)

    def to_dict(self) -> dict[str, Any]:
        """The store in a saved pipeline, without the value of its Secret."""
        if self.connection is not None:
            raise InvalidSetting(
                f"connection={shown(self.connection)} cannot be saved in a pipeline: "
                "make the store with a connection_string"
            )
        table = self.table
        return default_to_dict(
            self,
            connection_string=self.connection_string.to_dict(),
            table_name=table.table,
            schema_name=table.schema,
            embedding_dimension=self.embedding_dimension,
            vector_function=self.vector_function,
            dims=table.dims,
            kind=table.kind,
            id_column=table.key,
            content_column=table.text,
            meta_column=table.metadata,
            embedding_column=table.embedding,
            metadata_columns=list(table.columns),
            create_table=table.make,
        )

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "MatryoshkaDocumentStore":
        """The store of a saved pipeline."""
        given = dict(data.get("init_parameters", {}))
        if isinstance(secret := given.get("connection_string"), dict):
            given["connection_string"] = Secret.from_dict(secret)
        made: MatryoshkaDocumentStore = default_from_dict(
            cls, {**data, "init_parameters": given}
        )
        return made

    def close(self) -> None:
        """Close the connections that the store opened; the next call opens others."""
        if "documents" in vars(self):
            self.documents.connections.close()

    async def close_async(self) -> None:
        """The same, for those of asynchronous methods, too."""
        if "documents" in vars(self):
            await self.documents.connections.close_async()

    # ------------------------------------------------------------------ writing

    def write_documents(
        self,
        documents: list[Document],
        policy: DuplicatePolicy = DuplicatePolicy.NONE,
    ) -> int:
        """Write documents, all or none; how many were written.

        An id that is there raises DuplicateDocumentError, unless the policy is SKIP or
        OVERWRITE. If an id comes twice, SKIP takes the first and OVERWRITE the last.
        """
        return self._run(
            write(self.documents, documents, policy, self.embedding_dimension)
        )

    async def write_documents_async(
        self,
        documents: list[Document],
        policy: DuplicatePolicy = DuplicatePolicy.NONE,
    ) -> int:
        """The same without blocking the event loop."""
        return await self._run_async(
            write(self.documents, documents, policy, self.embedding_dimension)
        )

    def delete_documents(self, document_ids: list[str]) -> None:
        """Delete documents by id; an id that is not there is no error."""
        self._run(partial(self.documents.remove, keys=document_ids))

    async def delete_documents_async(self, document_ids: list[str]) -> None:
        """The same without blocking the event loop."""
        await self._run_async(partial(self.documents.remove, keys=document_ids))

    def delete_all_documents(self) -> None:
        """Delete every document; the table and its index stay."""
        self._run(self.documents.remove)

    async def delete_all_documents_async(self) -> None:
        """The same without blocking the event loop."""
        await self._run_async(self.documents.remove)

    def delete_by_filter(self, filters: dict[str, Any]) -> int:
        """Delete the documents that a filter lets through; how many these were."""
        return self._run(self._delete(filters))

    async def delete_by_filter_async(self, filters: dict[str, Any]) -> int:
        """The same without blocking the event loop."""
        return await self._run_async(self._delete(filters))

    def update_by_filter(self, filters: dict[str, Any], meta: dict[str, Any]) -> int:
        """Set metadata of the documents that a filter lets through; how many these are.

        Fields that `meta` does not name stay as they are.
        """
        return self._run(self._update(filters, meta))

    async def update_by_filter_async(
        self, filters: dict[str, Any], meta: dict[str, Any]
    ) -> int:
        """The same without blocking the event loop."""
        return await self._run_async(self._update(filters, meta))

    # ------------------------------------------------------------------ reading

    def count_documents(self) -> int:
        """How many documents there are."""
        return self._run(self.documents.count)

    async def count_documents_async(self) -> int:
        """The same without blocking the event loop."""
        return await self._run_async(self.documents.count)

    def count_documents_by_filter(self, filters: dict[str, Any]) -> int:
        """How many documents a filter lets through."""
        return self._run(self._count(filters))

    async def count_documents_by_filter_async(self, filters: dict[str, Any]) -> int:
        """The same without blocking the event loop."""
        return await self._run_async(self._count(filters))

    def filter_documents(self, filters: Filters = None) -> list[Document]:
        """The documents that a filter lets through, in the order of their ids."""
        return self._run(self._filter(filters))

    async def filter_documents_async(self, filters: Filters = None) -> list[Document]:
        """The same without blocking the event loop."""
        return await self._run_async(self._filter(filters))

    # ------------------------------------------------------------------ verbs

    def _delete(self, filters: dict[str, Any]) -> Verb[int]:
        condition = condition_of(filters)
        if condition is None:
            raise FilterError(
                "delete_by_filter was given no filter: delete_all_documents deletes "
                "every document"
            )
        return partial(self.documents.remove, condition=condition)

    def _update(self, filters: dict[str, Any], meta: dict[str, Any]) -> Verb[int]:
        check_reserved(meta)
        condition = condition_of(filters)
        return lambda conn: fields.change(self.documents, conn, condition, meta)

    def _count(self, filters: Filters) -> Verb[int]:
        return partial(self.documents.count, condition=condition_of(filters))

    def _filter(self, filters: Filters) -> Verb[list[Document]]:
        condition = condition_of(filters)

        def verb(conn: AnyConn) -> Exchange[list[Document]]:
            found = yield from self.documents.read(conn, condition, vectors=True)
            return [document_of(each) for each in found]

        return verb
