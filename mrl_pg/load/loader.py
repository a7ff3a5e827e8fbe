"""Loads vectors into a table by COPY, sync and async: the only I/O of a load."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from os import PathLike
from pathlib import Path
from time import perf_counter
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mrl_pg import cursors, source
from mrl_pg.catalog import AsyncConn, Conn
from mrl_pg.errors import InvalidFile
from mrl_pg.load.ahead import Ahead
from mrl_pg.load.block import Block, Values, split
from mrl_pg.load.pack import HEADER, TRAILER, Packed
from mrl_pg.load.readers import read
from mrl_pg.load.report import LoadReport, refusals
from mrl_pg.load.target import Job, decide
from mrl_pg.load.wanted import Storage, VectorKind, Wanted

Progress: TypeAlias = Callable[[int, int | None], None]
"""Called with the rows sent and the rows in all: an estimate for text files."""

PGVECTOR = source.statement("queries/pgvector.sql").encode()
COLUMNS_OF = source.statement("queries/columns_of.sql").encode()


def load(
    conn: Conn,
    path: "str | PathLike[str]",
    table: str,
    *,
    schema: str | None = None,
    column: str = "embedding",
    key: str = "id",
    kind: VectorKind = "vector",
    storage: Storage | None = None,
    block_rows: int | None = None,
    progress: Progress | None = None,
) -> LoadReport:
    """Rows of a `.npy`, `.npz`, `.jsonl`, `.csv` or `.parquet` file in a table.

    A table that does not exist is made, with types from the first block and `key`
    as its primary key: the file's column of that name, or one the server counts up.
    One that exists is appended to; then `key`, `kind` and `storage` say nothing.
    Everything happens in one transaction (a savepoint in yours), so after an error
    the database is as it was. Raises InvalidFile naming the rows it cannot load.
    """
    wanted = Wanted(Path(path).name, table, schema, column, key, kind, storage)
    blocks = read(path, column=column, block_rows=block_rows)
    return _run(conn, wanted, blocks, progress)


async def load_async(
    conn: AsyncConn,
    path: "str | PathLike[str]",
    table: str,
    *,
    schema: str | None = None,
    column: str = "embedding",
    key: str = "id",
    kind: VectorKind = "vector",
    storage: Storage | None = None,
    block_rows: int | None = None,
    progress: Progress | None = None,
) -> LoadReport:
    """The same on an asynchronous connection; files are read in a thread."""
    wanted = Wanted(Path(path).name, table, schema, column, key, kind, storage)
    blocks = read(path, column=column, block_rows=block_rows)
    return await _run_async(conn, wanted, blocks, progress)


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
    block_rows: int | None = None,
    progress: Progress | None = None,
) -> LoadReport:
    """Blocks, or a matrix of vectors with `columns` beside it, in a table.

    `columns` and `block_rows` go with a matrix only; else as `load`.

        load_blocks(conn, vectors, "docs", columns={"title": titles})
    """
    wanted = Wanted("the input", table, schema, column, key, kind, storage)
    return _run(conn, wanted, _blocks(blocks, column, columns, block_rows), progress)


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
    block_rows: int | None = None,
    progress: Progress | None = None,
) -> LoadReport:
    """The same on an asynchronous connection."""
    wanted = Wanted("the input", table, schema, column, key, kind, storage)
    made = _blocks(blocks, column, columns, block_rows)
    return await _run_async(conn, wanted, made, progress)


def _blocks(
    blocks: "Iterable[Block] | NDArray[np.floating]",
    column: str,
    columns: Mapping[str, Values] | None,
    block_rows: int | None,
) -> Iterator[Block]:
    if isinstance(blocks, np.ndarray):
        return split(blocks, column, columns or {}, block_rows)
    if columns:
        raise InvalidFile(
            "columns= goes with a matrix of vectors; blocks bring their own columns"
        )
    return iter(blocks)


class _Tally:
    """Counts what was sent, tells who listens, and makes the report of it."""

    def __init__(self, wanted: Wanted, progress: Progress | None) -> None:
        self.wanted, self.progress = wanted, progress
        self.started = perf_counter()
        self.rows = self.null_vectors = 0
        self.bytes = len(HEADER) + len(TRAILER)

    def add(self, packed: Packed) -> None:
        self.rows += packed.rows
        self.null_vectors += packed.null_vectors
        self.bytes += len(packed.data)
        if self.progress is not None:
            self.progress(self.rows, packed.total)

    def report(self, job: Job) -> LoadReport:
        schema, table = self.wanted.schema, self.wanted.table
        return LoadReport(
            table=f"{schema}.{table}" if schema else table,
            rows=self.rows,
            null_vectors=self.null_vectors,
            dims=job.dims,
            created=job.created,
            seconds=perf_counter() - self.started,
            bytes=self.bytes,
            skipped=job.packer.skipped,
        )


def _columns_query(wanted: Wanted) -> tuple[bytes, dict[str, str]]:
    return COLUMNS_OF, {"schema": wanted.schema or "", "table": wanted.table}


def _some(wanted: Wanted, first: Block | None) -> Block:
    if first is None or not len(first):
        raise InvalidFile(f"{wanted.origin} holds no rows: there is nothing to load")
    return first


def _run(
    conn: Conn, wanted: Wanted, blocks: Iterator[Block], progress: Progress | None
) -> LoadReport:
    tally = _Tally(wanted, progress)
    first = _some(wanted, next(blocks, None))
    with (
        refusals(wanted.origin),
        conn.transaction(),
        cursors.dicts(conn) as cursor,
    ):
        extension: Mapping[str, Any] = cursor.execute(PGVECTOR).fetchone() or {}
        rows = cursor.execute(*_columns_query(wanted)).fetchall()
        job = decide(wanted, first, extension, rows, conn.info.encoding)
        for statement in job.setup:
            cursor.execute(statement)
        packed = map(job.packer.pack, chain([first], blocks))
        with cursor.copy(job.copy) as copy, Ahead(packed) as ahead:
            copy.write(HEADER)
            for part in ahead:
                copy.write(part.data)
                tally.add(part)
            copy.write(TRAILER)
    return tally.report(job)


async def _run_async(
    conn: AsyncConn, wanted: Wanted, blocks: Iterator[Block], progress: Progress | None
) -> LoadReport:
    tally = _Tally(wanted, progress)
    first = _some(wanted, await asyncio.to_thread(next, blocks, None))
    with refusals(wanted.origin):
        async with (
            conn.transaction(),
            cursors.dicts_async(conn) as cursor,
        ):
            await cursor.execute(PGVECTOR)
            extension: Mapping[str, Any] = await cursor.fetchone() or {}
            await cursor.execute(*_columns_query(wanted))
            rows = await cursor.fetchall()
            job = decide(wanted, first, extension, rows, conn.info.encoding)
            for statement in job.setup:
                await cursor.execute(statement)
            packed = map(job.packer.pack, chain([first], blocks))
            async with cursor.copy(job.copy) as copy:
                with Ahead(packed) as ahead:
                    await copy.write(HEADER)
                    async for part in ahead:
                        await copy.write(part.data)
                        tally.add(part)
                    await copy.write(TRAILER)
    return tally.report(job)
