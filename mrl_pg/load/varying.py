"""Values of varying size as bytes for the server: text, JSON and bytea. For all other
types the server reads text."""

import json
import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
from psycopg.types.json import Json, Jsonb

from mrl_pg.load.advice import not_utf8
from mrl_pg.load.block import Form, Values, shown
from mrl_pg.load.values import listed

READ_BY_SERVER = "text of"
"""Stands for every type without a binary format here. The values are sent as text, and
the server reads literals of the type."""

READ_AS_ARRAY = "text of array"
"""Like READ_BY_SERVER, for array types: lists become array literals, not JSON."""

JSONB_VERSION = b"\x01"
NUL_ESCAPE = re.compile(r"(?<!\\)(\\\\)*\\u0000")
PARSED: tuple[Form, ...] = ("jsonl", "json")
"""Forms whose strings are already decoded from JSON."""


def encoded(
    values: Values, kind: str, form: Form, encoding: str, bad: dict[int, str]
) -> list[bytes | None]:
    """Bytes of each row, None for NULL; adds rows that cannot be encoded to `bad`.

    A string for json or jsonb must be JSON text. In files of JSON the string is the
    value itself, because it is already parsed.
    """
    if kind in JSON and form in PARSED:
        kind = f"parsed {kind}"
    convert = VARYING[kind]
    prefix = JSONB_VERSION if kind.endswith("jsonb") else b""
    out: list[bytes | None] = []
    for i, value in enumerate(_exact(values)):
        try:
            # no copy in the common case without a prefix
            made = None if value is None else convert(value)
            data = made.encode(encoding) if isinstance(made, str) else made
            out.append(prefix + data if prefix and data is not None else data)
        except UnicodeEncodeError as error:
            bad.setdefault(i, _unencodable(error, encoding, form))
            out.append(None)
        except (ValueError, TypeError, RecursionError) as error:
            bad.setdefault(i, str(error))
            out.append(None)
    return out


# Floats of single precision as text, because 0.1 must not become 0.10000000149011612.
def _exact(values: Values) -> Any:
    short = isinstance(values, np.ndarray) and values.dtype.kind == "f"
    if short and values.dtype.itemsize < 8:  # type: ignore[union-attr]
        return [str(value) for value in values]
    return listed(values)


def plain_text(value: Any) -> str | None:
    """Text of a value as PostgreSQL writes it; None for lists, objects and bytes."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float, Decimal, UUID)):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat(" ")
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        seconds = Decimal(value.seconds) + Decimal(value.microseconds) / 1_000_000
        return f"{value.days} days {seconds} seconds"
    return None


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "surrogateescape")
    text = plain_text(value)
    if text is None:
        text = _json(value)
    if "\0" in text:
        raise ValueError("the text holds a NUL character, which PostgreSQL refuses")
    return text


def _literal(value: Any) -> str:
    # hexadecimal, because extensions such as PostGIS read binary values so
    return value.hex() if isinstance(value, bytes) else _text(value)


def _array(value: Any) -> str:
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value, parse_constant=_no_constant)
        except ValueError:
            raise ValueError(
                f"{shown(value)} is not an array like {{1,2}} or [1,2]"
            ) from None
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return "{" + ",".join(map(_element, value)) + "}"
    return _literal(value)


def _element(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, (list, tuple)):
        return _array(value)
    if isinstance(value, bytes):
        text = "\\x" + value.hex()
    else:
        text = _text(value)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _bytea(value: Any) -> bytes:
    if isinstance(value, str) and value.startswith("\\x"):
        try:
            return bytes.fromhex(value[2:])
        except ValueError:
            pass
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise ValueError(f"{shown(value)} is neither bytes nor text like \\x00ff")
    return bytes(value)


def _json(value: Any) -> str:
    try:
        return json.dumps(
            value, ensure_ascii=False, allow_nan=False, default=_inside_json
        )
    except (ValueError, TypeError) as error:
        raise ValueError(f"{shown(value)} is not JSON: {error}") from None


# Exact numbers and bytes become text; bytes as PostgreSQL's to_jsonb writes them.
def _inside_json(value: Any) -> Any:
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    if isinstance(value, datetime):
        return value.isoformat()
    text = plain_text(value)
    if text is None:
        raise TypeError(f"{type(value).__name__} cannot be JSON")
    return text


def _json_text(value: Any) -> str:
    if isinstance(value, (Json, Jsonb)):
        return _json(value.obj)
    if not isinstance(value, str):
        return _json(value)
    try:
        json.loads(value, parse_constant=_no_constant)
    except ValueError as error:
        raise ValueError(f"{shown(value)} is not JSON: {error}") from None
    return value


def _without_nul(convert: Callable[[Any], str]) -> Callable[[Any], str]:
    def checked(value: Any) -> str:
        text = convert(value)
        if "\\u0000" in text and NUL_ESCAPE.search(text):
            raise ValueError("the JSON holds a NUL character, which jsonb refuses")
        return text

    return checked


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON value")


def _unencodable(error: UnicodeEncodeError, encoding: str, form: Form) -> str:
    character = error.object[error.start]
    if "\udc80" <= character <= "\udcff":
        why = not_utf8(ord(character) - 0xDC00)
        return why.partition(":")[0] if form == "arrays" else why
    return f"character {character!r} cannot be sent in the encoding {encoding}"


JSON = ("json", "jsonb")
VARYING: dict[str, Callable[[Any], str | bytes]] = {
    "text": _text,
    "varchar": _text,
    "bpchar": _text,
    "bytea": _bytea,
    "json": _json_text,
    "jsonb": _without_nul(_json_text),
    "parsed json": _json,
    "parsed jsonb": _without_nul(_json),
    READ_BY_SERVER: _literal,
    READ_AS_ARRAY: _array,
}
"""For each type of varying size, by its name in pg_type: the function that converts a
Python value. It raises ValueError with the reason."""
