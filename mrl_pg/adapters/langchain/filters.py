"""Filters as LangChain's stores write them, as conditions."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from mrl_pg.adapters.conditions import Combination, Comparison, Condition, Operator
from mrl_pg.arguments import shown
from mrl_pg.errors import InvalidFilter

MetadataFilter: TypeAlias = "Mapping[str, Any] | None"
"""`{"lang": "en"}`, `{"year": {"$gte": 2020}}`, `{"$or": [{…}, {…}]}`."""

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


def deletion_condition(
    ids: list[str] | None, filter: MetadataFilter
) -> Condition | None:
    """The condition of a deletion; raises InvalidFilter if there are ids as well."""
    if ids is not None and filter is not None:
        raise InvalidFilter("ids and filter were given: delete by one of them")
    return condition_of(filter)
