"""Checks of arguments of any type, before anything is sent to the server."""

import operator
import os
import re
from collections.abc import Iterable
from numbers import Real
from typing import TypeVar

from mrl_pg.errors import InvalidSetting, InvalidVector

T = TypeVar("T")

MOST_SHOWN = 60
"""Characters of a value in a message."""

MEMORY = re.compile(r"\s*([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*(kB|MB|GB|TB)\s*", re.ASCII)
UNITS = {"kB": 2**10, "MB": 2**20, "GB": 2**30, "TB": 2**40}
MOST_MEMORY = 2**60
"""More is surely a slip."""


def shown(value: object) -> str:
    """The text of a value for a message, at most MOST_SHOWN characters long."""
    try:
        text = repr(value)
    except Exception:
        # repr can fail for a very long integer or for a class of the caller
        return f"(a value of type {type(value).__name__})"
    return text if len(text) <= MOST_SHOWN else text[: MOST_SHOWN - 1] + "…"


def whole(what: str, value: object) -> int:
    """The value as an int, from Python or NumPy; raises InvalidSetting."""
    try:
        if isinstance(value, bool):
            raise TypeError
        return operator.index(value)  # type: ignore[arg-type]  # may raise TypeError
    except Exception as error:
        raise InvalidSetting(f"{what}={shown(value)} is not a whole number") from error


def check_whole(what: str, value: object, low: int, high: int, who: str) -> int:
    """A whole number from `low` to `high`, which `who` takes; raises InvalidSetting."""
    number = whole(what, value)
    if not low <= number <= high:
        raise InvalidSetting(
            f"{what}={shown(value)} is outside {low} to {high}, which {who} takes"
        )
    return number


def number(what: str, value: object) -> float:
    """The value as a float, from Python or NumPy; raises InvalidSetting."""
    try:
        if isinstance(value, bool) or not isinstance(value, Real):
            raise TypeError
        return float(value)
    except Exception as error:
        raise InvalidSetting(f"{what}={shown(value)} is not a number") from error


def flag(what: str, value: object) -> bool:
    """The value as a bool, from Python or NumPy; raises InvalidSetting."""
    if isinstance(value, bool) or type(value).__name__ in ("bool_", "bool"):
        return bool(value)
    raise InvalidSetting(f"{what}={shown(value)} is neither True nor False")


def memory_size(what: str, value: object) -> int:
    """The bytes of a text such as `3GB` or `512MB`, in PostgreSQL's units."""
    match = MEMORY.fullmatch(value) if isinstance(value, str) else None
    size = 0 if match is None else int(float(match[1]) * UNITS[match[2]])
    if not 0 < size < MOST_MEMORY:
        raise InvalidSetting(
            f"{what}={shown(value)} is not a size of memory. Pass a number and its "
            "unit, such as '3GB' or '512MB'"
        )
    return size


def check_choice(what: str, value: object, choices: Iterable[str]) -> None:
    """Raise InvalidSetting unless the value is one of the choices."""
    known = list(choices)
    if not isinstance(value, str) or value not in known:
        named = ", ".join(repr(choice) for choice in known)
        raise InvalidSetting(f"{what}={shown(value)} is unknown: choose one of {named}")


def check_callable(what: str, value: object) -> None:
    """Raise InvalidSetting unless the value is None or can be called."""
    if value is not None and not callable(value):
        raise InvalidSetting(
            f"{what}={shown(value)} cannot be called: pass a function, or leave it out"
        )


def check_text(what: str, value: object) -> None:
    """Raise InvalidSetting unless the value is text that PostgreSQL can take."""
    if not isinstance(value, str):
        raise InvalidSetting(f"{what}={shown(value)} is not text")
    if reason := unfit(value):
        raise InvalidSetting(f"{what}={shown(value)} {reason}")


def check_path(what: str, value: object) -> None:
    """Raise InvalidSetting unless the value can be the path of a file."""
    try:
        path = os.fspath(value)  # type: ignore[call-overload]  # may raise TypeError
        if "\0" in path or not path:
            raise ValueError("it is empty or holds the character NUL")
        os.stat(path)
    except FileNotFoundError:
        # the code that opens the file raises a better error
        return
    except Exception as error:
        raise InvalidSetting(
            f"{what}={shown(value)} is not the path of a file: {error}"
        ) from error


def unfit(text: str) -> str | None:
    """Why PostgreSQL cannot take this text; None if it can."""
    if "\0" in text:
        return "holds the character NUL, which PostgreSQL's text cannot: remove it"
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return f"is not valid text: {error}"
    return None


def names(what: str, value: Iterable[str]) -> tuple[str, ...]:
    """The names as a tuple; raises InvalidSetting for anything else."""
    if isinstance(value, str):
        raise InvalidSetting(
            f"{what}={shown(value)} is one string: pass a list of names"
        )
    try:
        given = tuple(value)
    except Exception as error:
        raise InvalidSetting(
            f"{what}={shown(value)} is no list: pass a list of names, or leave it out"
        ) from error
    for name in given:
        if not isinstance(name, str):
            raise InvalidSetting(f"{what} has {shown(name)}, which is not a name")
        if reason := unfit(name):
            raise InvalidSetting(f"{what} has {shown(name)}, which {reason}")
    return given


def listed(queries: Iterable[T]) -> list[T]:
    """The queries as a list, read once from any iterable; raises InvalidVector."""
    try:
        if isinstance(queries, (str, bytes, bytearray, dict)):
            raise TypeError
        return list(queries)
    except Exception as error:
        raise InvalidVector(
            f"queries={shown(queries)} are not several vectors: pass a list of them, "
            "or a matrix of shape (queries, dims)"
        ) from error


def split_table(text: str) -> tuple[str, str]:
    """Schema ('' if absent) and table in `docs`, `schema.docs` or `"a.b"."c"`.

    Capital letters stay, quoted or not. Raises InvalidSetting.
    """
    part = r'"((?:[^"]|"")+)"|([^".]+)'
    match = re.fullmatch(rf"(?:(?:{part})\.)?(?:{part})", text)
    if match is None:
        raise InvalidSetting(
            f"{text!r} is not a table name: write docs, schema.docs, or quote each "
            'part as in SQL: \'"my.schema"."my table"\''
        )
    schema, table = (
        quoted.replace('""', '"') if quoted else plain or ""
        for quoted, plain in (match.group(1, 2), match.group(3, 4))
    )
    return schema, table
