"""What documents have in the fields of their metadata, and how fields are changed."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeAlias

from psycopg import sql

from mrl_pg.adapters.conditions import (
    Condition,
    Fields,
    Written,
    as_json,
    as_text,
    field_value,
    plain_value,
    written,
)
from mrl_pg.adapters.documents import Documents
from mrl_pg.arguments import shown
from mrl_pg.catalog.slots import comma, name, statement
from mrl_pg.errors import InvalidSetting
from mrl_pg.exchange import AnyConn, Exchange

FieldType: TypeAlias = Literal[
    "integer", "real", "text", "boolean", "array", "object", "mixed"
]
"""The type of a field's values; `mixed` if documents do not agree."""

TYPES: dict[str, FieldType] = {
    "string": "text",
    "boolean": "boolean",
    "array": "array",
    "object": "object",
}
"""Our names of JSON's types, but for numbers."""


@dataclass(frozen=True, slots=True)
class DistinctValues:
    """Some of the distinct values of a field, and how many there are in all."""

    values: list[Any]
    total: int


def change(
    documents: Documents,
    conn: AnyConn,
    condition: Condition | None,
    metadata: Mapping[str, Any],
) -> Exchange[int]:
    """Set fields of documents that a condition lets through; how many these are."""
    state = yield from documents.state(conn)
    if state is None or not metadata:
        return 0
    where, params = written(condition, state.fields)
    made = Written(state.fields, params)
    asked = statement(
        "change_documents",
        table=name(*documents.table.path),
        changes=comma(_changes(metadata, made)),
        condition=where,
    )
    (row,) = yield from documents.send(asked, made.values)
    return int(row["documents"])


def _changes(metadata: Mapping[str, Any], made: Written) -> list[sql.Composable]:
    columns = made.fields.columns
    rest = {}
    changes: list[sql.Composable] = []
    for field in metadata:
        value = plain_value(metadata[field], partial(_refused, field, metadata[field]))
        if field not in columns:
            rest[field] = value
            continue
        given = made.parameter(None if value is None else as_text(value))
        slots = {"column": name(field), "given": given, "type": name(*columns[field])}
        changes.append(statement("change_column", **slots))
    if rest:
        place = made.fields.metadata_of(tuple(rest))
        given = made.parameter(as_json(rest))
        changes.append(statement("change_metadata", metadata=place, given=given))
    return changes


def _refused(field: str, value: Any, reason: str) -> InvalidSetting:
    return InvalidSetting(f"the metadata {field!r} cannot be {shown(value)}: {reason}")


def field_types(documents: Documents, conn: AnyConn) -> Exchange[dict[str, FieldType]]:
    """The fields that documents have, and the types of their values."""
    state = yield from documents.state(conn)
    if state is None:
        return {}
    asked = statement(
        "field_types",
        fields=_all_fields(state.fields),
        table=name(*documents.table.path),
    )
    rows = yield from documents.send(asked, {})
    return {row["name"]: _type(row["types"], row["whole"]) for row in rows}


def _all_fields(fields: Fields) -> sql.Composable:
    columns: list[sql.Composable] = []
    for column in fields.columns:
        columns += [sql.Literal(column.replace("%", "%%")), name(column)]
    metadata = sql.NULL if fields.metadata is None else name(fields.metadata)
    return statement("all_fields", metadata=metadata, columns=comma(columns))


def _type(types: Sequence[str], whole: bool) -> FieldType:
    if len(types) > 1:
        return "mixed"
    if types[0] == "number":
        return "integer" if whole else "real"
    return TYPES[types[0]]


def extremes(
    documents: Documents, conn: AnyConn, path: tuple[str, ...]
) -> Exchange[tuple[Any, Any]]:
    """The lowest and the highest value of a field.

    Of numbers, or of texts, which are compared byte by byte. None if there are neither,
    or both.
    """
    state = yield from documents.state(conn)
    if state is None:
        return None, None
    made = Written(state.fields)
    value = field_value(path, made)
    table = name(*documents.table.path)
    asked = statement("field_extremes", value=value, table=table)
    (row,) = yield from documents.send(asked, made.values)
    if row["lowest"] is None:
        return row["first"], row["last"]
    if row["first"] is not None:
        return None, None
    return json.loads(row["lowest"]), json.loads(row["highest"])


def distinct_counts(
    documents: Documents,
    conn: AnyConn,
    paths: Sequence[tuple[str, ...]],
    condition: Condition | None,
) -> Exchange[list[int]]:
    """How many distinct values documents have in each of some fields; null is none."""
    state = yield from documents.state(conn)
    if state is None or not paths:
        return [0] * len(paths)
    where, params = written(condition, state.fields)
    made = Written(state.fields, params)
    asked = statement(
        "distinct_values_counted",
        counts=comma(
            statement("distinct_value_count", value=field_value(path, made))
            for path in paths
        ),
        table=name(*documents.table.path),
        condition=where,
    )
    (row,) = yield from documents.send(asked, made.values)
    return [int(count) for count in row["counts"]]


def distinct_values(
    documents: Documents,
    conn: AnyConn,
    path: tuple[str, ...],
    condition: Condition | None,
    *,
    within: str | None,
    first: int,
    most: int,
) -> Exchange[DistinctValues]:
    """Distinct values of a field from the `first` on, counted from 0, at most `most`.

    Numbers come in the order of numbers, behind texts. 1, 1.0 and "1" are three values,
    null is none. `within` is a text that they hold, upper and lower case alike.
    """
    state = yield from documents.state(conn)
    if state is None:
        return DistinctValues([], 0)
    where, params = written(condition, state.fields)
    made = Written(state.fields, params)
    wanted: sql.Composable = statement("every_document")
    if within:
        text = statement("distinct_text")
        given = made.parameter(within)
        wanted = statement("text_within_any_case", text=text, given=given)
    asked = statement(
        "distinct_values",
        value=field_value(path, made),
        table=name(*documents.table.path),
        condition=where,
        wanted=wanted,
        first=made.parameter(first),
        most=made.parameter(most),
    )
    (row,) = yield from documents.send(asked, made.values)
    values = [json.loads(value) for value in row["page"]]
    return DistinctValues(values, int(row["total"]))
