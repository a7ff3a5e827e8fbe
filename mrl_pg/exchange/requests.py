"""Requests that a verb yields, and the answers that it is handed."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from psycopg import pq
from psycopg.abc import Query

T = TypeVar("T")

Row: TypeAlias = dict[str, Any]
"""A row by the names of its columns."""

Values: TypeAlias = "Mapping[str, Any] | Sequence[Any] | None"


@dataclass(frozen=True, slots=True)
class Send:
    """One statement of ours; answered by its rows, a `list[Row]`.

    Nothing that the caller registered on the connection reaches it, and it is not
    prepared. `binary` asks for results in binary, which keeps floats exact.
    """

    statement: Query
    params: Values = None
    binary: bool = False


@dataclass(frozen=True, slots=True)
class Script(Send):
    """Several statements in one text, without parameters; all of them or none.

    PostgreSQL runs such a text in one transaction, outside any other as well.
    """


@dataclass(frozen=True, slots=True)
class Find:
    """A search; answered by `FoundRows`, which are loaded as the caller has it."""

    statement: bytes
    params: "Mapping[str, Any] | Sequence[Any]"
    prepare: bool


@dataclass(frozen=True, slots=True)
class FindMany:
    """One search for each of several parameters; answered by a `list[FoundRows]`.

    All are sent in one round trip.
    """

    statement: bytes
    batch: "Sequence[Mapping[str, Any] | Sequence[Any]]"
    prepare: bool


@dataclass(frozen=True, slots=True)
class BeginTransaction:
    """Opens a transaction, or a savepoint within one; `transaction` pairs it."""


@dataclass(frozen=True, slots=True)
class EndTransaction:
    """Commits what the last `BeginTransaction` opened, or rolls back after an error."""

    error: BaseException | None = None

    @property
    def raised(self) -> tuple[Any, Any, Any]:
        """The error as `__exit__` takes it."""
        error = self.error
        if error is None:
            return None, None, None
        return type(error), error, error.__traceback__


@dataclass(frozen=True, slots=True)
class FoundRows:
    """Rows of a search, and the result they were loaded from."""

    rows: list[tuple[Any, ...]]
    result: pq.abc.PGresult | None


Request: TypeAlias = "Send | Find | FindMany | BeginTransaction | EndTransaction"

Exchange: TypeAlias = Generator[Request, Any, T]
"""A verb under way: yields requests, takes answers, returns its result."""


def transaction(body: Exchange[T]) -> Exchange[T]:
    """Carry out a verb in a transaction: all of it or nothing."""
    yield BeginTransaction()
    try:
        result = yield from body
    except GeneratorExit:
        # nobody is there to be asked for more
        raise
    except BaseException as error:
        yield EndTransaction(error)
        raise
    yield EndTransaction()
    return result
