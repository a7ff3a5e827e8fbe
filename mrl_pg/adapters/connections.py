"""The connections of a store: a pool of its own, or what the caller passes."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeAlias, TypeVar
from weakref import WeakKeyDictionary

from psycopg import AsyncConnection, Connection

from mrl_pg.arguments import shown
from mrl_pg.errors import InvalidSetting
from mrl_pg.exchange import AnyConn, Exchange, run, run_async

try:
    from psycopg_pool import AsyncConnectionPool, ConnectionPool
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "stores of frameworks keep a pool of psycopg_pool: pip install 'psycopg[pool]'",
        name=error.name,
    ) from error

T = TypeVar("T")

Source: TypeAlias = (
    "str | Connection[Any] | AsyncConnection[Any] | ConnectionPool[Any]"
    " | AsyncConnectionPool[Any]"
)
"""What a store may be given: a connection string, or the caller's pool or connection.

A connection of the caller's is used in the caller's transaction.
"""

MOST = 10
"""Connections that a store opens at most, per event loop."""

OWN = {"autocommit": True}


class Connections:
    """Lends connections to the verbs of a store, synchronous and asynchronous."""

    def __init__(self, source: Source) -> None:
        """Open nothing yet; raises InvalidSetting for anything but a Source."""
        known = (str, Connection, AsyncConnection, ConnectionPool, AsyncConnectionPool)
        if not isinstance(source, known):
            raise InvalidSetting(
                f"connection={shown(source)} is none: give a connection string, a "
                "psycopg connection, or a pool of psycopg_pool"
            )
        self._source = source
        self._pool: ConnectionPool[Any] | None = None
        # an asynchronous pool belongs to one event loop
        self._pools: WeakKeyDictionary[
            asyncio.AbstractEventLoop, AsyncConnectionPool[Any]
        ] = WeakKeyDictionary()

    @property
    def waits(self) -> bool:
        """Whether asynchronous methods have an asynchronous connection."""
        return isinstance(self._source, (str, AsyncConnection, AsyncConnectionPool))

    def carry_out(self, verb: Callable[[AnyConn], Exchange[T]]) -> T:
        """Result of a verb on a connection."""
        with self._lent() as conn:
            return run(conn, verb(conn))

    async def carry_out_async(self, verb: Callable[[AnyConn], Exchange[T]]) -> T:
        """The same on an asynchronous connection; in a thread if there is none."""
        if not self.waits:
            return await asyncio.to_thread(self.carry_out, verb)
        async with self._lent_async() as conn:
            return await run_async(conn, verb(conn))

    def close(self) -> None:
        """Close the pool that the store opened; the caller's own stay open."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    async def close_async(self) -> None:
        """Close the pools that the store opened, that of this event loop, too."""
        self.close()
        pool = self._pools.pop(asyncio.get_running_loop(), None)
        if pool is not None:
            await pool.close()

    @contextmanager
    def _lent(self) -> Iterator[Connection[Any]]:
        source = self._source
        if isinstance(source, Connection):
            yield source
            return
        if isinstance(source, (AsyncConnection, AsyncConnectionPool)):
            raise InvalidSetting(
                f"connection={shown(source)} is asynchronous: call the asynchronous "
                "method, or give a connection string, which serves both"
            )
        if isinstance(source, str):
            if self._pool is None:
                self._pool = ConnectionPool(
                    source, kwargs=OWN, min_size=0, max_size=MOST, open=True
                )
            source = self._pool
        with source.connection() as conn:
            yield conn

    @asynccontextmanager
    async def _lent_async(self) -> AsyncIterator[AsyncConnection[Any]]:
        source = self._source
        if isinstance(source, AsyncConnection):
            yield source
            return
        assert isinstance(source, (str, AsyncConnectionPool))
        if isinstance(source, str):
            loop = asyncio.get_running_loop()
            pool = self._pools.get(loop)
            if pool is None:
                pool = self._pools[loop] = AsyncConnectionPool(
                    source, kwargs=OWN, min_size=0, max_size=MOST, open=False
                )
                await pool.open()
            source = pool
        async with source.connection() as conn:
            yield conn
