"""Checks of what callers pass, whatever its type, before anything is sent."""

import operator
import os
from collections.abc import Iterable
from numbers import Real
from typing import TypeVar

from mrl_pg.errors import InvalidSetting, InvalidVector

T = TypeVar("T")

MOST_SHOWN = 60
"""Characters of a value in a message."""


def shown(value: object) -> str:
    """A value as a message shows it: short, and whatever it is."""
    try:
        text = repr(value)
    except Exception:
        # of an integer of thousands of digits, or of a class of the caller's
        return f"(a value of type {type(value).__name__})"
    return text if len(text) <= MOST_SHOWN else text[: MOST_SHOWN - 1] + "…"


def whole(what: str, value: object) -> int:
    """A whole number, of NumPy too; raises InvalidSetting."""
    try:
        if isinstance(value, bool):
            raise TypeError
        return operator.index(value)  # type: ignore[arg-type]  # that is the question
    except Exception as error:
        raise InvalidSetting(f"{what}={shown(value)} is not a whole number") from error


def check_whole(what: str, value: object, low: int, high: int, who: str) -> int:
    """A whole number from `low` to `high`, as `who` takes; raises InvalidSetting."""
    number = whole(what, value)
    if not low <= number <= high:
        raise InvalidSetting(
            f"{what}={shown(value)} is outside {low} to {high}, which {who} takes"
        )
    return number


def number(what: str, value: object) -> float:
    """A number, of NumPy too; raises InvalidSetting."""
    try:
        if isinstance(value, bool) or not isinstance(value, Real):
            raise TypeError
        return float(value)
    except Exception as error:
        raise InvalidSetting(f"{what}={shown(value)} is not a number") from error


def flag(what: str, value: object) -> bool:
    """True or False, of NumPy too; raises InvalidSetting."""
    if isinstance(value, bool) or type(value).__name__ in ("bool_", "bool"):
        return bool(value)
    raise InvalidSetting(f"{what}={shown(value)} is neither True nor False")


def check_choice(what: str, value: object, choices: Iterable[str]) -> None:
    """Raise InvalidSetting for what is none of the choices."""
    known = list(choices)
    if not isinstance(value, str) or value not in known:
        named = ", ".join(repr(one) for one in known)
        raise InvalidSetting(f"{what}={shown(value)} is unknown: choose one of {named}")


def check_callable(what: str, value: object) -> None:
    """Raise InvalidSetting for what is there and cannot be called."""
    if value is not None and not callable(value):
        raise InvalidSetting(
            f"{what}={shown(value)} cannot be called: pass a function, or leave it out"
        )


def check_text(what: str, value: object) -> None:
    """Raise InvalidSetting for what is no text, or one that no server takes."""
    if not isinstance(value, str):
        raise InvalidSetting(f"{what}={shown(value)} is not text")
    if reason := unfit(value):
        raise InvalidSetting(f"{what}={shown(value)} {reason}")


def check_path(what: str, value: object) -> None:
    """Raise InvalidSetting for what names no file."""
    try:
        path = os.fspath(value)  # type: ignore[call-overload]  # that is the question
        if "\0" in path or not path:
            raise ValueError("it is empty or holds the character NUL")
        os.stat(path)
    except FileNotFoundError:
        # whoever opens it says so
        return
    except Exception as error:
        raise InvalidSetting(
            f"{what}={shown(value)} is no path of a file: {error}"
        ) from error


def unfit(text: str) -> str | None:
    """Why no server takes a text, or None."""
    if "\0" in text:
        return "holds the character NUL, which PostgreSQL's text cannot: leave it out"
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return f"is not valid text: {error}"
    return None


def names(what: str, value: Iterable[str]) -> tuple[str, ...]:
    """Names, one after the other; raises InvalidSetting."""
    if isinstance(value, str):
        raise InvalidSetting(
            f"{what}={shown(value)} is one string: pass a list of names"
        )
    try:
        found = tuple(value)
    except Exception as error:
        raise InvalidSetting(
            f"{what}={shown(value)} is no list: pass a list of names, or leave it out"
        ) from error
    for name in found:
        if not isinstance(name, str):
            raise InvalidSetting(f"{what} has {shown(name)}, which is not a name")
        if reason := unfit(name):
            raise InvalidSetting(f"{what} has {shown(name)}, which {reason}")
    return found


def listed(queries: Iterable[T]) -> list[T]:
    """The queries, which a generator brings once; raises InvalidVector."""
    try:
        if isinstance(queries, (str, bytes, bytearray, dict)):
            raise TypeError
        return list(queries)
    except Exception as error:
        raise InvalidVector(
            f"queries={shown(queries)} are not several vectors: pass a list of them, "
            "or a matrix of shape (queries, dims)"
        ) from error
