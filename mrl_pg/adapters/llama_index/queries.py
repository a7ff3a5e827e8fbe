"""Queries of LlamaIndex as searches, and what these find as its results."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from llama_index.core.vector_stores.types import (
    VectorStoreQuery,
    VectorStoreQueryMode,
    VectorStoreQueryResult,
)

from mrl_pg.adapters.documents import Documents, FoundDocument
from mrl_pg.adapters.llama_index.filters import (
    all_of,
    condition_of,
    of_documents,
    of_nodes,
)
from mrl_pg.adapters.llama_index.nodes import node_of
from mrl_pg.arguments import number, shown
from mrl_pg.errors import InvalidSetting, InvalidVector
from mrl_pg.exchange import AnyConn, Exchange
from mrl_pg.kinds import Distance

Finding: TypeAlias = Callable[[AnyConn], Exchange[list[FoundDocument]]]


def finding(
    documents: Documents, query: VectorStoreQuery, options: Mapping[str, Any]
) -> Finding:
    """The verb that answers a query, as its mode has it."""
    k = query.similarity_top_k
    condition = all_of(
        None if query.doc_ids is None else of_documents(query.doc_ids),
        of_nodes(query.node_ids or None),
        condition_of(query.filters, documents.table.columns),
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
        case VectorStoreQueryMode.TEXT_SEARCH | VectorStoreQueryMode.SPARSE:
            words = _words(query)
            most = k if query.sparse_top_k is None else query.sparse_top_k
            return lambda conn: documents.by_words(conn, words, most, condition, rest)
    raise InvalidSetting(
        f"mode={mode.value!r}: this store answers queries of mode 'default', 'mmr', "
        "'hybrid', 'text_search' and 'sparse'"
    )


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
            f"the query has no query_str, for whose words mode {query.mode.value!r} "
            "searches"
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


def result_of(
    documents: Documents, query: VectorStoreQuery, found: Sequence[FoundDocument]
) -> VectorStoreQueryResult:
    """What a search has found, as LlamaIndex has it."""
    scores = [each.score for each in found]
    if query.mode in (VectorStoreQueryMode.DEFAULT, VectorStoreQueryMode.MMR):
        # the search has read which distance the index has
        distance = documents.distance
        scores = [similarity(score, distance) for score in scores]
    return VectorStoreQueryResult(
        nodes=[node_of(each.document) for each in found],
        similarities=scores,
        ids=[each.document.key for each in found],
    )


def similarity(distance: float, of: Distance) -> float:
    """The similarity that LlamaIndex has for a distance."""
    return 1 - distance if of == "cosine" else -distance
