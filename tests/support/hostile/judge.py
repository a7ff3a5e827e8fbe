"""The outcome of an input, one of a few; some outcomes are faults."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import errors
from sqlalchemy.exc import SQLAlchemyError

from mrl_pg import MrlError
from mrl_pg.kinds import Distance
from support.hostile.tables import Row, Table
from support.hostile.values import Boom

GOOD = ("answered", "warned", "typed error", "PostgreSQL's error", "caller's error")
FAULTS = (
    *("raw Python error", "wrong answer", "leaked setting", "hang", "internal error"),
    *("connection lost", "left over", "injected"),
)

TOLERANCE = 2e-5
"""Relative to the largest number, because pgvector sums in single precision."""


class Hang(BaseException):
    """Raised by the watchdog; no `except Exception` catches it."""


class Unsent(Exception):
    """The caller's own expressions failed, so nothing reached mrl_pg."""


class Wrong(Exception):
    """An answer differs from exact search."""


class Leaked(Exception):
    """Something outlived the call."""


@dataclass(frozen=True, slots=True)
class Expected:
    """Answers that a search may give. If `candidates` is None, all rows are compared.

    If `passes` is None, it is unknown which rows the filter lets through. `flagged`:
    the interface said that too few rows came.
    """

    table: Table
    query: Any
    distance: Distance
    k: int
    candidates: int | None
    passes: Callable[[Row], bool] | None = None
    flags: bool = True


@dataclass(slots=True)
class Answer:
    """The answer of a call: hits of each query (distance None if it gives none)."""

    hits: Sequence[tuple[Any, float | None]] | None = None
    expected: Expected | None = None
    flagged: bool = False
    more: list["Answer"] = field(default_factory=list)


def outcome_of(error: BaseException, *, filtered: bool) -> str:
    """The outcome that an error counts as; `filtered`: the caller wrote SQL."""
    if isinstance(error, Hang):
        return "hang"
    if isinstance(error, Wrong):
        return "wrong answer"
    if isinstance(error, Leaked):
        return "leaked setting"
    if isinstance(error, (Boom, Unsent)):
        return "caller's error"
    if isinstance(error, MrlError):
        return "typed error"
    if isinstance(error, psycopg.Error):
        return _of_server(error, filtered)
    inner = getattr(error, "orig", None)
    if isinstance(inner, BaseException) and inner is not error:
        # SQLAlchemy wraps errors of its driver and of our types
        return outcome_of(inner, filtered=filtered)
    if isinstance(error, SQLAlchemyError) and filtered:
        # SQLAlchemy itself cannot compile the Select
        return "caller's error"
    state = getattr(error, "sqlstate", None)
    if isinstance(state, str):  # asyncpg's
        return _of_state(state, filtered)
    return "raw Python error"


def _of_server(error: psycopg.Error, filtered: bool) -> str:
    if error.sqlstate is not None:
        return _of_state(error.sqlstate, filtered)
    if isinstance(error, (psycopg.NotSupportedError, errors.PipelineAborted)):
        # from a connection in pipeline mode
        return "caller's error"
    if isinstance(error, psycopg.OperationalError):
        return "caller's error" if "closed" in str(error) else "connection lost"
    # psycopg's own error, for a value that it cannot send
    return "caller's error" if filtered else "raw Python error"


def _of_state(state: str, filtered: bool) -> str:
    if state == errors.QueryCanceled.sqlstate:
        return "hang"
    if state.startswith(("57P", "08")) and state != errors.ProtocolViolation.sqlstate:
        return "connection lost"
    if state.startswith("XX"):
        return "internal error"
    if state == errors.SyntaxError.sqlstate and not filtered:
        # our own statement is wrong, or a value broke out of its quotes
        return "internal error"
    return "PostgreSQL's error"


def check(answer: Answer) -> None:
    """Raise Wrong unless rows equal exact search, or the call said they may not."""
    for each in (answer, *answer.more):
        if each.hits is not None and each.expected is not None:
            _check(each.hits, each.expected, answer.flagged or each.flagged)


def _check(
    hits: Sequence[tuple[Any, float | None]], expected: Expected, flagged: bool
) -> None:
    keys = [key for key, _ in hits]
    if len({*keys}) != len(keys):
        raise Wrong(f"a key came twice: {keys}")
    if len(hits) > expected.k:
        raise Wrong(f"{len(hits)} rows came for k={expected.k}")
    query = _query(expected)
    if query is None:
        return
    truth = expected.table.exact(query, expected.distance)
    far = dict(truth)
    if unknown := [key for key in keys if key not in far]:
        raise Wrong(f"rows that are not there, or have no distance: {unknown}")
    near = TOLERANCE * max(1.0, max(map(abs, far.values()), default=1.0))
    told = [far[key] if given is None else given for key, given in hits]
    for key, given in hits:
        if given is not None and abs(given - far[key]) > near:
            raise Wrong(f"row {key} is at {far[key]}, not {given}")
    for place in range(1, len(hits)):
        before, after = told[place - 1], told[place]
        exactly = hits[place][1] is not None
        if before > after + (0 if exactly else near):
            raise Wrong(f"row {keys[place]} at {after} comes after {before}")
        if before == after and exactly and keys[place - 1] > keys[place]:
            raise Wrong(f"equally near, {keys[place]} comes after {keys[place - 1]}")
    if expected.passes is None:
        return
    allowed = [pair for pair in truth if expected.passes(_row(expected, pair[0]))]
    permitted = {key for key, _ in allowed}
    if strange := [key for key in keys if key not in permitted]:
        raise Wrong(f"rows that the filter does not let through: {strange}")
    _check_all(told, allowed, expected, flagged, near)


def _check_all(
    told: Sequence[float],
    allowed: Sequence[tuple[Any, float]],
    expected: Expected,
    flagged: bool,
    near: float,
) -> None:
    """Raise Wrong unless the k nearest came, or the call said that they did not."""
    wanted = min(expected.k, len(allowed))
    if flagged:
        return
    if len(told) < wanted:
        raise Wrong(f"{len(told)} rows of {wanted} came, and nothing was said")
    if expected.candidates is not None and expected.candidates < len(allowed):
        return
    for place, (given, (_, true)) in enumerate(zip(told, allowed, strict=False)):
        if abs(given - true) > near:
            raise Wrong(f"place {place} is at {given}, and {true} is nearer")


def _row(expected: Expected, key: Any) -> Row:
    return next(row for row in expected.table.rows if row.key == key)


def _query(expected: Expected) -> NDArray[np.float64] | None:
    """The query as the server sees it; None if it cannot be compared here."""
    raw: Any = expected.query
    if type(raw).__name__ in ("Vector", "HalfVector"):
        raw = raw.to_numpy()
    try:
        vector = np.asarray(raw, dtype=np.float64)
    except Exception:
        return None
    single = np.float16 if expected.table.full_type == "halfvec" else np.float32
    with np.errstate(over="ignore"):
        stored = vector.astype(single).astype(np.float64)
    if stored.shape != (expected.table.dims,) or not np.isfinite(stored).all():
        return None
    # before rounding to half precision, because small values are scaled up
    largest, smallest = np.abs(vector).max(), np.abs(vector[vector != 0]).min(initial=1)
    extreme = largest > 1e6 or smallest < 1e-4
    return None if extreme else stored
