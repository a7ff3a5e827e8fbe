"""Rows of any table, read from the server in blocks by binary COPY."""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from psycopg import sql

from mrl_pg.catalog import slots
from mrl_pg.catalog.facts import Facts
from mrl_pg.errors import InvalidSetting
from mrl_pg.exchange import Conn, cursors
from mrl_pg.load.pack import HEADER, TRAILER, VECTOR_WIRE
from mrl_pg.recall.leaders import BLOCK

BLOCK_BYTES = 32 << 20
"""The most bytes of a table in a block; two blocks are in memory at a time."""

Advance: TypeAlias = Callable[[int, int], Any]
"""Called with the number of rows read so far, and about how many to read in all."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Which rows of a table to read: all, or each row with the same chance.

    `share` is that chance, from 0 to 1. The same `seed` draws the same rows while the
    table does not change.
    """

    share: float
    seed: int

    @classmethod
    def of(cls, rows: int, most: int, seed: int) -> "Sample":
        """A sample of about `most` of `rows` rows, or of all if there are not more."""
        return cls(1.0 if rows <= most else most / rows, seed)

    def clause(self) -> sql.Composable:
        """The `tablesample` clause, or nothing for all rows."""
        if self.share >= 1:
            return sql.SQL("")
        clause = "tablesample pg_catalog.bernoulli ({}) repeatable ({})"
        return sql.SQL(clause).format(
            sql.Literal(100 * self.share), sql.Literal(self.seed)
        )


@dataclass(frozen=True, slots=True, eq=False)
class TableRows:
    """The vectors of some rows, and the table (a partition) and place of each row."""

    vectors: NDArray[np.float32]
    tables: NDArray[np.uint32]
    places: NDArray[np.uint64]

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.places)

    def take(self, which: NDArray[Any]) -> "TableRows":
        """The rows at some positions, or where a mask is true."""
        return TableRows(self.vectors[which], self.tables[which], self.places[which])

    def tids(self) -> list[str]:
        """The places as PostgreSQL writes a `ctid`."""
        return [tid(place) for place in self.places.tolist()]


def tid(place: int) -> str:
    """A place as PostgreSQL writes a `ctid`."""
    return f"({place >> 16},{place & 0xFFFF})"


@dataclass(slots=True)
class Reader:
    """Reads a sample of a table, without the rows `left_out`.

    `read` counts the rows that were passed on. Memory is two blocks of 32 MB and their
    floats, whatever the size of the table.
    """

    facts: Facts
    column: str
    sample: Sample
    left_out: TableRows | None = None
    read: int = field(default=0, init=False)

    def blocks(self, conn: Conn) -> Generator[TableRows, None, None]:
        """Blocks of rows in the table's own order."""
        statement = slots.statement(
            "sample_rows",
            full=sql.Identifier(self.column),
            table=slots.table_of(self.facts),
            sample=self.sample.clause(),
        )
        for records in copied(conn, statement, self.record_type()):
            place = records["block"].astype(np.uint64) << np.uint64(16)
            rows = TableRows(
                records["value"].astype(np.float32),
                records["table"].astype(np.uint32),
                place | records["offset"].astype(np.uint64),
            )
            rows = self._without_left_out(rows)
            self.read += len(rows)
            yield rows

    def record_type(self) -> np.dtype[np.void]:
        """A row as COPY sends it: table, place and vector, each with its length."""
        wire = VECTOR_WIRE[self.facts.full_type]
        return np.dtype(
            [
                ("fields", ">i2"),
                ("length_1", ">i4"),
                ("table", ">u4"),
                ("length_2", ">i4"),
                ("block", ">u4"),
                ("offset", ">u2"),
                *vector_fields(wire, self.facts.full_dims),
            ]
        )

    def _without_left_out(self, rows: TableRows) -> TableRows:
        held = self.left_out
        if held is None or not len(held):
            return rows
        same = np.flatnonzero(np.isin(rows.places, held.places))
        known = set(zip(held.tables.tolist(), held.places.tolist(), strict=True))
        keep = np.ones(len(rows), dtype=np.bool_)
        for i in same.tolist():
            keep[i] = (int(rows.tables[i]), int(rows.places[i])) not in known
        return rows if keep.all() else rows.take(keep)


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
) -> Generator[NDArray[np.void], None, None]:
    """Rows of `copy … to stdout (format binary)`, in blocks. All rows have one size."""
    size = layout.itemsize
    # whole multiples of BLOCK rows, because a smaller last part costs as much as BLOCK
    rows = max(1, BLOCK_BYTES // size)
    step = (rows - rows % BLOCK if rows > BLOCK else rows) * size
    with (
        cursors.tuples(conn) as cursor,
        cursor.copy(statement) as copy,
    ):
        parts: list[Any] = []
        held = 0
        first = True
        for part in copy:
            if first:
                part, first = part[len(HEADER) :], False
            parts.append(part)
            held += len(part)
            if held >= step:
                data = b"".join(parts)
                whole = len(data) // step * step
                yield _records(data[:whole], layout)
                parts, held = [data[whole:]], len(data) - whole
        data = b"".join(parts)
        if rest := data[: len(data) - len(TRAILER)]:
            yield _records(rest, layout)


def _records(data: bytes, layout: np.dtype[np.void]) -> NDArray[np.void]:
    if len(data) % layout.itemsize:
        raise InvalidSetting(
            f"the server sent rows that do not have {layout.itemsize} bytes each, so a "
            "vector of the column has another length than the column declares"
        )
    return np.frombuffer(data, dtype=layout)
