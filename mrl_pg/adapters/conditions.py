"""Conditions on metadata, which frameworks write in their own ways, and their SQL."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Literal, TypeAlias
from uuid import UUID

import numpy as np
from psycopg import sql

from mrl_pg.arguments import shown, unfit
from mrl_pg.catalog.slots import name, statement
from mrl_pg.errors import InvalidFilter

Operator: TypeAlias = Literal[
    "=", "<>", ">", ">=", "<", "<=", "one of", "none of", "like", "any case like",
    "within", "any case within", "holds", "holds any", "holds all", "missing", "there",
    "empty",
]  # fmt: skip
"""How a field is compared.

`=` with None is true of a missing field, too, and `<>` and `none of` are true of one:
each is the opposite of another. `within` looks for a piece of text, `holds` for an
element of a list, `missing` is true of null, and `empty` also of "", [] and {}.
"""

ORDERED = (">", ">=", "<", "<=")
OPPOSITE: dict[Operator, Operator] = {
    "<>": "=",
    "none of": "one of",
    "there": "missing",
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """A field of the metadata, or a column of the table, compared with a value.

    `path` leads into nested objects, from the outermost name.
    """

    path: tuple[str, ...]
    operator: Operator
    value: Any = None


@dataclass(frozen=True, slots=True)
class Combination:
    """All or any of some conditions, or the opposite of all of them."""

    word: Literal["and", "or", "not"]
    parts: "tuple[Condition, ...]"


Condition: TypeAlias = Comparison | Combination


@dataclass(frozen=True, slots=True)
class Fields:
    """Where the fields are: the metadata column, and columns with their types."""

    metadata: str | None
    columns: Mapping[str, tuple[str, str]]


@dataclass(slots=True)
class Written:
    """A condition in SQL, with the values of its placeholders."""

    fields: Fields
    values: dict[str, Any] = field(default_factory=dict)

    def parameter(self, value: Any) -> sql.Composable:
        """A placeholder for a value."""
        label = f"value_{len(self.values) + 1}"
        self.values[label] = value
        return sql.Placeholder(label)


def written(
    condition: Condition | None, fields: Fields
) -> tuple[sql.Composable, dict[str, Any]]:
    """A condition as a `filter` of a search, and its `params`.

    Raises InvalidFilter for a field or a value that cannot be compared.
    """
    if condition is None:
        return statement("every_document"), {}
    made = Written(fields)
    return _condition(condition, made), made.values


def _condition(condition: Condition, made: Written) -> sql.Composable:
    if isinstance(condition, Comparison):
        return _comparison(condition, made)
    parts = [sql.SQL("({})").format(_condition(p, made)) for p in condition.parts]
    if condition.word == "not":
        return statement("not_so", condition=_joined("and", parts))
    return _joined(condition.word, parts)


def _joined(
    word: Literal["and", "or"], parts: Sequence[sql.Composable]
) -> sql.Composable:
    if not parts:
        return statement("every_document" if word == "and" else "no_document")
    return sql.SQL(" or " if word == "or" else " and ").join(parts)


def _comparison(compared: Comparison, made: Written) -> sql.Composable:
    if (opposite := OPPOSITE.get(compared.operator)) is not None:
        asked = Comparison(compared.path, opposite, compared.value)
        return statement("not_so", condition=_comparison(asked, made))
    for part in compared.path:
        if not part or unfit(part):
            raise _refused(compared, "this is not the name of a field")
    if compared.operator == "one of":
        _check_list(compared)
    compared = replace(compared, value=_plain(compared))
    column = made.fields.columns.get(".".join(compared.path))
    if column is not None:
        return _of_column(compared, name(".".join(compared.path)), column, made)
    if made.fields.metadata is None:
        raise InvalidFilter(
            f"the filter asks for {'.'.join(compared.path)!r}, and the table has no "
            f"such column and no metadata: use {', '.join(made.fields.columns)}"
        )
    return _of_metadata(compared, name(made.fields.metadata), made)


def _of_metadata(
    compared: Comparison, metadata: sql.Composable, made: Written
) -> sql.Composable:
    operator, given = compared.operator, compared.value

    def path() -> sql.Composable:
        return made.parameter(list(compared.path))

    def value() -> sql.Composable:
        return statement("field_value", metadata=metadata, path=path())

    def text() -> sql.Composable:
        return statement("field_text", metadata=metadata, path=path())

    def as_json(of: Any) -> sql.Composable:
        return made.parameter(_json(of))

    if operator == "missing" or (operator == "=" and given is None):
        return statement("field_missing", value=value())
    if operator == "empty":
        return statement("field_empty", text=text())
    if operator == "=" and isinstance(given, (str, int, float)):
        document: Any = given
        for part in reversed(compared.path):
            document = {part: document}
        return statement("field_holds", metadata=metadata, document=as_json(document))
    if operator == "=":
        return statement("field_equals", value=value(), given=as_json(given))
    if operator == "one of":
        listed = made.parameter([_json(each) for each in given])
        return statement("field_one_of", value=value(), given=listed)
    if operator in ("holds", "holds all", "holds any"):
        return _of_list(compared, given, value, as_json)
    if operator in ORDERED:
        return _ordered(compared, given, value(), text, made)
    return _of_text(compared, text(), made)


def _ordered(
    compared: Comparison,
    given: Any,
    value: sql.Composable,
    text: Callable[[], sql.Composable],
    made: Written,
) -> sql.Composable:
    """Above or below: a number among numbers, a text or a time among texts."""
    if given is None:
        return statement("no_document")
    slots = {"value": value, "operator": sql.SQL(compared.operator)}
    if isinstance(given, str):
        slots |= {"text": text(), "given": made.parameter(given)}
        return statement("field_text_beside", **slots)
    if isinstance(given, bool) or not isinstance(given, (int, float)):
        raise _refused(compared, "only numbers and texts have an order")
    number = made.parameter(_json(given))
    return statement("field_beside", given=number, **slots)


def _of_list(
    compared: Comparison,
    given: Any,
    value: Callable[[], sql.Composable],
    as_json: Callable[[Any], sql.Composable],
) -> sql.Composable:
    if compared.operator == "holds":
        return statement("list_holds", value=value(), given=as_json([given]))
    _check_list(compared)
    if compared.operator == "holds all":
        return statement("list_holds", value=value(), given=as_json(given))
    each = [
        sql.SQL("({})").format(
            statement("list_holds", value=value(), given=as_json([one]))
        )
        for one in given
    ]
    return _joined("or", each)


def _of_text(
    compared: Comparison, text: sql.Composable, made: Written
) -> sql.Composable:
    if not isinstance(compared.value, str):
        raise _refused(compared, "this operator compares texts: give a text")
    given = made.parameter(compared.value)
    match compared.operator:
        case "within":
            return statement("text_within", text=text, given=given)
        case "any case within":
            return statement("text_within_any_case", text=text, given=given)
    like = sql.SQL("~~" if compared.operator == "like" else "~~*")
    return statement("field_like", text=text, operator=like, given=given)


def _of_column(
    compared: Comparison,
    column: sql.Composable,
    type_name: tuple[str, str],
    made: Written,
) -> sql.Composable:
    operator, given = compared.operator, compared.value
    kind = name(*type_name)
    if operator == "missing" or (operator == "=" and given is None):
        return statement("column_missing", column=column)
    if operator == "one of":
        listed = made.parameter([_as_text(each) for each in given])
        return statement("column_one_of", column=column, given=listed, type=kind)
    if operator in ("=", *ORDERED):
        if given is None:
            return statement("no_document")
        return statement(
            "column_is",
            column=column,
            operator=sql.SQL(operator),
            given=made.parameter(_as_text(given)),
            type=kind,
        )
    text = statement("column_text", column=column)
    if operator == "empty":
        return statement("field_empty", text=text)
    if operator in ("holds", "holds any", "holds all"):
        raise _refused(compared, "lists are looked into in the metadata only")
    return _of_text(compared, text, made)


def _check_list(compared: Comparison) -> None:
    if not isinstance(compared.value, (list, tuple, set, frozenset)):
        raise _refused(compared, "this operator takes a list: give one")


def _plain(compared: Comparison) -> Any:
    """The value as JSON has it; times as text in ISO 8601."""

    def plain(value: Any) -> Any:
        if isinstance(value, np.generic):
            value = value.item()
        if isinstance(value, (datetime, date, time)):
            return value.isoformat()
        if isinstance(value, UUID):
            return str(value)
        if isinstance(value, Decimal):
            return int(value) if value == value.to_integral_value() else float(value)
        if isinstance(value, Mapping):
            return {str(key): plain(each) for key, each in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [plain(each) for each in value]
        if isinstance(value, float) and not math.isfinite(value):
            raise _refused(compared, "NaN and infinity are not in JSON")
        if isinstance(value, str) and (reason := unfit(value)):
            raise _refused(compared, f"it {reason}")
        if value is None or isinstance(value, (str, bool, int, float)):
            return value
        raise _refused(compared, f"metadata hold no {type(value).__name__}")

    return plain(compared.value)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _as_text(value: Any) -> str:
    """A value as its column's type reads it."""
    return value if isinstance(value, str) else _json(value)


def _refused(compared: Comparison, reason: str) -> InvalidFilter:
    return InvalidFilter(
        f"the filter compares {'.'.join(compared.path)!r} by {compared.operator!r} "
        f"with {shown(compared.value)}: {reason}"
    )
