"""Packs a block as bytes of PostgreSQL's binary COPY, or as one array per column.

For COPY, columns of fixed size come first in the column list. Their fields, lengths
included, are one big-endian NumPy record per row. Text and JSON follow each record.
For INSERT, each column is one binary array, which the statement unnests.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mrl_pg.load.block import Block, Values, refuse
from mrl_pg.load.matrix import Cells, matrix
from mrl_pg.load.values import FIXED, cut, fixed, zones
from mrl_pg.load.varying import READ_AS_ARRAY, READ_BY_SERVER, VARYING, encoded
from mrl_pg.rotation import Rotation

HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
"""Signature, no flags, no extension."""

TRAILER = struct.pack(">h", -1)
NULL = struct.pack(">i", -1)
VECTOR_WIRE = {"vector": ">f4", "halfvec": ">f2"}

Buffer: TypeAlias = "bytes | memoryview"


@dataclass(frozen=True, slots=True)
class Column:
    """A column to write: its name, its type as in pg_type, and the length of vectors.

    `cast` is the schema and name of the type that the server casts sent text to.
    `rotation` is applied to the vectors of a rotated column.
    """

    name: str
    type: str
    dims: int | None = None
    cast: tuple[str, str] | None = None
    rotation: Rotation | None = None

    @property
    def read_by_server(self) -> bool:
        """Whether values are sent as text that the server casts, which needs INSERT."""
        return self.type in (READ_BY_SERVER, READ_AS_ARRAY)

    @property
    def carrier(self) -> str:
        """Name of the type in which values are sent."""
        return "text" if self.read_by_server else self.type


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """The bytes of one block, and counts for the report.

    `data` is a part of the COPY stream. `arrays`, for INSERT, has one array per column.
    """

    block: Block
    null_vectors: int
    data: Buffer = b""
    arrays: tuple[Buffer, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """Rows of the block."""
        return len(self.block)

    @property
    def size(self) -> int:
        """Bytes that are sent to the server."""
        return len(self.data) + sum(map(len, self.arrays))


def in_order(columns: tuple[Column, ...]) -> tuple[Column, ...]:
    """The columns in COPY order: columns of fixed size come first."""
    return tuple(sorted(columns, key=lambda column: column.type in VARYING))


@dataclass(frozen=True, slots=True)
class Packer:
    """Packs blocks for one COPY or INSERT; `columns` are in the order of `in_order`.

    NULL vectors are counted in the column that `vectors` names. `encoding` is the
    Python codec of the connection. `type_ids`, by carrier, are for INSERT only.
    `inferred` says that the types were inferred from the first rows. `done` is the word
    of errors for what is done with the rows.
    """

    origin: str
    columns: tuple[Column, ...]
    vectors: str
    encoding: str = "utf-8"
    type_ids: Mapping[str, int] | None = None
    inferred: bool = False
    done: str = "loaded"

    def pack(self, block: Block) -> Packed:
        """The block's rows, in order. Raises InvalidFile naming the bad ones."""
        bad = dict(block.bad)
        packed = self.checked(block, bad)
        if packed is None:
            raise refuse(self.origin, block, bad, self.done)
        return packed

    def checked(self, block: Block, bad: dict[int, str]) -> Packed | None:
        """The same; None if there are bad rows, which are added to `bad`, by place."""
        fixed_part = [c for c in self.columns if c.type not in VARYING]
        cells = [self._cells(column, block, bad) for column in fixed_part]
        tails = [
            self._encoded(column, block, bad)
            for column in self.columns[len(fixed_part) :]
        ]
        if bad:
            return None
        nulls = {c.name: x.null for c, x in zip(fixed_part, cells, strict=True)}
        missing = nulls.get(self.vectors)
        packed = Packed(
            block,
            0 if missing is None else int(missing.sum()),
            notes=(*block.notes, *_notes(self.columns, block)),
        )
        if self.type_ids is None:
            data = join(fixed_part, cells, tails, len(block))
            return replace(packed, data=data)
        ids = [self.type_ids[column.carrier] for column in self.columns]
        arrays = (
            *map(fixed_array, fixed_part, cells, ids),
            *map(varying_array, tails, ids[len(fixed_part) :]),
        )
        return replace(packed, arrays=arrays)

    def _cells(self, column: Column, block: Block, bad: dict[int, str]) -> Cells:
        values = _values(block, column.name)
        reasons: dict[int, str] = {}
        if column.dims is not None:
            half = column.type == "halfvec"
            cells = matrix(values, column.dims, half, reasons)
            if column.rotation is not None and not reasons:
                cells = replace(cells, data=column.rotation.apply(cells.data))
        else:
            cells = fixed(values, column.type, reasons)
        self._add_bad(column, reasons, bad)
        return cells

    def _encoded(
        self, column: Column, block: Block, bad: dict[int, str]
    ) -> list[bytes | None]:
        values = _values(block, column.name)
        reasons: dict[int, str] = {}
        tail = encoded(values, column.type, block.form, self.encoding, reasons)
        self._add_bad(column, reasons, bad)
        return tail

    def _add_bad(
        self, column: Column, reasons: dict[int, str], bad: dict[int, str]
    ) -> None:
        where = f" (column {column.name!r}"
        if self.inferred and column.type not in VARYING:
            where += f", {column.type} by its first values: create the table first"
        where = "" if column.name == self.vectors else f"{where})"
        for i, why in reasons.items():
            bad.setdefault(i, why + where)


def _notes(columns: tuple[Column, ...], block: Block) -> list[str]:
    notes = []
    for column in columns:
        if column.name not in block.names:
            continue
        values = block[column.name]
        if cut(values):
            notes.append(f"{column.name}: nanoseconds were cut to microseconds")
        if column.type == "timestamp" and True in zones(values):
            notes.append(
                f"{column.name}: times were stored in UTC, their zones were dropped, "
                "because the column is a timestamp without time zone"
            )
    return notes


def _values(block: Block, name: str) -> Values:
    return block[name] if name in block.names else [None] * len(block)


def join(
    columns: list[Column],
    cells: list[Cells],
    tails: list[list[bytes | None]],
    rows: int,
) -> Buffer:
    """One record of the fixed columns per row, each followed by the row's texts."""
    masks = [np.zeros(rows, np.bool_) if c.null is None else c.null for c in cells]
    fields = len(columns) + len(tails)
    if not any(c.null is not None for c in cells):
        whole = records(columns, cells, slice(None), (False,) * len(cells), fields)
        if not tails:
            return _flat(whole)
        heads = _slices(whole)
    else:
        heads = _by_pattern(columns, cells, masks, fields)
    pieces: list[Buffer] = [b""] * (rows * (1 + len(tails)))
    pieces[:: 1 + len(tails)] = heads
    for place, tail in enumerate(tails, start=1):
        pieces[place :: 1 + len(tails)] = _with_lengths(tail)
    return b"".join(pieces)


def _with_lengths(tail: list[bytes | None]) -> list[bytes]:
    return [
        NULL if text is None else len(text).to_bytes(4, "big") + text for text in tail
    ]


def fixed_array(column: Column, cell: Cells, type_id: int) -> Buffer:
    """A column of fixed size as a binary array, NULLs included."""
    rows = len(cell.data)
    null = np.zeros(rows, np.bool_) if cell.null is None else cell.null
    layout = np.dtype(_field(column, 0))
    filled = np.empty(rows - int(null.sum()), dtype=layout)
    _fill(filled, 0, column, cell.data[~null])
    if not null.any():
        return _array_head(rows, False, type_id) + _flat(filled)
    pieces: list[Buffer] = [NULL] * rows
    places = np.flatnonzero(~null).tolist()
    for place, piece in zip(places, _slices(filled), strict=True):
        pieces[place] = piece
    return _array_head(rows, True, type_id) + b"".join(pieces)


def varying_array(tail: list[bytes | None], type_id: int) -> Buffer:
    """A column of varying size as a binary array, NULLs included."""
    head = _array_head(len(tail), None in tail, type_id)
    return head + b"".join(_with_lengths(tail))


# Number of dimensions, whether NULLs occur, type, length, first index.
def _array_head(rows: int, nulls: bool, type_id: int) -> bytes:
    return struct.pack(">iiIii", 1, nulls, type_id, rows, 1)


# One record layout per set of NULL columns, because a NULL has no value bytes.
def _by_pattern(
    columns: list[Column],
    cells: list[Cells],
    masks: list[NDArray[np.bool_]],
    fields: int,
) -> list[Buffer]:
    heads: list[Buffer] = [b""] * len(masks[0])
    patterns, which = np.unique(np.stack(masks, axis=1), axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        places = np.flatnonzero(which.reshape(-1) == number)
        part = records(columns, cells, places, tuple(pattern.tolist()), fields)
        for place, head in zip(places.tolist(), _slices(part), strict=True):
            heads[place] = head
    return heads


def records(
    columns: list[Column],
    cells: list[Cells],
    places: Any,
    nulls: tuple[bool, ...],
    fields: int,
) -> NDArray[np.void]:
    """The fixed fields of the rows at `places`; `nulls` says which columns are NULL."""
    layout = record_type(columns, nulls)
    count = len(cells[0].data[places])
    out = np.empty(count, dtype=layout)
    out["fields"] = fields
    for i, (column, cell, null) in enumerate(zip(columns, cells, nulls, strict=True)):
        if null:
            out[f"length{i}"] = -1
        else:
            _fill(out, i, column, cell.data[places])
    return out


def _fill(out: NDArray[np.void], i: int, column: Column, data: NDArray[Any]) -> None:
    out[f"value{i}"] = data
    out[f"length{i}"] = out.dtype[f"value{i}"].itemsize
    if column.dims is not None:
        out[f"length{i}"] += 4
        out[f"dims{i}"] = column.dims
        out[f"unused{i}"] = 0


def record_type(columns: list[Column], nulls: tuple[bool, ...]) -> np.dtype[np.void]:
    """Layout of a record: field count, then length and value of each column."""
    parts: list[Any] = [("fields", ">i2")]
    for i, (column, null) in enumerate(zip(columns, nulls, strict=True)):
        parts += _field(column, i)[:1] if null else _field(column, i)
    return np.dtype(parts)


def _field(column: Column, i: int) -> list[Any]:
    if column.dims is None:
        return [(f"length{i}", ">i4"), (f"value{i}", FIXED[column.type].wire)]
    return [
        (f"length{i}", ">i4"),
        (f"dims{i}", ">i2"),
        (f"unused{i}", ">i2"),
        (f"value{i}", VECTOR_WIRE[column.type], (column.dims,)),
    ]


def _flat(array: NDArray[np.void]) -> memoryview:
    return array.view(np.uint8).data


def _slices(array: NDArray[np.void]) -> list[Buffer]:
    flat, size = _flat(array), array.dtype.itemsize
    return [flat[at : at + size] for at in range(0, len(flat), size)]
