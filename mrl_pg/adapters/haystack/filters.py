"""Filters as Haystack writes them, as conditions; errors are Haystack's FilterError."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeAlias

from haystack.errors import FilterError

from mrl_pg.adapters.conditions import (
    ORDERED,
    Combination,
    Comparison,
    Condition,
    Operator,
)
from mrl_pg.arguments import shown
from mrl_pg.errors import InvalidFilter

Filters: TypeAlias = "dict[str, Any] | None"
"""Such as `{"field": "meta.lang", "operator": "==", "value": "en"}`."""

OPERATORS: dict[str, Operator] = {
    "==": "=",
    "!=": "<>",
    ">": ">",
    ">=": ">=",
    "<": "<",
    "<=": "<=",
    "in": "one of",
    "not in": "none of",
    "like": "like",
    "array_contains": "holds all",
    "array_overlaps": "holds any",
}
NOT_LIKE = "not like"

UNKNOWN = ("blob", "embedding", "meta", "score", "sparse_embedding")
"""Parts of a document that no filter compares."""


@contextmanager
def filter_errors() -> Iterator[None]:
    """Raise FilterError for a filter that the server or the table refuses."""
    try:
        yield
    except InvalidFilter as error:
        raise FilterError(str(error)) from error


def condition_of(filters: Filters) -> Condition | None:
    """The condition that a filter means; raises FilterError."""
    if filters is None or filters == {}:
        return None
    return _condition(filters)


def path_of(field: str) -> tuple[str, ...]:
    """Names that lead to a field of the metadata: `meta.` before it is optional."""
    return tuple(field.removeprefix("meta.").split("."))


def _condition(filters: object) -> Condition:
    if not isinstance(filters, Mapping):
        raise FilterError(
            f"the filter {shown(filters)} is no dictionary: write "
            '{"field": "meta.lang", "operator": "==", "value": "en"}'
        )
    return _comparison(filters) if "field" in filters else _combination(filters)


def _combination(filters: Mapping[str, Any]) -> Condition:
    word, conditions = _taken(filters, "operator"), _taken(filters, "conditions")
    if not isinstance(conditions, (list, tuple)):
        raise FilterError(
            f"the filter has the conditions {shown(conditions)}: give a list of filters"
        )
    parts = tuple(map(_condition, conditions))
    match word:
        case "AND":
            return Combination("and", parts)
        case "OR":
            return Combination("or", parts)
        case "NOT":
            return Combination("not", parts)
    raise FilterError(
        f"the filter combines conditions by {shown(word)}: use 'AND', 'OR' or 'NOT'"
    )


def _comparison(filters: Mapping[str, Any]) -> Condition:
    field, word = filters["field"], _taken(filters, "operator")
    value = _taken(filters, "value")
    if not isinstance(field, str) or field in UNKNOWN:
        raise FilterError(
            f"the filter compares {shown(field)}: it can compare 'id', 'content' and "
            "fields of the metadata, such as 'meta.lang'"
        )
    if word == NOT_LIKE:
        return Combination("not", (_compared(field, "like", value),))
    if not isinstance(word, str) or word not in OPERATORS:
        raise FilterError(
            f"the filter compares {field!r} by {shown(word)}, which is no operator: "
            f"there are {', '.join([*OPERATORS, NOT_LIKE])}"
        )
    operator = OPERATORS[word]
    if word in ("in", "not in") and not isinstance(value, list):
        raise FilterError(
            f"the filter compares {field!r} by {word!r} with {shown(value)}: give a "
            "list"
        )
    if operator in ORDERED and isinstance(value, str) and not _is_date(value):
        raise FilterError(
            f"the filter compares {field!r} by {word!r} with {shown(value)}: texts "
            "have an order only if they are dates in ISO 8601, such as '2024-05-01'"
        )
    return _compared(field, operator, value)


def _compared(field: str, operator: Operator, value: Any) -> Comparison:
    if field == "id":
        return Comparison((field,), operator, value, "key")
    if field == "content":
        return Comparison((field,), operator, value, "text")
    return Comparison(path_of(field), operator, value)


def _taken(filters: Mapping[str, Any], key: str) -> Any:
    if key not in filters:
        raise FilterError(
            f"the filter {shown(dict(filters))} has no {key!r}: a comparison has "
            "'field', 'operator' and 'value', a combination 'operator' and 'conditions'"
        )
    return filters[key]


def _is_date(value: str) -> bool:
    try:
        # Python 3.10 knows no Z
        datetime.fromisoformat(value.removesuffix("Z"))
    except ValueError:
        return False
    return True
