"""Cursors of our own, which ignore the adapters that the caller registered.

They return Python's own types: text as `str` even from a database in SQL_ASCII, where
psycopg returns bytes. They prepare no statements, so a reset cannot lose any.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from psycopg import (
    AsyncConnection,
    AsyncCopy,
    AsyncCursor,
    Connection,
    Copy,
    Cursor,
    postgres,
    pq,
    sql,
)
from psycopg.abc import AdaptContext, Buffer, Params, Query
from psycopg.adapt import AdaptersMap, Loader
from psycopg.copy import AsyncWriter, Writer
from psycopg.rows import (
    AsyncRowFactory,
    DictRow,
    Row,
    RowFactory,
    TupleRow,
    dict_row,
    tuple_row,
)
from psycopg.types import TypesRegistry
from psycopg.types.array import register_all_arrays

from mrl_pg.arguments import shown
from mrl_pg.errors import InvalidSetting
from mrl_pg.exchange.arrays import Array, ArrayDumper
from mrl_pg.exchange.vectors import (
    QueryVector,
    QueryVectorDumper,
    QueryWords,
    QueryWordsDumper,
)

if TYPE_CHECKING:
    from psycopg import BaseConnection

    # typing's own from Python 3.11 on
    from typing_extensions import Self

TEXTS = ("text", "name", "varchar", "bpchar", '"char"', 0)
"""Types that are read as text; 0 stands for all types without a loader."""


class TextLoader(Loader):
    """Text as `str`, whatever the encoding."""

    def __init__(self, oid: int, context: AdaptContext | None = None) -> None:
        """Take the encoding of the connection."""
        super().__init__(oid, context)
        self.encoding = encoding(self.connection) if self.connection else "utf-8"

    def load(self, data: Buffer) -> str:
        """The text; bytes that cannot be decoded become `\\xe4`."""
        return bytes(data).decode(self.encoding, "backslashreplace")


class BinaryTextLoader(TextLoader):
    """The same for results in binary."""

    format = pq.Format.BINARY


class OwnCursor(Cursor[Row]):
    """A cursor with psycopg's own adapters."""

    def __init__(
        self, connection: Connection[Any], *, row_factory: RowFactory[Row]
    ) -> None:
        """Start from psycopg's adapters, not from the connection's."""
        check(connection, waits=False)
        self._own = AdaptersMap(_clean())
        super().__init__(connection, row_factory=row_factory)

    @property
    def adapters(self) -> AdaptersMap:
        """Adapters of this cursor alone."""
        return self._own

    def execute(
        self,
        query: Query,
        params: "Params | None" = None,
        *,
        prepare: bool | None = False,
        binary: bool | None = None,
    ) -> "Self":
        """Execute a statement; raises InvalidSetting for text that cannot be sent."""
        with writable(self.connection):
            text = as_bytes(self.connection, query)
            return super().execute(text, params, prepare=prepare, binary=binary)

    @contextmanager
    def copy(
        self,
        statement: Query,
        params: "Params | None" = None,
        *,
        writer: Writer | None = None,
    ) -> Iterator[Copy]:
        """Start a COPY; raises InvalidSetting for text that cannot be sent."""
        text = as_bytes(self.connection, statement)
        with super().copy(text, params, writer=writer) as copy:
            yield copy


class OwnAsyncCursor(AsyncCursor[Row]):
    """The same on an asynchronous connection."""

    def __init__(
        self, connection: AsyncConnection[Any], *, row_factory: AsyncRowFactory[Row]
    ) -> None:
        """Start from psycopg's adapters, not from the connection's."""
        check(connection, waits=True)
        self._own = AdaptersMap(_clean())
        super().__init__(connection, row_factory=row_factory)

    @property
    def adapters(self) -> AdaptersMap:
        """Adapters of this cursor alone."""
        return self._own

    async def execute(
        self,
        query: Query,
        params: "Params | None" = None,
        *,
        prepare: bool | None = False,
        binary: bool | None = None,
    ) -> "Self":
        """Execute a statement; raises InvalidSetting for text that cannot be sent."""
        with writable(self.connection):
            text = as_bytes(self.connection, query)
            return await super().execute(text, params, prepare=prepare, binary=binary)

    @asynccontextmanager
    async def copy(
        self,
        statement: Query,
        params: "Params | None" = None,
        *,
        writer: AsyncWriter | None = None,
    ) -> AsyncIterator[AsyncCopy]:
        """Start a COPY; raises InvalidSetting for text that cannot be sent."""
        text = as_bytes(self.connection, statement)
        async with super().copy(text, params, writer=writer) as copy:
            yield copy


def dicts(conn: Connection[Any]) -> OwnCursor[DictRow]:
    """A cursor of our own whose rows are dicts."""
    return OwnCursor(conn, row_factory=dict_row)


def dicts_async(conn: AsyncConnection[Any]) -> OwnAsyncCursor[DictRow]:
    """The same on an asynchronous connection."""
    return OwnAsyncCursor(conn, row_factory=dict_row)


def tuples(conn: Connection[Any]) -> OwnCursor[TupleRow]:
    """A cursor of our own whose rows are tuples."""
    return OwnCursor(conn, row_factory=tuple_row)


def tuples_async(conn: AsyncConnection[Any]) -> OwnAsyncCursor[TupleRow]:
    """The same on an asynchronous connection."""
    return OwnAsyncCursor(conn, row_factory=tuple_row)


def searching(conn: Connection[Any]) -> Cursor[TupleRow]:
    """A cursor with the caller's adapters, which can also send queries and arrays.

    The adapters of the caller's connection stay as they are.
    """
    cursor = Cursor(conn, row_factory=tuple_row)
    cursor.adapters.register_dumper(QueryVector, QueryVectorDumper)
    cursor.adapters.register_dumper(Array, ArrayDumper)
    cursor.adapters.register_dumper(QueryWords, QueryWordsDumper)
    return cursor


def searching_async(conn: AsyncConnection[Any]) -> AsyncCursor[TupleRow]:
    """The same on an asynchronous connection."""
    cursor = AsyncCursor(conn, row_factory=tuple_row)
    cursor.adapters.register_dumper(QueryVector, QueryVectorDumper)
    cursor.adapters.register_dumper(Array, ArrayDumper)
    cursor.adapters.register_dumper(QueryWords, QueryWordsDumper)
    return cursor


def check(conn: object, *, waits: bool) -> None:
    """Raise InvalidSetting unless it is a psycopg connection of the right kind."""
    if isinstance(conn, AsyncConnection if waits else Connection):
        return
    if isinstance(conn, (Connection, AsyncConnection)):
        other = (
            "the method without _async" if waits else "the method that ends in _async"
        )
        reason = f"is a psycopg.{type(conn).__name__}: call {other}"
    else:
        wanted = "AsyncConnection" if waits else "Connection"
        reason = f"is not a connection: pass a psycopg.{wanted}"
    raise InvalidSetting(f"conn={shown(conn)} {reason}")


def encoding(conn: "BaseConnection[Any]") -> str:
    """The encoding of text to send; UTF-8 if the server takes bytes as they are."""
    name = conn.info.encoding
    return "utf-8" if name == "ascii" else name


def as_bytes(conn: "BaseConnection[Any]", statement: Query) -> bytes:
    """A statement as the connection sends it; raises InvalidSetting."""
    if isinstance(statement, bytes):
        return statement
    # without the connection, because in SQL_ASCII psycopg writes only ASCII
    text = statement.as_string() if isinstance(statement, sql.Composable) else statement
    with writable(conn):
        return str(text).encode(encoding(conn))


@contextmanager
def writable(conn: "BaseConnection[Any]") -> Iterator[None]:
    """Raise InvalidSetting for text that the connection's encoding cannot hold."""
    try:
        yield
    except UnicodeEncodeError as error:
        raise InvalidSetting(
            f"{error.object[error.start : error.end]!r} cannot be sent in this "
            f"connection's client_encoding, {conn.info.encoding}: set client_encoding "
            "to UTF8"
        ) from error


@cache
def _clean() -> AdaptersMap:
    types = TypesRegistry()
    postgres.register_default_types(types)
    adapters = AdaptersMap(types=types)
    postgres.register_default_adapters(adapters)
    register_all_arrays(adapters)
    for name in TEXTS:
        adapters.register_loader(name, TextLoader)
        if name:
            adapters.register_loader(name, BinaryTextLoader)
    return adapters
