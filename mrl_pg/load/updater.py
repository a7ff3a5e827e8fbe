"""Updates a vector column of rows that are there, sync and async."""

from collections.abc import Mapping, Sequence
from os import PathLike

import numpy as np
from numpy.typing import NDArray

from mrl_pg.exchange import AsyncConn, Conn, run, run_async
from mrl_pg.exchange.progress import OnProgress
from mrl_pg.load.block import Values
from mrl_pg.load.choice import VectorBytes
from mrl_pg.load.destination import VectorKind
from mrl_pg.load.text_files import TextForm
from mrl_pg.load.update_input import UpdateTarget, from_file, from_memory
from mrl_pg.load.update_report import UpdateReport


def update(
    conn: Conn,
    path: "str | PathLike[str]",
    table: str,
    *,
    schema: str | None = None,
    column: str = "embedding",
    key: "str | Sequence[str] | None" = None,
    vectors: str | None = None,
    add_column: bool = False,
    only_missing: bool = False,
    vector_bytes: VectorBytes | None = None,
    delimiter: str | None = None,
    header: bool = True,
    encoding: str | None = None,
    kind: VectorKind = "vector",
    block_rows: int | None = None,
    progress: OnProgress | None = None,
) -> UpdateReport:
    """Update one vector column of a table in use from a file of keys and vectors.

    `key` names the columns that find a row, in the file and in the table: by default
    the primary key, else the columns of a unique index. Other columns of the file are
    not read. `column` and `vectors` are those of `load`. `add_column` adds the column
    if it is missing, with type `kind`. `only_missing` leaves rows alone that have a
    vector in the column, for example a newer vector from the application.

    The file is read twice: first all of it is checked, so that bad rows raise
    InvalidFile before anything is changed. Then batches of about 50 ms are updated,
    and each is committed, so `conn` must not be in a transaction. Rows that hold an
    equal vector already are not written, so the same call goes on after an
    interruption. Rows without a vector in the file are left alone. The report names
    keys that no row has, and rows that the server refused.
    """
    target = UpdateTarget(
        table, schema, column, vectors, key, add_column, only_missing, kind
    )
    return run(
        conn,
        from_file(
            conn,
            path,
            target,
            vector_bytes,
            TextForm(delimiter, header, encoding),
            block_rows,
            progress,
        ),
    )


async def update_async(
    conn: AsyncConn,
    path: "str | PathLike[str]",
    table: str,
    *,
    schema: str | None = None,
    column: str = "embedding",
    key: "str | Sequence[str] | None" = None,
    vectors: str | None = None,
    add_column: bool = False,
    only_missing: bool = False,
    vector_bytes: VectorBytes | None = None,
    delimiter: str | None = None,
    header: bool = True,
    encoding: str | None = None,
    kind: VectorKind = "vector",
    block_rows: int | None = None,
    progress: OnProgress | None = None,
) -> UpdateReport:
    """Like `update`, on an asynchronous connection; a thread reads the file."""
    target = UpdateTarget(
        table, schema, column, vectors, key, add_column, only_missing, kind
    )
    return await run_async(
        conn,
        from_file(
            conn,
            path,
            target,
            vector_bytes,
            TextForm(delimiter, header, encoding),
            block_rows,
            progress,
        ),
    )


def update_blocks(
    conn: Conn,
    vectors: "NDArray[np.floating] | Sequence[Sequence[float] | None]",
    table: str,
    *,
    columns: Mapping[str, Values],
    schema: str | None = None,
    column: str = "embedding",
    key: "str | Sequence[str] | None" = None,
    add_column: bool = False,
    only_missing: bool = False,
    kind: VectorKind = "vector",
    block_rows: int | None = None,
    progress: OnProgress | None = None,
) -> UpdateReport:
    """Update one vector column from vectors in memory; `columns` holds their keys.

    The other arguments are those of `update`.

        update_blocks(conn, vectors, "docs", columns={"id": ids}, column="embedding_v2")
    """
    target = UpdateTarget(
        table, schema, column, None, key, add_column, only_missing, kind
    )
    return run(conn, from_memory(conn, vectors, target, columns, block_rows, progress))


async def update_blocks_async(
    conn: AsyncConn,
    vectors: "NDArray[np.floating] | Sequence[Sequence[float] | None]",
    table: str,
    *,
    columns: Mapping[str, Values],
    schema: str | None = None,
    column: str = "embedding",
    key: "str | Sequence[str] | None" = None,
    add_column: bool = False,
    only_missing: bool = False,
    kind: VectorKind = "vector",
    block_rows: int | None = None,
    progress: OnProgress | None = None,
) -> UpdateReport:
    """Like `update_blocks`, on an asynchronous connection."""
    target = UpdateTarget(
        table, schema, column, None, key, add_column, only_missing, kind
    )
    return await run_async(
        conn, from_memory(conn, vectors, target, columns, block_rows, progress)
    )
