"""A vector store for LlamaIndex, on a table of yours or one that it makes."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from psycopg.conninfo import make_conninfo

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
)
from mrl_pg.arguments import number, shown
from mrl_pg.errors import InvalidFilter, InvalidSetting, InvalidVector
from mrl_pg.exchange import AnyConn, Exchange
from mrl_pg.kinds import Distance, Kind

try:
    from llama_index.core.bridge.pydantic import PrivateAttr
    from llama_index.core.schema import BaseNode, MetadataMode, TextNode
    from llama_index.core.vector_stores.types import (
        BasePydanticVectorStore,
        FilterCondition,
        FilterOperator,
        MetadataFilter,
        MetadataFilters,
        VectorStoreQuery,
        VectorStoreQueryMode,
        VectorStoreQueryResult,
    )
    from llama_index.core.vector_stores.utils import (
        metadata_dict_to_node,
        node_to_metadata_dict,
    )
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "the vector store for LlamaIndex needs llama-index-core: "
        "pip install 'mrl_pg[llama-index]'",
        name=error.name,
    ) from error

if TYPE_CHECKING:
    # in `typing` itself from Python 3.11 on
    from typing_extensions import Self

Finding: TypeAlias = Callable[[AnyConn], Exchange[list[FoundDocument]]]

OPERATORS: dict[FilterOperator, Operator] = {
    FilterOperator.EQ: "=",
    FilterOperator.NE: "<>",
    FilterOperator.GT: ">",
    FilterOperator.GTE: ">=",
    FilterOperator.LT: "<",
    FilterOperator.LTE: "<=",
    FilterOperator.IN: "one of",
    FilterOperator.NIN: "none of",
    FilterOperator.ANY: "holds any",
    FilterOperator.ALL: "holds all",
    FilterOperator.CONTAINS: "holds",
    FilterOperator.TEXT_MATCH: "within",
    FilterOperator.TEXT_MATCH_INSENSITIVE: "any case within",
    FilterOperator.IS_EMPTY: "empty",
}

OWN_FIELDS = {"_node_content", "_node_type", "document_id", "doc_id", "ref_doc_id"}
"""What LlamaIndex adds to the metadata of a node that it stores."""

EVERY = Combination("and", ())


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

    def __init__(
        self,
        connection: Source,
        table: str = "nodes",
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
        super().__init__(stores_text=True)
        self._documents = Documents(
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
        self._remove(_of_documents([ref_doc_id]))

    async def adelete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        """The same without blocking the event loop."""
        await self._remove_async(_of_documents([ref_doc_id]))

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
        return [_node(each) for each in found]

    async def aget_nodes(
        self,
        node_ids: list[str] | None = None,
        filters: MetadataFilters | None = None,
    ) -> list[BaseNode]:
        """The same without blocking the event loop."""
        found = await self._documents.carry_out_async(self._reading(node_ids, filters))
        return [_node(each) for each in found]

    def query(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        """The nodes nearest to a vector, nearest first; `kwargs` as explained above.

        Mode "mmr" chooses nodes that are unlike each other, of the `fetch` nearest, by
        `mmr_threshold`, where 1 counts likeness to the query alone. Their similarities
        are those to the query. Mode "hybrid" fuses what the vectors find with full text
        search for `query_str`, and takes the options of `MatryoshkaIndex.hybrid`.
        `alpha` is the share of the vectors. Similarities are the fused scores.

        `doc_ids` and `filters` restrict the search, and `node_ids` do unless the list
        is empty, as an index's retriever sends it.
        """
        found = self._documents.carry_out(self._finding(query, kwargs))
        return self._result(query, found)

    async def aquery(
        self, query: VectorStoreQuery, **kwargs: Any
    ) -> VectorStoreQueryResult:
        """The same without blocking the event loop."""
        finding = self._finding(query, kwargs)
        return self._result(query, await self._documents.carry_out_async(finding))

    # ------------------------------------------------------------------ on the way

    def _rows(self, nodes: Sequence[BaseNode]) -> list[StoredDocument]:
        if nodes and self._documents.table.metadata is None:
            raise InvalidSetting(
                "metadata_column=None: nodes keep their relationships in a column of "
                "type jsonb; add one to the table and name it, to write nodes"
            )
        return list({node.node_id: _row(node) for node in nodes}.values())

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
        condition = _all_of(_of_nodes(node_ids), self._condition(filters))
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
        condition = _all_of(_of_nodes(node_ids), condition)
        return lambda conn: documents.read(conn, condition)

    def _finding(self, query: VectorStoreQuery, options: Mapping[str, Any]) -> Finding:
        documents, k = self._documents, query.similarity_top_k
        condition = _all_of(
            None if query.doc_ids is None else _of_documents(query.doc_ids),
            _of_nodes(query.node_ids or None),
            self._condition(query.filters),
        )
        if query.embedding_field is not None:
            raise InvalidSetting(
                f"embedding_field={shown(query.embedding_field)}: a store searches the "
                "one column that it was made with; make another store"
            )
        mode, rest = VectorStoreQueryMode(query.mode), dict(options)
        match mode:
            case VectorStoreQueryMode.DEFAULT:
                vector = _vector(query)
                return lambda conn: documents.nearest(conn, vector, k, condition, rest)
            case VectorStoreQueryMode.MMR:
                vector, fetch = _vector(query), rest.pop("fetch", None)
                diversity = _diversity(rest.pop("mmr_threshold", query.mmr_threshold))
                return lambda conn: documents.unlike(
                    conn, vector, k, condition, rest, fetch=fetch, diversity=diversity
                )
            case VectorStoreQueryMode.HYBRID:
                vector, words = _vector(query), _words(query)
                most = k if query.hybrid_top_k is None else query.hybrid_top_k
                rest = {**_of_both(query, most), **rest}
                return lambda conn: documents.hybrid(
                    conn, vector, words, most, condition, rest
                )
        raise InvalidSetting(
            f"mode={mode.value!r}: this store answers queries of mode 'default', 'mmr' "
            "and 'hybrid', which with alpha=0 ranks by words alone"
        )

    def _result(
        self, query: VectorStoreQuery, found: Sequence[FoundDocument]
    ) -> VectorStoreQueryResult:
        scores = [each.score for each in found]
        if query.mode != VectorStoreQueryMode.HYBRID:
            # the search has read which distance the index has
            distance = self._documents.distance
            scores = [similarity(score, distance) for score in scores]
        return VectorStoreQueryResult(
            nodes=[_node(each.document) for each in found],
            similarities=scores,
            ids=[each.document.key for each in found],
        )


def similarity(distance: float, of: Distance) -> float:
    """The similarity that LlamaIndex has for a distance."""
    return 1 - distance if of == "cosine" else -distance


# ---------------------------------------------------------------------- filters


def condition_of(
    filters: MetadataFilters | None, columns: Collection[str] = ()
) -> Condition | None:
    """Filters of LlamaIndex as a condition; None if they let every node through.

    `columns` are those of the table that count as metadata.
    """
    if filters is None or not filters.filters:
        return None
    parts = tuple(
        condition_of(each, columns) or EVERY
        if isinstance(each, MetadataFilters)
        else _comparison(each, columns)
        for each in filters.filters
    )
    match filters.condition:
        case FilterCondition.OR:
            return Combination("or", parts)
        case FilterCondition.NOT:
            # none of them, as LlamaIndex has it
            return Combination("not", (Combination("or", parts),))
    return Combination("and", parts)


def _comparison(compared: MetadataFilter, columns: Collection[str]) -> Condition:
    path, operator = (compared.key,), OPERATORS[compared.operator]
    value: Any = compared.value
    if compared.key in columns:
        return Comparison(path, operator, value)
    # 1 is also true, and 0 also false, because a filter cannot hold true and false
    if operator in ("one of", "none of") and isinstance(value, list):
        flags = [bool(each) for each in value if each in (0, 1)]
        return Comparison(path, operator, [*value, *flags])
    if operator in ("=", "<>") and value in (0, 1):
        either = _any_of(path, [value, bool(value)])
        return either if operator == "=" else Combination("not", (either,))
    return Comparison(path, operator, value)


def _any_of(path: tuple[str, ...], values: Sequence[Any]) -> Combination:
    """A field is one of these; a GIN index may find them, unlike by `one of`."""
    return Combination("or", tuple(Comparison(path, "=", value) for value in values))


def _of_documents(ref_doc_ids: Sequence[str]) -> Condition:
    return _any_of(("ref_doc_id",), ref_doc_ids)


def _of_nodes(node_ids: Sequence[str] | None) -> Condition | None:
    return (
        None
        if node_ids is None
        else Comparison(("node_id",), "one of", list(node_ids), "key")
    )


def _all_of(*conditions: Condition | None) -> Condition | None:
    parts = tuple(each for each in conditions if each is not None)
    return Combination("and", parts) if parts else None


# ---------------------------------------------------------------------- nodes


def _vector(query: VectorStoreQuery) -> list[float]:
    if query.query_embedding is None:
        raise InvalidVector(
            f"the query {shown(query.query_str)} has no query_embedding: embed it first"
        )
    return query.query_embedding


def _diversity(threshold: float | None) -> float:
    if threshold is None:
        return 0.5
    share = number("mmr_threshold", threshold)
    if not 0 <= share <= 1:
        raise InvalidSetting(
            f"mmr_threshold={shown(threshold)} is outside 0 (nodes as unlike as "
            "possible) to 1 (the nearest nodes)"
        )
    return 1 - share


def _words(query: VectorStoreQuery) -> str:
    if query.query_str is None:
        raise InvalidSetting(
            "the query has no query_str: mode 'hybrid' searches for its words"
        )
    return query.query_str


def _of_both(query: VectorStoreQuery, most: int) -> dict[str, Any]:
    """The options of a hybrid search that the query has in LlamaIndex's words."""
    options: dict[str, Any] = {}
    if query.alpha is not None:
        share = number("alpha", query.alpha)
        if not 0 <= share <= 1:
            raise InvalidSetting(
                f"alpha={shown(query.alpha)} is outside 0 (words alone) to 1 (vectors "
                "alone)"
            )
        options["weights"] = (share, 1 - share)
    if query.sparse_top_k is not None:
        options["fetch"] = max(most, query.sparse_top_k)
    return options


def _row(node: BaseNode) -> StoredDocument:
    if node.embedding is None:
        raise InvalidVector(
            f"node {shown(node.node_id)} has no embedding: embed it first, or add it "
            "to an index, which does"
        )
    return StoredDocument(
        node.node_id,
        node.get_content(metadata_mode=MetadataMode.NONE),
        node_to_metadata_dict(node, remove_text=True, flat_metadata=False),
        node.embedding,
    )


def _node(stored: StoredDocument) -> BaseNode:
    """The node of a row; what the row says counts, if SQL has changed it."""
    text = stored.text or ""
    if "_node_content" not in stored.metadata:
        return TextNode(id_=stored.key, text=text, metadata=dict(stored.metadata))
    node = metadata_dict_to_node(dict(stored.metadata), text=text)
    node.node_id = stored.key
    own = {name: node.metadata[name] for name in OWN_FIELDS & node.metadata.keys()}
    now = {
        name: value
        for name, value in stored.metadata.items()
        # a column without a value is no field
        if name not in OWN_FIELDS and (value is not None or name in node.metadata)
    }
    ordered = {name: now[name] for name in node.metadata if name in now}
    node.metadata = {**ordered, **now, **own}
    return node
