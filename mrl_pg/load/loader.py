"""Loads vectors into a table, sync and async; all I/O of a load is here."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AsyncExitStack, ExitStack, closing
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import AsyncCopy, Copy

from mrl_pg.arguments import shown
from mrl_pg.errors import InvalidFile, InvalidSetting
from mrl_pg.exchange import AsyncConn, Conn, cursors
from mrl_pg.exchange.arrays import Array, ArrayDumper
from mrl_pg.exchange.progress import OnProgress
from mrl_pg.load.block import Block, Values, split
from mrl_pg.load.choice import Choice, VectorBytes
from mrl_pg.load.destination import Destination, Storage, VectorKind
from mrl_pg.load.exchange import (
    Begin,
    End,
    Insert,
    Rows,
    Run,
    Session,
    Tally,
    Write,
    exchange,
)
from mrl_pg.load.halving import ABOUT_ROWS
from mrl_pg.load.readers import read
from mrl_pg.load.report import LoadReport, refusals
from mrl_pg.load.text_files import TextForm
from mrl_pg.rotation import Rotation


def load(
    conn: Conn,
    path: "str | PathLike[str]",
    table: str,
    *,
    schema: str | None = None,
    column: str = "embedding",
    key: str = "id",
    vectors: str | None = None,
    columns: Sequence[str] = (),
    skip: Sequence[str] = (),
    vector_bytes: VectorBytes | None = None,
    delimiter: str | None = None,
    header: bool = True,
    encoding: str | None = None,
    kind: VectorKind = "vector",
    storage: Storage | None = None,
    rotation: Rotation | None = None,
    block_rows: int | None = None,
    progress: OnProgress | None = None,
) -> LoadReport:
    """Load the rows of a NumPy, JSON, CSV, Parquet or Arrow file into a table.

    If the table does not exist, it is created, with types from the first block. Its
    primary key is `key`: the file's column of that name, or an identity column that
    the server fills. If the table exists, the rows are appended, `key` and `kind` have
    no effect, and `storage` is refused.

    `column` is the table's column of vectors. `vectors` says where the file has them,
    if under another name: a column or matrix, a path into JSON such as
    `data.0.embedding`, or a pattern such as `dim_*`. `columns` and `skip` are patterns
    that choose among the other columns.

    `rotation` rotates the vectors, and is kept with the column, which must have no
    vectors yet. Vectors for a column that is rotated already are rotated in the same
    way, without being told. RotationMismatch: the column has another rotation.

    Everything happens in one transaction (a
    savepoint in yours), so that the database is unchanged after an error. Raises
    InvalidFile naming the rows it cannot load.
    """
    choice = Choice(column, key, vectors, columns, skip, vector_bytes)
    text = TextForm(delimiter, header, encoding)
    destination = _destination(path, table, schema, choice, kind, storage, rotation)
    blocks = read(path, choice, text, block_rows=block_rows)
    return _run(conn, destination, blocks, progress)


async def load_async(
    conn: AsyncConn,
    path: "str | PathLike[str]",
    table: str,
    *,
    schema: str | None = None,
    column: str = "embedding",
    key: str = "id",
    vectors: str | None = None,
    columns: Sequence[str] = (),
    skip: Sequence[str] = (),
    vector_bytes: VectorBytes | None = None,
    delimiter: str | None = None,
    header: bool = True,
    encoding: str | None = None,
    kind: VectorKind = "vector",
    storage: Storage | None = None,
    rotation: Rotation | None = None,
    block_rows: int | None = None,
    progress: OnProgress | None = None,
) -> LoadReport:
    """Like `load`, on an asynchronous connection; a thread reads the file."""
    choice = Choice(column, key, vectors, columns, skip, vector_bytes)
    text = TextForm(delimiter, header, encoding)
    destination = _destination(path, table, schema, choice, kind, storage, rotation)
    blocks = read(path, choice, text, block_rows=block_rows)
    return await _run_async(conn, destination, blocks, progress)


def _destination(
    path: "str | PathLike[str]",
    table: str,
    schema: str | None,
    choice: Choice,
    kind: VectorKind,
    storage: Storage | None,
    rotation: Rotation | None,
) -> Destination:
    name = Path(path).name if isinstance(path, (str, PathLike)) else "the file"
    return Destination(
        name, table, schema, choice.column, choice.key_name, kind, storage, rotation
    )


def load_blocks(
    conn: Conn,
    blocks: "Iterable[Block] | NDArray[np.floating]",
    table: str,
    *,
    columns: Mapping[str, Values] | None = None,
    schema: str | None = None,
    column: str = "embedding",
    key: str = "id",
    kind: VectorKind = "vector",
    storage: Storage | None = None,
    rotation: Rotation | None = None,
    block_rows: int | None = None,
    origin: str = "the input",
    progress: OnProgress | None = None,
) -> LoadReport:
    """Load blocks, or a matrix of vectors with other `columns`, into a table.

    `columns` and `block_rows` are for a matrix only. `origin` is what errors call the
    input. The other arguments are those of `load`.

        load_blocks(conn, vectors, "docs", columns={"title": titles})
    """
    destination = Destination(
        origin, table, schema, column, key, kind, storage, rotation
    )
    return _run(
        conn, destination, _blocks(blocks, column, columns, block_rows), progress
    )


async def load_blocks_async(
    conn: AsyncConn,
    blocks: "Iterable[Block] | NDArray[np.floating]",
    table: str,
    *,
    columns: Mapping[str, Values] | None = None,
    schema: str | None = None,
    column: str = "embedding",
    key: str = "id",
    kind: VectorKind = "vector",
    storage: Storage | None = None,
    rotation: Rotation | None = None,
    block_rows: int | None = None,
    origin: str = "the input",
    progress: OnProgress | None = None,
) -> LoadReport:
    """Like `load_blocks`, on an asynchronous connection."""
    destination = Destination(
        origin, table, schema, column, key, kind, storage, rotation
    )
    made = _blocks(blocks, column, columns, block_rows)
    return await _run_async(conn, destination, made, progress)


def _blocks(
    blocks: "Iterable[Block] | NDArray[np.floating]",
    column: str,
    columns: Mapping[str, Values] | None,
    block_rows: int | None,
) -> Iterator[Block]:
    if columns is not None and not isinstance(columns, Mapping):
        raise InvalidSetting(
            f"columns={shown(columns)} is not a mapping: give values by column name"
        )
    if isinstance(blocks, np.ndarray):
        return split(blocks, column, columns or {}, block_rows)
    if columns:
        raise InvalidFile(
            "columns= is for a matrix of vectors: put the columns into the blocks"
        )
    try:
        return iter(blocks)
    except TypeError:
        raise InvalidFile(
            f"{type(blocks).__name__} is neither a matrix nor an iterable of blocks"
        ) from None


def _session(conn: Conn | AsyncConn) -> Session:
    """What a load needs to know about a connection."""
    zone = conn.info.parameter_status("TimeZone")
    return Session(cursors.encoding(conn), zone or "set")


def _first(destination: Destination, first: Block | None) -> Block:
    if first is not None and not isinstance(first, Block):
        raise InvalidFile(
            f"blocks of type {type(first).__name__}: give a matrix, or Block objects"
        )
    if first is None or not len(first):
        raise InvalidFile(
            f"{destination.origin} holds no rows: there is nothing to load"
        )
    return first


def _run(
    conn: Conn,
    destination: Destination,
    blocks: Iterator[Block],
    progress: OnProgress | None,
) -> LoadReport:
    first = _first(destination, next(blocks, None))
    tally = Tally(destination, progress)
    flow = exchange(tally, first, blocks, _session(conn))
    with (
        refusals(destination.origin, tally.number),
        conn.transaction(),
        cursors.dicts(conn) as cursor,
        ExitStack() as copying,
        closing(flow),
    ):
        cursor.adapters.register_dumper(Array, ArrayDumper)
        copies: list[Copy] = []
        answer: Any = None
        while True:
            try:
                request = flow.send(answer)
            except StopIteration as done:
                return done.value  # type: ignore[no-any-return]
            answer = None
            match request:
                case Future():
                    answer = request.result()
                case Write():
                    copies[-1].write(request.data)
                case Rows():
                    cursor.execute(request.query, request.params, binary=request.binary)
                    answer = cursor.fetchall()
                case Run():
                    cursor.execute(request.statement)
                case Begin():
                    began = cursor.copy(request.statement)
                    copies.append(copying.enter_context(began))
                case End():
                    copying.close()
                case Insert():
                    try:
                        with conn.transaction():
                            cursor.execute(*request.sent())
                    except ABOUT_ROWS as error:
                        answer = error


async def _run_async(
    conn: AsyncConn,
    destination: Destination,
    blocks: Iterator[Block],
    progress: OnProgress | None,
) -> LoadReport:
    first = _first(destination, await asyncio.to_thread(next, blocks, None))
    tally = Tally(destination, progress)
    flow = exchange(tally, first, blocks, _session(conn))
    with refusals(destination.origin, tally.number), closing(flow):
        async with (
            conn.transaction(),
            cursors.dicts_async(conn) as cursor,
            AsyncExitStack() as copying,
        ):
            cursor.adapters.register_dumper(Array, ArrayDumper)
            copies: list[AsyncCopy] = []
            answer: Any = None
            while True:
                try:
                    request = flow.send(answer)
                except StopIteration as done:
                    return done.value  # type: ignore[no-any-return]
                answer = None
                match request:
                    case Future():
                        answer = await asyncio.wrap_future(request)
                    case Write():
                        await copies[-1].write(request.data)
                    case Rows():
                        await cursor.execute(
                            request.query, request.params, binary=request.binary
                        )
                        answer = await cursor.fetchall()
                    case Run():
                        await cursor.execute(request.statement)
                    case Begin():
                        began = cursor.copy(request.statement)
                        copies.append(await copying.enter_async_context(began))
                    case End():
                        await copying.aclose()
                    case Insert():
                        try:
                            async with conn.transaction():
                                await cursor.execute(*request.sent())
                        except ABOUT_ROWS as error:
                            answer = error
