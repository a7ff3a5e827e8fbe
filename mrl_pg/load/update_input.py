"""What an update by key reads and writes, checked before anything is sent."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from psycopg import AsyncConnection, pq

from mrl_pg.arguments import check_callable, check_text, flag, names, shown
from mrl_pg.errors import InvalidSetting
from mrl_pg.exchange import AnyConn, Exchange, cursors
from mrl_pg.exchange.progress import OnProgress
from mrl_pg.load.block import Block, Values, checked_rows, split
from mrl_pg.load.choice import Choice, VectorBytes
from mrl_pg.load.destination import Destination, VectorKind
from mrl_pg.load.exchange import Session
from mrl_pg.load.readers import read
from mrl_pg.load.text_files import TextForm
from mrl_pg.load.update import Blocks, update
from mrl_pg.load.update_report import UpdateReport


@dataclass(frozen=True, slots=True)
class UpdateTarget:
    """The column to update, as the caller named it."""

    table: str
    schema: str | None
    column: str
    vectors: str | None
    key: "str | Sequence[str] | None"
    add_column: bool
    only_missing: bool
    kind: VectorKind

    def keys(self) -> tuple[str, ...]:
        """The key columns that the caller named; raises InvalidSetting."""
        if self.key is None:
            return ()
        if isinstance(self.key, str):
            check_text("key", self.key)
            return (self.key,)
        keys = names("key", self.key)
        if not keys:
            raise InvalidSetting(
                f"key={shown(self.key)} names no column: leave it out for the primary "
                "key"
            )
        return keys

    def destination(self, origin: str) -> Destination:
        """The same for statements; raises InvalidSetting."""
        column = Choice(self.column, vectors=self.vectors).column
        # it has no part in this, because no table is made
        unused = "id" if column != "id" else "key"
        return Destination(origin, self.table, self.schema, column, unused, self.kind)


def from_file(
    conn: AnyConn,
    path: "str | PathLike[str]",
    target: UpdateTarget,
    vector_bytes: VectorBytes | None,
    text: TextForm,
    block_rows: int | None,
    progress: OnProgress | None,
) -> Exchange[UpdateReport]:
    """The verb that updates from a file."""
    column, vectors = target.column, target.vectors
    Choice(column, vectors=vectors, vector_bytes=vector_bytes)
    checked_rows(block_rows)
    name = Path(path).name if isinstance(path, (str, PathLike)) else "the file"

    def blocks(keys: tuple[str, ...]) -> Iterator[Block]:
        choice = Choice(column, keys[0], vectors, (), (), vector_bytes, keys)
        return read(path, choice, text, block_rows=block_rows)

    return from_blocks(conn, blocks, target, name, progress)


def from_memory(
    conn: AnyConn,
    vectors: "NDArray[np.floating] | Sequence[Sequence[float] | None]",
    target: UpdateTarget,
    columns: Mapping[str, Values],
    block_rows: int | None,
    progress: OnProgress | None,
) -> Exchange[UpdateReport]:
    """The verb that updates from vectors in memory."""
    if not isinstance(columns, Mapping):
        raise InvalidSetting(
            f"columns={shown(columns)} is not a mapping: give the keys by column name"
        )
    target.destination("the input")
    parts = [*split(vectors, target.column, columns, block_rows)]
    return from_blocks(conn, lambda keys: iter(parts), target, "the input", progress)


def from_blocks(
    conn: AnyConn,
    blocks: Blocks,
    target: UpdateTarget,
    origin: str,
    progress: OnProgress | None,
) -> Exchange[UpdateReport]:
    """The verb that updates from blocks, which it reads twice.

    `blocks` is called with the key columns. `origin` is what errors call the input.
    """
    cursors.check(conn, waits=isinstance(conn, AsyncConnection))
    if conn.info.transaction_status != pq.TransactionStatus.IDLE:
        raise InvalidSetting(
            "an update by key commits each batch, so it cannot run in a transaction "
            "of yours: commit or roll back first"
        )
    check_callable("progress", progress)
    zone = conn.info.parameter_status("TimeZone")
    return update(
        blocks,
        target.destination(origin),
        target.keys(),
        Session(cursors.encoding(conn), zone or "set"),
        add_column=flag("add_column", target.add_column),
        only_missing=flag("only_missing", target.only_missing),
        progress=progress,
    )
