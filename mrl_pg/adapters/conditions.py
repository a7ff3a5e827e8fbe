"""Conditions on metadata, which frameworks write in their own ways, and their SQL."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time
from decimal import Decimal
from functools import partial
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

Part: TypeAlias = Literal["metadata", "key", "text"]
"""The part of a document that is compared."""

ORDERED = (">", ">=", "<", "<=")
OPPOSITE: dict[Operator, Operator] = {
    "<>": "=",
    "none of": "one of",
    "there": "missing",
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """A field of the metadata, or a column of the table, compared with a value.

    `path` leads into nested objects, from the outermost name. With another `part` it
    only names that part in messages.
    """

    path: tuple[str, ...]
    operator: Operator
    value: Any = None
    part: Part = "metadata"


@dataclass(frozen=True, slots=True)
class Combination:
    """All or any of some conditions, or the opposite of all of them."""

    word: Literal["and", "or", "not"]
    parts: "tuple[Condition, ...]"


Condition: TypeAlias = Comparison | Combination


@dataclass(frozen=True, slots=True)
class Fields:
    """Where the fields are: the metadata column, and columns with their types.

    `parts` are the columns of the key and the text: their names and types.
    """

    metadata: str | None
    columns: Mapping[str, tuple[str, str]]
    parts: Mapping[Part, tuple[str, tuple[str, str]]] = field(default_factory=dict)

    def column_of(self, path: tuple[str, ...]) -> sql.Composable | None:
        """The column that is a field, if it is one of its own."""
        column = ".".join(path)
        return name(column) if column in self.columns else None

    def metadata_of(self, path: tuple[str, ...]) -> sql.Composable:
        """The metadata column, for another field; InvalidFilter if there is none."""
        if self.metadata is None:
            raise InvalidFilter(
                f"{'.'.join(path)!r} is no column of the table, which has no metadata: "
                f"use {', '.join(self.columns)}"
            )
        return name(self.metadata)


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
        asked = replace(compared, operator=opposite)
        return statement("not_so", condition=_comparison(asked, made))
    for part in compared.path:
        if not part or unfit(part):
            raise _refused(compared, "this is not the name of a field")
    if compared.operator == "one of":
        _check_list(compared)
    compared = replace(
        compared, value=plain_value(compared.value, partial(_refused, compared))
    )
    if compared.part != "metadata":
        own, type_name = made.fields.parts[compared.part]
        return _of_column(compared, name(own), type_name, made)
    if (column := made.fields.column_of(compared.path)) is not None:
        type_name = made.fields.columns[".".join(compared.path)]
        return _of_column(compared, column, type_name, made)
    return _of_metadata(compared, made.fields.metadata_of(compared.path), made)


def field_value(path: tuple[str, ...], made: Written) -> sql.Composable:
    """The value of a field, as jsonb; raises InvalidFilter if there cannot be one."""
    if (column := made.fields.column_of(path)) is not None:
        return statement("column_value", column=column)
    metadata = made.fields.metadata_of(path)
    return statement("field_value", metadata=metadata, path=made.parameter(list(path)))


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

    def in_json(of: Any) -> sql.Composable:
        return made.parameter(as_json(of))

    if operator == "missing" or (operator == "=" and given is None):
        return statement("field_missing", value=value())
    if operator == "empty":
        return statement("field_empty", text=text())
    if operator == "=" and isinstance(given, (str, int, float)):
        document: Any = given
        for part in reversed(compared.path):
            document = {part: document}
        return statement("field_holds", metadata=metadata, document=in_json(document))
    if operator == "=":
        return statement("field_equals", value=value(), given=in_json(given))
    if operator == "one of":
        listed = made.parameter([as_json(each) for each in given])
        return statement("field_one_of", value=value(), given=listed)
    if operator in ("holds", "holds all", "holds any"):
        return _of_list(compared, given, value, in_json)
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
    number = made.parameter(as_json(given))
    return statement("field_beside", given=number, **slots)


def _of_list(
    compared: Comparison,
    given: Any,
    value: Callable[[], sql.Composable],
    in_json: Callable[[Any], sql.Composable],
) -> sql.Composable:
    if compared.operator == "holds":
        return statement("list_holds", value=value(), given=in_json([given]))
    _check_list(compared)
    if compared.operator == "holds all":
        return statement("list_holds", value=value(), given=in_json(given))
    each = [
        sql.SQL("({})").format(
            statement("list_holds", value=value(), given=in_json([one]))
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
        listed = made.parameter([as_text(each) for each in given])
        return statement("column_one_of", column=column, given=listed, type=kind)
    if operator in ("=", *ORDERED):
        if given is None:
            return statement("no_document")
        return statement(
            "column_is",
            column=column,
            operator=sql.SQL(operator),
            given=made.parameter(as_text(given)),
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


def plain_value(value: Any, refused: Callable[[str], Exception]) -> Any:
    """The value as JSON has it, times as text in ISO 8601.

    `refused` makes the error for a value that JSON or PostgreSQL cannot hold.
    """

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
            raise refused("NaN and infinity are not in JSON")
        if isinstance(value, str) and (reason := unfit(value)):
            raise refused(f"it {reason}")
        if value is None or isinstance(value, (str, bool, int, float)):
            return value
        raise refused(f"metadata hold no {type(value).__name__}")

    return plain(value)


def as_json(value: Any) -> str:
    """A plain value as JSON."""
    return json.dumps(value, ensure_ascii=False)


def as_text(value: Any) -> str:
    """A value as its column's type reads it."""
    return value if isinstance(value, str) else as_json(value)


def _refused(compared: Comparison, reason: str) -> InvalidFilter:
    return InvalidFilter(
        f"the filter compares {'.'.join(compared.path)!r} by {compared.operator!r} "
        f"with {shown(compared.value)}: {reason}"
    )
