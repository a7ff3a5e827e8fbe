"""Settings that hold for one verb and are put back after it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, TypeAlias, TypeVar

from psycopg import Connection, errors

from mrl_pg import source
from mrl_pg.errors import InvalidSetting
from mrl_pg.exchange import Exchange, Send, run

T = TypeVar("T")

Settings: TypeAlias = "Mapping[str, str | None]"
"""Values by name; None is the value of a setting that the server has not heard of."""

READ = source.statement("setting").encode()
SET = source.statement("set_local").encode()
SET_SESSION = source.statement("set_session").encode()


def local(settings: Settings, body: Exchange[T]) -> Exchange[T]:
    """Inside a transaction: change settings, carry out a verb, put them back.

    After an error the transaction (or savepoint) around it puts them back. Raises
    InvalidSetting for a value that the server does not take.
    """
    before = yield from _change(settings)
    result = yield from body
    yield from _put_back(before)
    return result


def until_commit(settings: Settings, body: Exchange[T]) -> Exchange[T]:
    """Inside a transaction that ends with a verb: change settings, carry it out.

    The end of the transaction puts them back, so its locks do not wait for that.
    """
    yield from _change(settings)
    return (yield from body)


def of_session(settings: Settings, body: Exchange[T]) -> Exchange[T]:
    """Outside a transaction: change settings, carry out a verb, put them back.

    They are put back after an error, too, unless the connection is lost.
    """
    before = yield from _change(settings, SET_SESSION)
    try:
        result = yield from body
    except GeneratorExit:
        # the caller closed the verb, so no request can be sent
        raise
    except BaseException:
        with suppress(errors.OperationalError):
            yield from _put_back(before, SET_SESSION)
        raise
    yield from _put_back(before, SET_SESSION)
    return result


@contextmanager
def local_block(conn: Connection[Any], settings: Settings) -> Iterator[None]:
    """The same around a block of code that uses the connection itself."""
    before = run(conn, _change(settings))
    yield
    run(conn, _put_back(before))


def _change(settings: Settings, statement: bytes = SET) -> Exchange[Settings]:
    """Change settings; answers what they were."""
    before: dict[str, str | None] = {}
    for name, value in settings.items():
        (row,) = yield Send(READ, {"name": name})
        before[name] = row["value"]
        try:
            yield Send(statement, {"name": name, "value": value})
        except errors.InvalidParameterValue as error:
            reason = error.diag.message_primary
            raise InvalidSetting(f"{name}={value!r}: {reason}") from error
    return before


def _put_back(before: Settings, statement: bytes = SET) -> Exchange[None]:
    for name, value in before.items():
        yield Send(statement, {"name": name, "value": value})
