"""Values of varying size as bytes for the server: text, json and jsonb."""

import json
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from mrl_pg.load.block import Form, Values, shown

TYPES = ("text", "varchar", "json", "jsonb")
JSONB_VERSION = b"\x01"
NUL_ESCAPE = re.compile(r"(?<!\\)(\\\\)*\\u0000")


def encoded(
    values: Values, kind: str, form: Form, encoding: str, bad: dict[int, str]
) -> list[bytes | None]:
    """Bytes of each row, None for NULL; adds to `bad` the rows that have none.

    A string meant for json or jsonb is JSON text, except in JSON lines, where it
    has been parsed already.
    """
    convert: Callable[[Any], str] = _text
    if kind in ("json", "jsonb"):
        convert = partial(_json, parsed=form == "jsonl", binary=kind == "jsonb")
    prefix = JSONB_VERSION if kind == "jsonb" else b""
    rows = values.tolist() if isinstance(values, np.ndarray) else values
    out: list[bytes | None] = []
    for i, value in enumerate(rows):
        try:
            # one copy less for the common case
            data = None if value is None else convert(value).encode(encoding)
            out.append(prefix + data if prefix and data is not None else data)
        except UnicodeEncodeError as error:
            bad.setdefault(i, _unencodable(error, encoding))
            out.append(None)
        except (ValueError, TypeError, RecursionError) as error:
            bad.setdefault(i, str(error))
            out.append(None)
    return out


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{shown(value)} is not text")
    if "\0" in value:
        raise ValueError("the text holds a NUL character, which PostgreSQL refuses")
    return value


def _json(value: Any, *, parsed: bool, binary: bool) -> str:
    if isinstance(value, str) and not parsed:
        try:
            json.loads(value, parse_constant=_no_constant)
        except ValueError as error:
            raise ValueError(f"{shown(value)} is not JSON: {error}") from None
        text = value
    else:
        try:
            text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        except (ValueError, TypeError) as error:
            raise ValueError(f"{shown(value)} is not JSON: {error}") from None
    if binary and "\\u0000" in text and NUL_ESCAPE.search(text):
        raise ValueError("the JSON holds a NUL character, which jsonb refuses")
    return text


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON value")


def _unencodable(error: UnicodeEncodeError, encoding: str) -> str:
    character = error.object[error.start]
    if "\udc80" <= character <= "\udcff":
        return f"byte 0x{ord(character) - 0xDC00:02x} is not UTF-8"
    return f"character {character!r} cannot be sent in the encoding {encoding}"
