"""Rows of any table, read from the server in blocks by binary COPY.

Each statement reads some pages, and is a transaction by itself. So no lock and no
snapshot outlives it, and rows may change between two of them.
"""

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from psycopg import sql

from mrl_pg.catalog import slots
from mrl_pg.catalog.facts import Facts
from mrl_pg.catalog.pages import Range, page_ranges
from mrl_pg.errors import InvalidSetting
from mrl_pg.exchange import Conn, cursors, run
from mrl_pg.load.pack import HEADER, TRAILER, VECTOR_WIRE
from mrl_pg.recall.leaders import BLOCK
from mrl_pg.tune.rows.sample_table import SampleTable
from mrl_pg.tune.rows.seen import Seen

BLOCK_BYTES = 32 << 20
"""About the most bytes of a table in a block; two blocks are in memory at a time."""

Advance: TypeAlias = Callable[[int, int], Any]
"""Called with the number of rows read so far, and about how many to read in all."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Which rows of a table to read: all, or each row with the same chance.

    `share` is that chance, from 0 to 1. A hash of the primary key decides, so the same
    `seed` draws the same rows, wherever they are.
    """

    share: float
    seed: int

    @classmethod
    def of(cls, rows: int, most: int, seed: int) -> "Sample":
        """A sample of about `most` of `rows` rows, or of all if there are not more."""
        return cls(1.0 if rows <= most else most / rows, seed)

    def drawn(self) -> sql.Composable:
        """The condition that draws rows, or nothing for all rows."""
        if self.share >= 1:
            return sql.SQL("")
        return slots.statement(
            "drawn_by_hash",
            # as text, because the server would take the smallest number for a numeric
            seed=sql.Literal(str(self.seed % 2**63)),
            limit=sql.Literal(str(int(self.share * 2**64) - 2**63)),
        )


@dataclass(frozen=True, slots=True, eq=False)
class TableRows:
    """The vectors of some rows, and the table (a partition) and place of each row.

    `hashes` name the rows wherever they are: see `key_hash`.
    """

    vectors: NDArray[np.float32]
    tables: NDArray[np.uint32]
    places: NDArray[np.uint64]
    hashes: NDArray[np.int64]

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.places)

    def take(self, which: "NDArray[Any] | slice") -> "TableRows":
        """The rows at some positions, or where a mask is true."""
        return TableRows(
            self.vectors[which],
            self.tables[which],
            self.places[which],
            self.hashes[which],
        )


def joined(parts: Sequence[TableRows]) -> TableRows:
    """The rows of all parts, in order; there must be one part or more."""
    return TableRows(
        np.concatenate([part.vectors for part in parts]),
        np.concatenate([part.tables for part in parts]),
        np.concatenate([part.places for part in parts]),
        np.concatenate([part.hashes for part in parts]),
    )


def tid(place: int) -> str:
    """A place as PostgreSQL writes a `ctid`."""
    return f"({place >> 16},{place & 0xFFFF})"


def key_hash(facts: Facts) -> sql.Composed:
    """The hash of a row's partition and primary key, for a statement about `origin`."""
    found = slots.statement("key_seed", table_id=sql.Literal(facts.table_id))
    for key in facts.keys:
        found = slots.statement("key_hash", key=sql.Identifier(key), seed=found)
    return found


@dataclass(slots=True)
class Reader:
    """Reads a sample of a table, without the rows `left_out`.

    With `keep`, the server adds the rows to a temporary table as well. `read` counts
    the rows that were passed on. A row that is updated meanwhile is read once at most,
    and may be missed. Memory is two blocks of 32 MB and their floats, and 8 bytes for
    each row.
    """

    facts: Facts
    column: str
    sample: Sample
    left_out: TableRows | None = None
    keep: SampleTable | None = None
    read: int = field(default=0, init=False)

    def blocks(self, conn: Conn) -> Generator[TableRows, None, None]:
        """Blocks of rows in the table's own order."""
        rows = max(1, BLOCK_BYTES // self.record_type().itemsize)
        # whole multiples of BLOCK rows, because a smaller part costs as much as BLOCK
        step = rows - rows % BLOCK if rows > BLOCK else rows
        for block in in_steps(self.batches(conn), step):
            self.read += len(block)
            yield block

    def batches(self, conn: Conn) -> Generator[TableRows, None, None]:
        """The rows of some pages at a time; nothing of the table is held in between."""
        ranges = run(conn, page_ranges(self.facts, BLOCK_BYTES))
        seen = Seen()
        for pages in ranges:
            records = self._records(conn, pages)
            ranges.came(records.nbytes)
            place = records["block"].astype(np.uint64) << np.uint64(16)
            rows = TableRows(
                records["value"].astype(np.float32),
                records["table"].astype(np.uint32),
                place | records["offset"].astype(np.uint64),
                records["hash"].astype(np.int64),
            )
            new = seen.add(rows.hashes)
            if not new.all():
                if self.keep is not None:
                    self.keep.forget(rows.hashes[~new].tolist())
                rows = rows.take(new)
            yield rows

    def _records(self, conn: Conn, pages: Range) -> NDArray[np.void]:
        held = self.left_out
        rows = slots.statement(
            "sample_rows",
            full=sql.Identifier(self.column),
            table=slots.table_of(self.facts),
            hash=key_hash(self.facts),
            left_out=slots.array([] if held is None else held.hashes.tolist()),
            drawn=self.sample.drawn(),
            **pages.slots(),
        )
        if self.keep is not None:
            rows = self.keep.keep(rows)
        return copied(conn, slots.statement("copy_rows", rows=rows), self.record_type())

    def record_type(self) -> np.dtype[np.void]:
        """A row as COPY sends it: each field after its length."""
        wire = VECTOR_WIRE[self.facts.full_type]
        return np.dtype(
            [
                ("fields", ">i2"),
                ("length_1", ">i4"),
                ("table", ">u4"),
                ("length_2", ">i4"),
                ("block", ">u4"),
                ("offset", ">u2"),
                ("length_3", ">i4"),
                ("hash", ">i8"),
                *vector_fields(wire, self.facts.full_dims),
            ]
        )


def in_steps(
    batches: Iterable[TableRows], step: int
) -> Generator[TableRows, None, None]:
    """The rows of all batches in blocks of `step` rows; the last may have fewer."""
    waiting: list[TableRows] = []
    for batch in batches:
        waiting.append(batch)
        if sum(map(len, waiting)) < step:
            continue
        rows = joined(waiting)
        whole = len(rows) // step * step
        for start in range(0, whole, step):
            yield rows.take(slice(start, start + step))
        waiting = [rows.take(slice(whole, None))]
    if any(map(len, waiting)):
        yield joined(waiting)


def vector_fields(wire: str, dims: int) -> list[Any]:
    """The fields of a vector as COPY sends it."""
    return [
        ("length", ">i4"),
        ("dims", ">i2"),
        ("unused", ">i2"),
        ("value", wire, (dims,)),
    ]


def copied(
    conn: Conn, statement: sql.Composed, layout: np.dtype[np.void]
) -> NDArray[np.void]:
    """Rows of `copy … to stdout (format binary)`. All rows have one size."""
    with (
        cursors.tuples(conn) as cursor,
        cursor.copy(statement) as copy,
    ):
        data = b"".join(copy)
    data = data[len(HEADER) : -len(TRAILER)]
    if len(data) % layout.itemsize:
        raise InvalidSetting(
            f"the server sent rows that do not have {layout.itemsize} bytes each, so a "
            "vector of the column has another length than the column declares"
        )
    return np.frombuffer(data, dtype=layout) if data else np.empty(0, layout)
