"""Checks of what callers pass, whatever its type, before anything is sent."""

from collections.abc import Iterable
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


def check_whole(what: str, value: object, low: int, high: int, who: str) -> None:
    """Raise InvalidSetting unless it is an int from `low` to `high`, as `who` takes."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidSetting(f"{what}={shown(value)} is not a whole number")
    if not low <= value <= high:
        raise InvalidSetting(
            f"{what}={shown(value)} is outside {low} to {high}, which {who} takes"
        )


def listed(queries: Iterable[T]) -> list[T]:
    """The queries, which a generator brings once; raises InvalidVector."""
    try:
        return list(queries)
    except TypeError as error:
        raise InvalidVector(
            f"queries={shown(queries)} are not several vectors: pass a list of them, "
            "or a matrix of shape (queries, dims)"
        ) from error
