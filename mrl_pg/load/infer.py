"""Column types of a new table, inferred from the first block of a file."""

import re
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from mrl_pg.errors import InvalidFile
from mrl_pg.load.block import Block, Values
from mrl_pg.load.pack import Column
from mrl_pg.load.values import FIXED, INTEGERS, days, listed
from mrl_pg.load.varying import READ_AS_ARRAY, READ_BY_SERVER, VARYING

# no leading zeros, because 007 is a code and not the number 7
INTEGER = re.compile(r"[+-]?(0|[1-9][0-9]*)")
NUMBER = re.compile(
    r"[+-]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?"
    r"|nan|[+-]?inf(inity)?",
    re.IGNORECASE,
)
DOUBLE_DIGITS = 17
"""Digits that a double stores exactly; numbers with more digits become numeric."""

BY_DTYPE = {"b": "bool", "i": "int8", "f": "float8", "U": "text", "S": "text"}
BY_CLASS: tuple[tuple[type, str], ...] = (
    (bool, "bool"),
    (np.bool_, "bool"),
    (int, "int8"),
    (np.integer, "int8"),
    (float, "float8"),
    (np.floating, "float8"),
    (Decimal, "numeric"),
    (str, "text"),
    (dict, "jsonb"),
    (list, "jsonb"),
    (tuple, "jsonb"),
    (np.ndarray, "jsonb"),
    (bytes, "bytea"),
    (date, "date"),
    (time, "time"),
    (timedelta, "interval"),
    (UUID, "uuid"),
)
"""PostgreSQL types by Python class. The first match wins: a bool is an int, too."""

WIDER = (
    ({"int8", "float8"}, "float8"),
    ({"int8", "numeric"}, "numeric"),
    ({"float8", "numeric"}, "numeric"),
    ({"int8", "float8", "numeric"}, "numeric"),
    ({"date", "timestamp"}, "timestamp"),
)
"""Sets of types that occur in one column, and the one type that holds all of them."""


def column(name: str, block: Block) -> Column | None:
    """A column with the type of its values; None if all values are NULL.

    Raises InvalidFile if the values have no PostgreSQL type, or several types.
    """
    kind = block.types.get(name) or _kind(name, block)
    return None if kind is None else of_type(name, kind)


def of_type(name: str, kind: str) -> Column:
    """A column of a new table, from the name of its type; `text[]` is an array."""
    if kind.endswith("[]"):
        return Column(name, READ_AS_ARRAY, cast=("pg_catalog", f"_{kind[:-2]}"))
    if kind in FIXED or kind in VARYING:
        return Column(name, kind)
    return Column(name, READ_BY_SERVER, cast=("pg_catalog", kind))


def wider(column: Column, block: Block) -> Column | None:
    """The wider column that a bigint column must become to hold a block; else None."""
    if column.type != "int8" or column.name not in block.names:
        return None
    try:
        kind = _kind(column.name, block)
    except InvalidFile:
        return None  # packing names the bad rows
    return of_type(column.name, kind) if kind in ("float8", "numeric") else None


def _kind(name: str, block: Block) -> str | None:
    values = block[name]
    if block.form == "csv":
        return _of_text(values)
    if not isinstance(values, np.ndarray) or values.dtype == object:
        return _of_objects(name, listed(values), lists=block.form == "arrays")
    if values.ndim == 1:
        if values.dtype.kind == "u":
            return (
                "int8" if values.max(initial=0) <= INTEGERS["int8"].max else "numeric"
            )
        if values.dtype.kind in "mM":
            return _of_times(values)
        if values.dtype.kind in BY_DTYPE:
            return BY_DTYPE[values.dtype.kind]
    raise InvalidFile(
        f"column {name!r} is an array of {values.dtype} with {values.ndim} axes: a "
        "new table can have one matrix of vectors, and one-dimensional columns of "
        "booleans, numbers, times or text; leave the column out with skip= (--skip)"
    )


def _of_times(values: NDArray[Any]) -> str | None:
    if np.isnat(values).all():
        return None
    if values.dtype.kind == "m":
        return "interval"
    return "date" if days(values) else "timestamp"


def _of_text(values: Values) -> str | None:
    texts = [value for value in values if value is not None]
    if not texts:
        return None
    if all(map(INTEGER.fullmatch, texts)):
        fits = (len(text) <= 20 and _is_int8(int(text)) for text in texts)
        return "int8" if all(fits) else "numeric"
    if not all(map(NUMBER.fullmatch, texts)):
        return "text"
    return "float8" if max(map(_digits, texts)) <= DOUBLE_DIGITS else "numeric"


def _digits(text: str) -> int:
    return len(re.sub("[eE].*|[^0-9]", "", text).lstrip("0"))


def _is_int8(value: int) -> bool:
    return bool(INTEGERS["int8"].min <= value <= INTEGERS["int8"].max)


def _of_objects(name: str, values: Any, *, lists: bool) -> str | None:
    some = [value for value in values if value is not None]
    classes = set(map(type, some))
    times = {cls for cls in classes if issubclass(cls, datetime)}
    kinds = {_of_class(name, cls) for cls in classes - times}
    if times:
        aware = {v.tzinfo is not None for v in some if isinstance(v, datetime)}
        kinds |= {"timestamptz" if zone else "timestamp" for zone in aware}
    if "int8" in kinds and not all(_is_int8(v) for v in some if isinstance(v, int)):
        kinds.add("numeric")
    for several, common in WIDER:
        if kinds == several:
            return common
    if len(kinds) > 1:
        raise InvalidFile(
            f"column {name!r} mixes {', '.join(sorted(kinds))}: use one type, or make "
            "the table first, with a column of type text, and load into it"
        )
    if kinds == {"jsonb"} and lists and classes <= {list, tuple, np.ndarray}:
        return _of_lists(name, some)
    return kinds.pop() if kinds else None


# Lists of one plain type become arrays; all other lists stay JSON.
def _of_lists(name: str, some: list[Any]) -> str:
    if any(np.ndim(row) == 0 for row in some if isinstance(row, np.ndarray)):
        return "jsonb"
    try:
        kind = _of_objects(name, [v for row in some for v in row], lists=False)
    except InvalidFile:
        return "jsonb"
    return "jsonb" if kind in (None, "jsonb") else f"{kind}[]"


def _of_class(name: str, cls: type[Any]) -> str:
    for known, kind in BY_CLASS:
        if issubclass(cls, known):
            return kind
    raise InvalidFile(
        f"column {name!r} holds values of type {cls.__name__}, for which there is no "
        "column type: convert them to numbers, text or JSON, or leave the column out "
        "with skip= (--skip)"
    )
