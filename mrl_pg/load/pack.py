"""A block as bytes of PostgreSQL's binary COPY, packed by columns and not by rows.

Columns of fixed size come first in the COPY column list: their fields, lengths
included, are one NumPy record a row, big-endian. Text and JSON follow each record.
"""

import struct
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mrl_pg.load.block import Block, Values, refuse
from mrl_pg.load.matrix import Cells, matrix
from mrl_pg.load.values import WIRE, fixed
from mrl_pg.load.varying import TYPES as VARYING
from mrl_pg.load.varying import encoded

HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
"""Signature, no flags, no extension."""

TRAILER = struct.pack(">h", -1)
NULL = struct.pack(">i", -1)
VECTOR_WIRE = {"vector": ">f4", "halfvec": ">f2"}
SUPPORTED = (*WIRE, *VARYING, *VECTOR_WIRE)

Buffer: TypeAlias = "bytes | memoryview"


@dataclass(frozen=True, slots=True)
class Column:
    """A column to write: its name, type as pg_type names it, and a vector's length."""

    name: str
    type: str
    dims: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """Bytes of one block, and what the report counts."""

    data: Buffer
    rows: int
    null_vectors: int
    total: int | None


def in_order(columns: tuple[Column, ...]) -> tuple[Column, ...]:
    """The COPY column list: fixed sizes first, otherwise as they were."""
    return tuple(sorted(columns, key=lambda column: column.type in VARYING))


@dataclass(frozen=True, slots=True)
class Packer:
    """Packs blocks for one COPY; `columns` as `in_order` left them.

    `vectors` names the column that NULL vectors are counted of, `encoding` is the
    Python codec of the connection, `skipped` are columns that are not written.
    """

    origin: str
    columns: tuple[Column, ...]
    vectors: str
    encoding: str = "utf-8"
    skipped: tuple[str, ...] = ()

    def pack(self, block: Block) -> Packed:
        """The block's rows, in order. Raises InvalidFile naming the bad ones."""
        bad = dict(block.bad)
        _check_names(self, block, bad)
        fixed_part = [c for c in self.columns if c.type not in VARYING]
        cells = [_cells(c, _values(block, c.name), bad) for c in fixed_part]
        tails = [
            encoded(_values(block, c.name), c.type, block.form, self.encoding, bad)
            for c in self.columns[len(fixed_part) :]
        ]
        if bad:
            raise refuse(self.origin, block, bad)
        nulls = {c.name: x.null for c, x in zip(fixed_part, cells, strict=True)}
        missing = nulls[self.vectors]
        return Packed(
            data=join(fixed_part, cells, tails, len(block)),
            rows=len(block),
            null_vectors=0 if missing is None else int(missing.sum()),
            total=block.total,
        )


def _values(block: Block, name: str) -> Values:
    return block[name] if name in block.names else [None] * len(block)


def _cells(column: Column, values: Values, bad: dict[int, str]) -> Cells:
    if column.dims is not None:
        return matrix(values, column.dims, column.type == "halfvec", bad)
    return fixed(values, column.type, bad)


def _check_names(packer: Packer, block: Block, bad: dict[int, str]) -> None:
    known = {column.name for column in packer.columns}.union(packer.skipped)
    for name in block.names:
        if name in known:
            continue
        for i, value in enumerate(block[name]):
            if value is not None:
                bad.setdefault(i, f"column {name!r} is not in the first rows")


def join(
    columns: list[Column],
    cells: list[Cells],
    tails: list[list[bytes | None]],
    rows: int,
) -> Buffer:
    """Records of the fixed columns, each followed by its texts."""
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
        pieces[place :: 1 + len(tails)] = [
            NULL if text is None else len(text).to_bytes(4, "big") + text
            for text in tail
        ]
    return b"".join(pieces)


# A NULL has no bytes after its length, so rows with other NULLs have other records.
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
    """The fixed fields of the rows at `places`, which are all NULL where `nulls` is."""
    layout = record_type(columns, nulls)
    count = len(cells[0].data[places])
    out = np.empty(count, dtype=layout)
    out["fields"] = fields
    for i, (column, cell, null) in enumerate(zip(columns, cells, nulls, strict=True)):
        if null:
            out[f"length{i}"] = -1
            continue
        out[f"value{i}"] = cell.data[places]
        out[f"length{i}"] = layout[f"value{i}"].itemsize
        if column.dims is not None:
            out[f"length{i}"] += 4
            out[f"dims{i}"] = column.dims
            out[f"unused{i}"] = 0
    return out


def record_type(columns: list[Column], nulls: tuple[bool, ...]) -> np.dtype[np.void]:
    """Field count, then length and value of each column; a NULL has no value."""
    parts: list[Any] = [("fields", ">i2")]
    for i, (column, null) in enumerate(zip(columns, nulls, strict=True)):
        parts.append((f"length{i}", ">i4"))
        if null:
            continue
        if column.dims is not None:
            wire = VECTOR_WIRE[column.type]
            parts += [(f"dims{i}", ">i2"), (f"unused{i}", ">i2")]
            parts.append((f"value{i}", wire, (column.dims,)))
        else:
            parts.append((f"value{i}", WIRE[column.type]))
    return np.dtype(parts)


def _flat(array: NDArray[np.void]) -> memoryview:
    return array.view(np.uint8).data


def _slices(array: NDArray[np.void]) -> list[Buffer]:
    flat, size = _flat(array), array.dtype.itemsize
    return [flat[at : at + size] for at in range(0, len(flat), size)]
