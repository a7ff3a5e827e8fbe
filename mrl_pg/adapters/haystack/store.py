"""The document store for Haystack."""

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property, partial
from typing import Any, Literal, TypeAlias, TypeVar

from haystack import default_from_dict, default_to_dict
from haystack.dataclasses import Document
from haystack.document_stores.errors import DuplicateDocumentError
from haystack.document_stores.types import DuplicatePolicy
from haystack.errors import FilterError
from haystack.utils import Secret

from mrl_pg.adapters import fields
from mrl_pg.adapters.connections import Source
from mrl_pg.adapters.documents import Documents, DocumentTable, StoredDocument
from mrl_pg.adapters.haystack.converted import (
    RESERVED,
    check_reserved,
    document_of,
    score_of,
    stored_document,
)
from mrl_pg.adapters.haystack.filters import (
    Filters,
    condition_of,
    filter_errors,
    path_of,
)
from mrl_pg.arguments import check_choice, check_whole, shown
from mrl_pg.errors import InvalidFile, InvalidSetting
from mrl_pg.exchange import AnyConn, Exchange
from mrl_pg.kinds import Distance, Kind
from mrl_pg.rows.upsert_job import IfExists

T = TypeVar("T")

Verb: TypeAlias = Callable[[AnyConn], Exchange[T]]

VectorFunction: TypeAlias = Literal["cosine_similarity", "inner_product", "l2_distance"]
"""Names of distances, as Haystack's store for pgvector has them."""

DISTANCES: dict[VectorFunction, Distance] = {
    "cosine_similarity": "cosine",
    "inner_product": "ip",
    "l2_distance": "l2",
}

IF_EXISTS: dict[DuplicatePolicy, IfExists] = {
    DuplicatePolicy.NONE: "refuse",
    DuplicatePolicy.FAIL: "refuse",
    DuplicatePolicy.SKIP: "skip",
    DuplicatePolicy.OVERWRITE: "update",
}

FROM_ENVIRONMENT = Secret.from_env_var("PG_CONN_STR")


class MatryoshkaDocumentStore:
    """Documents and full embeddings in one table, searched in two passes.

    >>> store = MatryoshkaDocumentStore(embedding_dimension=768, dims=256)

    `connection_string` is a Secret, read from the variable PG_CONN_STR if you give
    none; the store keeps a pool for it, which serves sync and async methods. Instead,
    `connection` may be a pool of psycopg_pool, or a connection of psycopg, in whose
    transaction the store works; such a store cannot be saved in a pipeline. Nothing is
    opened before the first call. `close` closes what the store opened.

    The table is made when the first documents come, if it is not there: `id` and
    `content` text, `meta` jsonb and `embedding` vector of `embedding_dimension`. With
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
        embedding_dimension: int = 768,
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
        self.embedding_dimension = check_whole(
            "embedding_dimension", embedding_dimension, 1, 16000, "pgvector"
        )
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
        return self._run(self._write(documents, policy))

    async def write_documents_async(
        self,
        documents: list[Document],
        policy: DuplicatePolicy = DuplicatePolicy.NONE,
    ) -> int:
        """The same without blocking the event loop."""
        return await self._run_async(self._write(documents, policy))

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

    # ------------------------------------------------------------------ metadata

    def get_metadata_fields_info(self) -> dict[str, dict[str, str]]:
        """The fields of the metadata, each with its `type`.

        Types are integer, real, text, boolean, array and object, or mixed if documents
        do not agree.
        """
        return self._run(self._fields_info)

    async def get_metadata_fields_info_async(self) -> dict[str, dict[str, str]]:
        """The same without blocking the event loop."""
        return await self._run_async(self._fields_info)

    def get_metadata_field_min_max(self, metadata_field: str) -> dict[str, Any]:
        """The `min` and `max` of a field of numbers or of texts, otherwise None."""
        return self._run(self._min_max(metadata_field))

    async def get_metadata_field_min_max_async(
        self, metadata_field: str
    ) -> dict[str, Any]:
        """The same without blocking the event loop."""
        return await self._run_async(self._min_max(metadata_field))

    def get_metadata_field_unique_values(
        self,
        metadata_field: str,
        search_term: str | None = None,
        from_: int = 0,
        size: int = 10,
        filters: Filters = None,
    ) -> tuple[list[Any], int]:
        """A page of the distinct values of a field, and how many there are in all.

        `search_term` is a text that they hold, upper and lower case alike.
        """
        return self._run(
            self._unique(metadata_field, search_term, from_, size, filters)
        )

    async def get_metadata_field_unique_values_async(
        self,
        metadata_field: str,
        search_term: str | None = None,
        from_: int = 0,
        size: int = 10,
        filters: Filters = None,
    ) -> tuple[list[Any], int]:
        """The same without blocking the event loop."""
        return await self._run_async(
            self._unique(metadata_field, search_term, from_, size, filters)
        )

    def count_unique_metadata_by_filter(
        self, filters: dict[str, Any], metadata_fields: list[str]
    ) -> dict[str, int]:
        """How many distinct values fields have in documents that a filter leaves."""
        return self._run(self._count_unique(filters, metadata_fields))

    async def count_unique_metadata_by_filter_async(
        self, filters: dict[str, Any], metadata_fields: list[str]
    ) -> dict[str, int]:
        """The same without blocking the event loop."""
        return await self._run_async(self._count_unique(filters, metadata_fields))

    # ------------------------------------------------------------------ verbs

    def _run(self, verb: Verb[T]) -> T:
        with filter_errors():
            return self.documents.carry_out(verb)

    async def _run_async(self, verb: Verb[T]) -> T:
        with filter_errors():
            return await self.documents.carry_out_async(verb)

    def _write(self, documents: list[Document], policy: DuplicatePolicy) -> Verb[int]:
        if not isinstance(documents, list):
            raise InvalidSetting(
                f"documents={shown(documents)} are no list: give a list of Documents"
            )
        for document in documents:
            if not isinstance(document, Document):
                raise InvalidSetting(
                    f"documents has {shown(document)}, which is no Document"
                )
        rows = [stored_document(each) for each in _each_once(documents, policy)]

        def verb(conn: AnyConn) -> Exchange[int]:
            try:
                report = yield from self.documents.add(
                    conn,
                    rows,
                    if_exists=IF_EXISTS[policy],
                    size=self.embedding_dimension,
                )
            except InvalidFile as error:
                if IF_EXISTS[policy] == "refuse":
                    yield from self._check_new(conn, rows, error)
                raise
            return 0 if report is None else report.inserted + report.updated

        return verb

    def _check_new(
        self, conn: AnyConn, rows: Sequence[StoredDocument], error: Exception
    ) -> Exchange[None]:
        there = yield from self.documents.get(conn, [row.key for row in rows])
        if there:
            raise _duplicate(each.key for each in there) from error

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

    def _fields_info(self, conn: AnyConn) -> Exchange[dict[str, dict[str, str]]]:
        types = yield from fields.field_types(self.documents, conn)
        return {name: {"type": types[name]} for name in types if name != RESERVED}

    def _min_max(self, field: str) -> Verb[dict[str, Any]]:
        def verb(conn: AnyConn) -> Exchange[dict[str, Any]]:
            low, high = yield from fields.extremes(self.documents, conn, path_of(field))
            return {"min": low, "max": high}

        return verb

    def _unique(
        self, field: str, term: str | None, first: int, most: int, filters: Filters
    ) -> Verb[tuple[list[Any], int]]:
        condition = condition_of(filters)

        def verb(conn: AnyConn) -> Exchange[tuple[list[Any], int]]:
            found = yield from fields.distinct_values(
                self.documents,
                conn,
                path_of(field),
                condition,
                within=term,
                first=first,
                most=most,
            )
            return found.values, found.total

        return verb

    def _count_unique(
        self, filters: Filters, names: Sequence[str]
    ) -> Verb[dict[str, int]]:
        condition = condition_of(filters)
        paths = [path_of(name) for name in names]

        def verb(conn: AnyConn) -> Exchange[dict[str, int]]:
            counts = yield from fields.distinct_counts(
                self.documents, conn, paths, condition
            )
            return dict(zip(map(".".join, paths), counts, strict=True))

        return verb


def _each_once(
    documents: Sequence[Document], policy: DuplicatePolicy
) -> list[Document]:
    """One document for each id, as the policy has it."""
    by_id: dict[str, Document] = {}
    twice = []
    for document in documents:
        if document.id in by_id:
            twice.append(document.id)
        if document.id not in by_id or policy == DuplicatePolicy.OVERWRITE:
            by_id[document.id] = document
    if twice and IF_EXISTS[policy] == "refuse":
        raise _duplicate(twice)
    return list(by_id.values())


def _duplicate(ids: Iterable[str]) -> DuplicateDocumentError:
    listed = list(ids)
    return DuplicateDocumentError(
        f"{len(listed)} of the documents have an id that another document has, such as "
        f"{shown(listed[0])}; nothing was written. DuplicatePolicy.SKIP leaves them "
        "out, DuplicatePolicy.OVERWRITE replaces those that are there"
    )
