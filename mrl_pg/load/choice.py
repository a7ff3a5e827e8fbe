"""Which columns of a file are loaded, and where in the file the vectors are."""

import base64
import binascii
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from mrl_pg import arguments
from mrl_pg.errors import InvalidFile
from mrl_pg.load.block import Block, Values, shown

VectorBytes: TypeAlias = Literal[
    "float16", "float32", "float64", "float16be", "float32be", "float64be", "int8"
]
"""Number type of vectors in raw bytes: little-endian, unless the name ends in `be`."""

ALL_DIMENSIONS = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Choice:
    """Which columns of a file the caller chose.

    `column` is the table's column of vectors. `vectors` says where the file has them:
    a column, a matrix of an archive, a path into JSON such as `data.0.embedding`, or a
    pattern such as `dim_*` for columns with one number each; by default the name of
    the table's column. `columns` and `skip` are patterns for the columns other than
    the vectors and the key. `keys`, if there are any, are all that is loaded beside
    the vectors.
    """

    column: str = "embedding"
    key: str = "id"
    vectors: str | None = None
    columns: Sequence[str] = ()
    skip: Sequence[str] = ()
    vector_bytes: VectorBytes | None = None
    keys: tuple[str, ...] = ()
    matched: set[str] = field(default_factory=set, compare=False)

    def __post_init__(self) -> None:
        """Raise InvalidSetting for values that no file can match."""
        named = ("vectors",) if self.vectors is not None else ()
        for what in ("column", "key", *named):
            arguments.check_text(what, getattr(self, what))
        for what in ("columns", "skip"):
            given = arguments.names(what, getattr(self, what))
            object.__setattr__(self, what, given)
        if self.vector_bytes is not None:
            known = get_args(VectorBytes)
            arguments.check_choice("vector_bytes", self.vector_bytes, known)

    @property
    def source(self) -> str:
        """Where the file has the vectors."""
        return self.column if self.vectors is None else self.vectors

    @property
    def key_name(self) -> str:
        """Name of the table's key column."""
        return _last(self.key)

    def wants(self, name: str) -> bool:
        """Whether a column other than the vectors is loaded."""
        if self.keys:
            return name in self.keys
        # always try both, because `matched` must know every pattern that matches
        skipped, chosen = self._match(name, self.skip), self._match(name, self.columns)
        return not skipped and (not self.columns or name == self.key or chosen)

    def reads(self, names: Sequence[str]) -> list[str]:
        """The columns of a file that have to be read."""
        used = set(self._vector_sources(names))
        for path in self._paths():
            used.update(_head(path, names))
        return [name for name in names if name in used or self.wants(name)]

    def apply(self, block: Block) -> Block:
        """The block with the chosen columns only, under their names in the table."""
        sources = self._vector_sources(block.names)
        plain = sources == [self.source] == [self.column]
        if plain and not (self.columns or self.skip or self.vector_bytes or self.keys):
            if self.key in block.names or self.key_name == self.key:
                return block
        bad = dict(block.bad)
        out: dict[str, Values] = {}
        taken = {*sources, *_head(self.key, block.names, whole=False)}
        types = dict(block.types)
        for name in block.names:
            if name not in taken and self.wants(name):
                out[name] = block[name]
        for path in self._paths():
            heads = _head(path, block.names, whole=False)
            if heads:
                self._add(out, _last(path), [_walk(v, path) for v in block[heads[0]]])
        if sources:
            self._add(out, self.column, self._vectors(block, sources, bad))
            types.pop(self.column, None)
        if not out:
            out[""] = [None] * len(block)
        return replace(
            block, names=tuple(out), columns=tuple(out.values()), bad=bad, types=types
        )

    def unmatched(self, names: Sequence[str]) -> str | None:
        """An error text for a pattern that matched no column; None if all matched."""
        for what in ("columns", "skip"):
            for pattern in getattr(self, what):
                if pattern in self.matched or _head(pattern, names):
                    continue
                if not any(fnmatchcase(name, pattern) for name in names):
                    return (
                        f"{what}={pattern!r} (--{what}) matches no column; there are: "
                        f"{', '.join(names)}"
                    )
        return None

    def _paths(self) -> tuple[str, ...]:
        return self.keys or (self.key, *self.columns)

    def _match(self, name: str, patterns: Sequence[str]) -> bool:
        matching = [p for p in patterns if p == name or fnmatchcase(name, p)]
        self.matched.update(matching)
        return bool(matching)

    @staticmethod
    def _add(out: dict[str, Values], name: str, values: Values) -> None:
        if name in out:
            raise InvalidFile(
                f"two columns of the file would be loaded as {name!r}: name the "
                "vectors' column with column= (COLUMN), or leave the other column out "
                "with skip= (--skip)"
            )
        out[name] = values

    def _vector_sources(self, names: Sequence[str]) -> list[str]:
        if self.source in names:
            return [self.source]
        if ALL_DIMENSIONS.search(self.source):
            return _numbered([n for n in names if fnmatchcase(n, self.source)])
        return _head(self.source, names)

    def _vectors(self, block: Block, sources: list[str], bad: dict[int, str]) -> Values:
        values: Values
        if self.source in block.names:
            values = block[self.source]
        elif ALL_DIMENSIONS.search(self.source):
            return _assembled(block, sources, bad)
        else:
            values = [_walk(value, self.source) for value in block[sources[0]]]
        if self.vector_bytes is None:
            return values
        return [
            None if value is None else self._decoded(value, i, bad)
            for i, value in enumerate(values)
        ]

    def _decoded(self, value: Any, place: int, bad: dict[int, str]) -> Any:
        word = self.vector_bytes or ""
        native = np.dtype(word.removesuffix("be"))
        wire = native.newbyteorder(">" if word.endswith("be") else "<")
        try:
            if isinstance(value, str):
                value = base64.b64decode(
                    value.strip(), "-_" if {"-", "_"} & {*value} else None, True
                )
            if not isinstance(value, (bytes, bytearray)):
                raise ValueError(f"{shown(value)} is neither bytes nor base64 text")
            if len(value) % wire.itemsize:
                raise ValueError(
                    f"{len(value)} bytes are not a whole number of "
                    f"{self.vector_bytes} values"
                )
        except (ValueError, binascii.Error) as error:
            bad.setdefault(place, str(error))
            return None
        return np.frombuffer(value, wire).astype(native)


def _last(path: str) -> str:
    parts = [part for part in path.split(".") if part and not part.isdigit()]
    return parts[-1] if parts else path


# The column of the file that a path starts with, if there is one.
def _head(path: str, names: Sequence[str], *, whole: bool = True) -> list[str]:
    if path in names:
        return [path] if whole else []
    head, dot, _ = path.partition(".")
    pattern = ALL_DIMENSIONS.search(path)
    return [head] if dot and head in names and not pattern else []


def _walk(value: Any, path: str) -> Any:
    for part in path.split(".")[1:]:
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, (list, tuple)) and part.isdigit():
            value = value[int(part)] if int(part) < len(value) else None
        else:
            return None
    return value


# In numeric order, because dim_10 must come after dim_9.
def _numbered(names: list[str]) -> list[str]:
    numbers = [re.search(r"([0-9]+)[^0-9]*$", name) for name in names]
    if not all(numbers):
        return names
    order = [int(match[1]) for match in numbers if match]
    if len(set(order)) < len(order):
        return names
    return [name for _, name in sorted(zip(order, names, strict=True))]


def _assembled(block: Block, names: list[str], bad: dict[int, str]) -> Values:
    columns = [block[name] for name in names]
    if all(isinstance(c, np.ndarray) and c.dtype.kind in "fiu" for c in columns):
        matrix: NDArray[Any] = np.stack(columns, axis=1)
        return matrix
    return [
        _row(values, names, i, bad)
        for i, values in enumerate(zip(*columns, strict=True))
    ]


def _row(
    values: tuple[Any, ...], names: list[str], place: int, bad: dict[int, str]
) -> list[float] | None:
    if all(value is None for value in values):
        return None
    row = []
    for name, value in zip(names, values, strict=True):
        number = isinstance(value, (int, float, str, np.number))
        try:
            if not number or isinstance(value, bool):
                raise ValueError
            row.append(float(value))
        except ValueError:
            why = "is empty" if value is None else f"{shown(value)} is not a number"
            bad.setdefault(place, f"column {name!r}: {why}")
            return None
    return row


def chosen(choice: Choice, origin: str, blocks: Iterator[Block]) -> Iterator[Block]:
    """Blocks of a file with the chosen columns only.

    Raises InvalidFile if a name or pattern matches no column. For JSON this is known
    at the end of the file, because a key may first occur in the last row.
    """
    seen: dict[str, None] = {}
    for number, block in enumerate(blocks):
        seen.update(dict.fromkeys(block.names))
        try:
            part = choice.apply(block)
        except InvalidFile as error:
            raise InvalidFile(f"{origin}: {error}") from error
        late = block.form in ("jsonl", "json")
        if number == 0 and not late:
            _check(choice, origin, seen)
        yield part
    if seen:
        _check(choice, origin, seen)


def _check(choice: Choice, origin: str, seen: dict[str, None]) -> None:
    why = choice.unmatched(list(seen))
    if why is not None:
        raise InvalidFile(f"{origin}: {why}")
