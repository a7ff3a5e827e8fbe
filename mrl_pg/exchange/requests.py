"""Requests that a verb yields, and the answers that it is handed."""

from collections.abc import Callable, Generator, Mapping, Sequence
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
    """One statement of ours; its answer is a `list[Row]`.

    It ignores the adapters that the caller registered on the connection, and it is not
    prepared. `binary` asks for results in binary, which keeps floats exact.
    """

    statement: Query
    params: Values = None
    binary: bool = False


@dataclass(frozen=True, slots=True)
class Script(Send):
    """Several statements in one text, without parameters; all of them or none.

    PostgreSQL runs such a text in one transaction, even if none was begun.
    """


@dataclass(frozen=True, slots=True)
class Find:
    """A search; its answer is `FoundRows`, read by the caller's own loaders."""

    statement: bytes
    params: "Mapping[str, Any] | Sequence[Any]"
    prepare: bool


@dataclass(frozen=True, slots=True)
class FindMany:
    """One search for each of many parameters; its answer is `list[FoundRows]`.

    All are sent in one round trip.
    """

    statement: bytes
    batch: "Sequence[Mapping[str, Any] | Sequence[Any]]"
    prepare: bool


@dataclass(frozen=True, slots=True)
class Call:
    """Work that needs no server and may take long, such as reading a file.

    Its answer is what the function returns. Asynchronous drivers call it in a thread.
    """

    function: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class BeginTransaction:
    """Opens a transaction, or a savepoint within one; `transaction` sends it.

    `undone` rolls it back at the end, even without an error.
    """

    undone: bool = False


@dataclass(frozen=True, slots=True)
class EndTransaction:
    """Ends what the last `BeginTransaction` opened; after an error rolls it back."""

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


Request: TypeAlias = "Send | Find | FindMany | Call | BeginTransaction | EndTransaction"

Exchange: TypeAlias = Generator[Request, Any, T]
"""A verb under way: yields requests, takes answers, returns its result."""


def undone(body: Exchange[T]) -> Exchange[T]:
    """Carry out a verb that only reads, and undo the settings that it has made."""
    return transaction(body, BeginTransaction(undone=True))


def transaction(
    body: Exchange[T], begin: BeginTransaction = BeginTransaction()
) -> Exchange[T]:
    """Carry out a verb in a transaction: all of it or nothing."""
    yield begin
    try:
        result = yield from body
    except GeneratorExit:
        # the caller closed the verb, so no request can be sent
        raise
    except BaseException as error:
        yield EndTransaction(error)
        raise
    yield EndTransaction()
    return result
