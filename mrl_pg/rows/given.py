"""Rows that a caller gives, as blocks: mappings one by one, or columns."""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from itertools import islice
from typing import Any, TypeAlias

import numpy as np

from mrl_pg.arguments import shown
from mrl_pg.errors import InvalidFile, InvalidSetting
from mrl_pg.load.block import BLOCK_BYTES, TEXT_ROWS, Block
from mrl_pg.rows.facts import ORIGIN

GivenRows: TypeAlias = "Iterable[Mapping[str, Any]] | Mapping[str, Any]"
"""A mapping of column to value for each row, or one of column to values for all."""

ONE_ROW = "if this is one row, put it into a list: [row]"


def blocks_of(rows: GivenRows, dims: int | None) -> Iterator[Block]:
    """The rows in blocks of about the size that `load` sends; `dims` of the vectors.

    Raises InvalidFile and InvalidSetting.
    """
    size = max(1, min(TEXT_ROWS, BLOCK_BYTES // (4 * (dims or 1))))
    if isinstance(rows, Mapping):
        yield from _slices(rows, size)
        return
    if isinstance(rows, (str, bytes, bytearray)) or not isinstance(rows, Iterable):
        raise InvalidSetting(
            f"rows={shown(rows)} are not rows: give a list of mappings of column to "
            "value, or a mapping of column to values"
        )
    total = len(rows) if isinstance(rows, Sized) else None
    ahead = iter(rows)
    names: tuple[str, ...] = ()
    start = 0
    while part := list(islice(ahead, size)):
        names = names or _names(part[0])
        yield _block(part, names, start, total)
        start += len(part)


def _slices(rows: Mapping[str, Any], size: int) -> Iterator[Block]:
    if not rows:
        raise InvalidFile(f"{ORIGIN} have no column: give values by column name")
    for column, values in rows.items():
        sized = isinstance(values, np.ndarray) and values.ndim > 0
        listed = isinstance(values, Sequence) and not isinstance(values, (str, bytes))
        if not sized and not listed:
            raise InvalidFile(
                f"column {column!r} is {shown(values)}: give a value for each row, in "
                f"a list or an array; {ONE_ROW}"
            )
    try:
        whole = Block(tuple(rows), tuple(rows.values()))
    except InvalidFile as error:
        raise InvalidFile(f"{ORIGIN}: {error}; {ONE_ROW}") from None
    for start in range(0, len(whole), size):
        part = tuple(values[start : start + size] for values in whole.columns)
        yield Block(whole.names, part, first=start, total=len(whole))


def _names(row: object) -> tuple[str, ...]:
    if not isinstance(row, Mapping):
        raise InvalidFile(f"{ORIGIN}: row 0: {_no_row(row)}")
    if not row:
        raise InvalidFile(f"{ORIGIN}: row 0 has no column")
    return tuple(row)


def _no_row(row: object) -> str:
    return f"{shown(row)} is not a mapping of column to value"


def _block(
    part: list[Any], names: tuple[str, ...], start: int, total: int | None
) -> Block:
    bad: dict[int, str] = {}
    for place, row in enumerate(part):
        if not isinstance(row, Mapping):
            bad[place], part[place] = _no_row(row), {}
        elif row.keys() != set(names):
            bad[place] = _difference(row, names)
    columns = tuple([row.get(name) for row in part] for name in names)
    return Block(names, columns, first=start, bad=bad, total=total)


def _difference(row: Mapping[str, Any], names: tuple[str, ...]) -> str:
    missing = [name for name in names if name not in row]
    if missing:
        return (
            f"it has no value for {', '.join(map(repr, missing))}, which row 0 has: "
            "give every row the same columns, None for NULL"
        )
    more = [shown(name) for name in row if name not in names]
    return (
        f"it has a value for {', '.join(more)}, which row 0 does not have: give every "
        "row the same columns"
    )
