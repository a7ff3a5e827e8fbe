"""Types of a table that does not exist yet, from the first block of a file."""

import re
from datetime import date, datetime
from typing import Any
from uuid import UUID

import numpy as np

from mrl_pg.errors import InvalidFile
from mrl_pg.load.block import Block, Values
from mrl_pg.load.pack import Column

# 007 is a code and not the number 7
INTEGER = re.compile(r"[+-]?(0|[1-9][0-9]{0,17})")
NUMBER = re.compile(
    r"[+-]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?"
    r"|nan|[+-]?inf(inity)?",
    re.IGNORECASE,
)
BY_DTYPE = {"b": "bool", "i": "int8", "u": "int8", "f": "float8", "U": "text"}
BY_CLASS: tuple[tuple[type, str], ...] = (
    (bool, "bool"),
    (np.bool_, "bool"),
    (int, "int8"),
    (np.integer, "int8"),
    (float, "float8"),
    (np.floating, "float8"),
    (str, "text"),
    (dict, "jsonb"),
    (list, "jsonb"),
    (datetime, "timestamptz"),
    (date, "date"),
    (UUID, "uuid"),
)
"""First match wins: a bool is an int, and a datetime a date."""


def column(name: str, block: Block) -> Column:
    """The column with the type its values have; text when all are NULL.

    Raises InvalidFile for values of no such type, or of several.
    """
    values = block[name]
    if block.form == "csv":
        return Column(name, _of_text(values))
    if isinstance(values, np.ndarray) and values.dtype != object:
        if values.ndim == 1 and values.dtype.kind in BY_DTYPE:
            return Column(name, BY_DTYPE[values.dtype.kind])
        raise InvalidFile(
            f"column {name!r} is an array of {values.dtype} with {values.ndim} axes: "
            "only one matrix of vectors and one-dimensional columns of booleans, "
            "numbers or text can become a new table"
        )
    return Column(name, _of_objects(name, values))


def _of_text(values: Values) -> str:
    texts = [value for value in values if value is not None]
    if not texts:
        return "text"
    if all(INTEGER.fullmatch(text) for text in texts):
        return "int8"
    return "float8" if all(NUMBER.fullmatch(text) for text in texts) else "text"


def _of_objects(name: str, values: Values) -> str:
    classes = {type(value) for value in values if value is not None}
    types = {_of_class(name, found) for found in classes}
    if types == {"int8", "float8"}:
        return "float8"
    if len(types) > 1:
        raise InvalidFile(
            f"column {name!r} mixes {', '.join(sorted(types))}: use one type, or make "
            "the table first and load into it"
        )
    return types.pop() if types else "text"


def _of_class(name: str, found: type[Any]) -> str:
    for known, kind in BY_CLASS:
        if issubclass(found, known):
            return kind
    raise InvalidFile(
        f"column {name!r} holds values of type {found.__name__}, for which there is no "
        "column type: convert them to numbers, text or JSON"
    )
