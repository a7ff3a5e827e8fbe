"""Finds the row that the server refuses, by sending parts of a block."""

from collections.abc import Callable, Generator
from typing import Any, TypeVar

from psycopg import errors

ABOUT_ROWS = (
    errors.IntegrityError,
    errors.DataError,
    errors.ProgrammingError,
    errors.NotSupportedError,
    errors.ProgramLimitExceeded,
    errors.RaiseException,
)
"""Errors that the server, its policies or its triggers raise about a row."""

R = TypeVar("R")


def refused_row(
    rows: int,
    refusal: Callable[[int, int], Generator[R, Any, errors.Error | None]],
    error: errors.Error,
) -> Generator[R, Any, tuple[int, errors.Error]]:
    """Place of the first row that the server refuses in a block, and its error.

    `refusal` sends the rows from one place up to before another within a savepoint, and
    returns the error, or None. `error` refused all `rows`. It is raised if it is about
    the table, because even no rows are refused.
    """
    low, high = 0, rows
    if (yield from refusal(0, 0)) is not None:
        raise error
    while high - low > 1:
        middle = (low + high) // 2
        again = yield from refusal(low, middle)
        if again is None:
            low = middle
        else:
            high, error = middle, again
    return low, error
