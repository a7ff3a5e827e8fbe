"""A run of rows read from a file or made in memory, and how bad rows are named."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mrl_pg import arguments
from mrl_pg.errors import InvalidFile

Values: TypeAlias = "NDArray[Any] | Sequence[Any]"
"""One column: an array, or a list where None is NULL; vectors are rows of a matrix."""

Form: TypeAlias = Literal["arrays", "jsonl", "json", "csv"]
"""Where values come from: `csv` has only text; strings of `jsonl` and of `json` (one
array of objects) are not JSON text."""

COUNTED = {
    "arrays": "counted from 0",
    "jsonl": "numbered by line",
    "json": "counted from 1",
    "csv": "numbered by line",
}
"""What the number of a row means, for each form."""

BLOCK_BYTES = 4 << 20
"""About what one block of a matrix holds: large enough for NumPy to be at full speed,
small enough that the block being packed and the one being sent stay in cache."""

MOST_ROWS = 1_000_000_000
"""Of one block."""

TEXT_ROWS = 1000
"""Rows a block of formats whose row size is not known before they are read."""

NAMED_ROWS = 10
"""Bad rows that an error names before it only counts."""

NONE_BAD: Mapping[int, str] = MappingProxyType({})
NO_TYPES: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Rows as columns of equal length.

    `first` numbers the first row: an index from 0 for arrays, a line for text.
    `numbers` gives every row's number where they are not consecutive. `bad` holds
    what the reader could not make sense of, by place in the block; `total` the
    rows of the whole file, an estimate for text, None when unknown. `types` are
    types that a new table's columns get, where the file declares them; `notes` say
    what the reader left out or cut.
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
                raise InvalidFile(f"column {shown(name)}: a column's name is text")
            if not _is_sized(values):
                raise InvalidFile(
                    f"column {name!r} is {shown(values)}: give a value for each row, "
                    "in a list or an array"
                )
        for name, values in zip(self.names, self.columns, strict=True):
            if self.names.count(name) > 1:
                raise InvalidFile(
                    f"column {name!r} is there twice: rename one of "
                    "them, or leave it out with skip= (--skip)"
                )
            if len(values) != len(self):
                raise InvalidFile(
                    f"column {name!r} has {len(values)} values and "
                    f"{self.names[0]!r} {len(self)}: all must be of one length"
                )

    def __len__(self) -> int:
        """Rows of the block."""
        return len(self.columns[0])

    def __getitem__(self, name: str) -> Values:
        """Values of a column."""
        return self.columns[self.names.index(name)]

    def number(self, place: int) -> int:
        """Number of a row in its file, by its place in the block."""
        return self.numbers[place] if self.numbers else self.first + place

    def part(self, start: int, end: int) -> "Block":
        """The rows from one place to before another."""
        return replace(
            self,
            columns=tuple(values[start:end] for values in self.columns),
            first=self.first + start,
            numbers=self.numbers[start:end] if self.numbers else None,
            bad={i - start: why for i, why in self.bad.items() if start <= i < end},
        )


def split(
    vectors: Values,
    column: str,
    columns: Mapping[str, Values],
    block_rows: int | None = None,
) -> Iterator[Block]:
    """Blocks of arrays that are in memory, or mapped: slices, nothing is copied."""
    whole = Block((column, *columns), (vectors, *columns.values()))
    rows = checked_rows(block_rows) or rows_of(vectors)
    for start in range(0, len(whole), rows):
        part = tuple(values[start : start + rows] for values in whole.columns)
        yield Block(whole.names, part, first=start, total=len(whole))


def rows_of(vectors: Values) -> int:
    """Rows that make a block of about BLOCK_BYTES, counted as 4-byte floats."""
    if isinstance(vectors, np.ndarray) and vectors.ndim == 2:
        dims = int(vectors.shape[1])
        return max(1, BLOCK_BYTES // (4 * max(1, dims)))
    return TEXT_ROWS


def checked_rows(block_rows: int | None) -> int | None:
    """Rows of a block, if they were named; raises InvalidSetting."""
    if block_rows is None:
        return None
    return arguments.check_whole("block_rows", block_rows, 1, MOST_ROWS, "a load")


def refuse(
    origin: str, block: Block, bad: Mapping[int, str], done: str = "loaded"
) -> InvalidFile:
    """The error that names the first bad rows of a block and counts the others."""
    meaning = COUNTED[block.form]
    places = sorted(bad)
    named = [f"  row {block.number(i)}: {bad[i]}" for i in places[:NAMED_ROWS]]
    more = len(places) - len(named)
    if more:
        named.append(f"  and {more} more in that block of {len(block)} rows")
    count = "1 row" if len(places) == 1 else f"{len(places)} rows"
    return InvalidFile(
        f"{origin}: {count} cannot be {done} (rows are {meaning}); correct or remove "
        f"them, nothing was {done}\n" + "\n".join(named)
    )


def shown(value: object) -> str:
    """A value of a file as an error shows it: of NumPy's the number alone."""
    return arguments.shown(value.item() if isinstance(value, np.generic) else value)


def _is_sized(values: Values) -> bool:
    # a 0-dimensional array has a length only until it is asked
    try:
        return len(values) >= 0
    except TypeError:
        return False
