"""Filters of LlamaIndex, as conditions."""

from collections.abc import Collection, Sequence
from typing import Any

from llama_index.core.vector_stores.types import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
)

from mrl_pg.adapters.conditions import Combination, Comparison, Condition, Operator

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

EVERY = Combination("and", ())


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
        either = any_of(path, [value, bool(value)])
        return either if operator == "=" else Combination("not", (either,))
    return Comparison(path, operator, value)


def any_of(path: tuple[str, ...], values: Sequence[Any]) -> Combination:
    """A field is one of these; a GIN index may find them, unlike by `one of`."""
    return Combination("or", tuple(Comparison(path, "=", value) for value in values))


def of_documents(ref_doc_ids: Sequence[str]) -> Condition:
    """Nodes that were made from one of these documents."""
    return any_of(("ref_doc_id",), ref_doc_ids)


def of_nodes(node_ids: Sequence[str] | None) -> Condition | None:
    """Nodes of these ids."""
    return (
        None
        if node_ids is None
        else Comparison(("node_id",), "one of", list(node_ids), "key")
    )


def all_of(*conditions: Condition | None) -> Condition | None:
    """All of the conditions that there are; None if there are none."""
    parts = tuple(each for each in conditions if each is not None)
    return Combination("and", parts) if parts else None
