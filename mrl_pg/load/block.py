"""A block of consecutive rows, and the error that names bad rows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mrl_pg import arguments
from mrl_pg.errors import InvalidFile

Values: TypeAlias = "NDArray[Any] | Sequence[Any]"
"""One column: an array, or a list with None for NULL. A row of a matrix is a vector."""

Form: TypeAlias = Literal["arrays", "jsonl", "json", "csv"]
"""What kind of source the values come from. `json` is one array of objects. `csv` has
only text. Strings from `jsonl` and `json` are already decoded, so they are not JSON
text."""

COUNTED = {
    "arrays": "counted from 0",
    "jsonl": "numbered by line",
    "json": "counted from 1",
    "csv": "numbered by line",
}
"""What the number of a row means, for each form."""

BLOCK_BYTES = 4 << 20
"""About the size of one block of a matrix. It is large enough for NumPy's full speed. 
It is small enough for two blocks to fit in the CPU cache, because one block is packed
while another is sent."""

MOST_ROWS = 1_000_000_000
"""Largest number of rows in one block."""

TEXT_ROWS = 1000
"""Rows per block for formats whose row size is unknown before reading."""

NAMED_ROWS = 10
"""An error names at most this many bad rows, and counts the others."""

NONE_BAD: Mapping[int, str] = MappingProxyType({})
NO_TYPES: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Rows as columns of equal length.

    `first` is the number of the first row: an index from 0 for arrays, a line for text.
    `numbers` holds the number of each row if the numbers are not consecutive. `bad`
    says why the reader could not read a row, by the row's place in the block. `total`
    is the number of rows in the whole file, estimated for text, or None if unknown.
    `types` are the types that the file declares, for the columns of a new table.
    `notes` say what the reader left out or cut.
    """

    names: tuple[str, ...]
    columns: tuple[Values, ...]
    first: int = 0
    form: Form = "arrays"
    numbers: Sequence[int] | None = None
    bad: Mapping[int, str] = field(default_factory=lambda: NONE_BAD)
    total: int | None = None
    types: Mapping[str, str] = field(default_factory=lambda: NO_TYPES)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raise InvalidFile unless names and columns agree."""
        if len(self.names) != len(self.columns) or not self.names:
            raise InvalidFile(
                f"a block has {len(self.names)} names for {len(self.columns)} "
                "columns: give each column one name"
            )
        for name, values in zip(self.names, self.columns, strict=True):
            if not isinstance(name, str):
                raise InvalidFile(f"column name {shown(name)} is not text: give text")
            if not _is_sized(values):
                raise InvalidFile(
                    f"column {name!r} is {shown(values)}: give a value for each row, "
                    "in a list or an array"
                )
        for name, values in zip(self.names, self.columns, strict=True):
            if self.names.count(name) > 1:
                raise InvalidFile(
                    f"column {name!r} occurs twice: rename one of "
                    "the two, or leave it out with skip= (--skip)"
                )
            if len(values) != len(self):
                raise InvalidFile(
                    f"column {name!r} has {len(values)} values, but "
                    f"{self.names[0]!r} has {len(self)}: give columns of one length"
                )

    def __len__(self) -> int:
        """Rows of the block."""
        return len(self.columns[0])

    def __getitem__(self, name: str) -> Values:
        """Values of a column."""
        return self.columns[self.names.index(name)]

    def number(self, place: int) -> int:
        """Number in the file of the row at a place of the block."""
        return self.numbers[place] if self.numbers else self.first + place

    def part(self, start: int, end: int) -> "Block":
        """The rows from place `start` up to, but not including, place `end`."""
        return replace(
            self,
            columns=tuple(values[start:end] for values in self.columns),
            first=self.first + start,
            numbers=self.numbers[start:end] if self.numbers else None,
            bad={i - start: why for i, why in self.bad.items() if start <= i < end},
        )

    def rows(self, places: Sequence[int]) -> "Block":
        """A copy of the rows at these places, which keeps no large array alive."""
        return replace(
            self,
            columns=tuple(
                values[places]
                if isinstance(values, np.ndarray)
                else [values[place] for place in places]
                for values in self.columns
            ),
            numbers=[self.number(place) for place in places],
            bad=NONE_BAD,
        )


def split(
    vectors: Values,
    column: str,
    columns: Mapping[str, Values],
    block_rows: int | None = None,
) -> Iterator[Block]:
    """Blocks that are slices of arrays in memory or mapped files; nothing is copied."""
    whole = Block((column, *columns), (vectors, *columns.values()))
    rows = checked_rows(block_rows) or rows_of(vectors)
    for start in range(0, len(whole), rows):
        part = tuple(values[start : start + rows] for values in whole.columns)
        yield Block(whole.names, part, first=start, total=len(whole))


def rows_of(vectors: Values) -> int:
    """Rows per block of about BLOCK_BYTES, if each number takes 4 bytes."""
    if isinstance(vectors, np.ndarray) and vectors.ndim == 2:
        dims = int(vectors.shape[1])
        return max(1, BLOCK_BYTES // (4 * max(1, dims)))
    return TEXT_ROWS


def checked_rows(block_rows: int | None) -> int | None:
    """The caller's number of rows per block, or None; raises InvalidSetting."""
    if block_rows is None:
        return None
    return arguments.check_whole("block_rows", block_rows, 1, MOST_ROWS, "a load")


def refuse(
    origin: str, block: Block, bad: Mapping[int, str], done: str = "loaded"
) -> InvalidFile:
    """The error that names the first bad rows of a block and counts the others."""
    return InvalidFile(refusal(origin, block, bad, done))


def refusal(
    origin: str,
    block: Block,
    bad: Mapping[int, str],
    done: str,
    step: str = "correct or remove them",
) -> str:
    """The message of such an error; `step` says what to do."""
    meaning = COUNTED[block.form]
    places = sorted(bad)
    named = [f"  row {block.number(i)}: {bad[i]}" for i in places[:NAMED_ROWS]]
    more = len(places) - len(named)
    if more:
        named.append(f"  and {more} more in that block of {len(block)} rows")
    count = "1 row" if len(places) == 1 else f"{len(places)} rows"
    return (
        f"{origin}: {count} cannot be {done} (rows are {meaning}); {step}, nothing was "
        f"{done}\n" + "\n".join(named)
    )


def shown(value: object) -> str:
    """The text of a value for an error; a NumPy number is shown as a plain number."""
    return arguments.shown(value.item() if isinstance(value, np.generic) else value)


def _is_sized(values: Values) -> bool:
    # a 0-dimensional array has __len__, which raises TypeError
    try:
        return len(values) >= 0
    except TypeError:
        return False
