"""Settings that hold for one block inside a transaction and are put back after it."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager

from psycopg import errors

from mrl_pg import source
from mrl_pg.catalog.read import AsyncConn, Conn
from mrl_pg.errors import InvalidSetting
from mrl_pg.exchange import cursors

READ = source.statement("setting").encode()
SET = source.statement("set_local").encode()


@contextmanager
def local(conn: Conn, settings: Mapping[str, str]) -> Iterator[None]:
    """Inside a transaction: change settings, run the block, put them back.

    After an error the transaction (or savepoint) around it puts them back.
    """
    before: dict[str, str] = {}
    with cursors.tuples(conn) as cursor:
        for name, value in settings.items():
            cursor.execute(READ, {"name": name})
            before[name] = (cursor.fetchone() or ("",))[0]
            with _refused(name, value):
                cursor.execute(SET, {"name": name, "value": value})
        yield
        for name, value in before.items():
            cursor.execute(SET, {"name": name, "value": value})


@asynccontextmanager
async def local_async(
    conn: AsyncConn, settings: Mapping[str, str]
) -> AsyncIterator[None]:
    """The same on an asynchronous connection."""
    before: dict[str, str] = {}
    async with cursors.tuples_async(conn) as cursor:
        for name, value in settings.items():
            await cursor.execute(READ, {"name": name})
            before[name] = (await cursor.fetchone() or ("",))[0]
            with _refused(name, value):
                await cursor.execute(SET, {"name": name, "value": value})
        yield
        for name, value in before.items():
            await cursor.execute(SET, {"name": name, "value": value})


@contextmanager
def _refused(name: str, value: str) -> Iterator[None]:
    """Say as InvalidSetting that the server does not take a value."""
    try:
        yield
    except errors.InvalidParameterValue as error:
        raise InvalidSetting(
            f"{name}={value!r}: {error.diag.message_primary}"
        ) from error
