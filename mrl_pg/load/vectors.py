"""The query vectors in a file, read by the readers of `load`."""

import json
import sys
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mrl_pg.errors import InvalidFile
from mrl_pg.load.advice import where_vectors_are
from mrl_pg.load.block import Block, refuse
from mrl_pg.load.choice import Choice
from mrl_pg.load.matrix import length, matrix
from mrl_pg.load.numpy_files import mapped
from mrl_pg.load.readers import FORMATS, read
from mrl_pg.load.text_files import UNPACK

STDIN = "-"
LISTS = "a JSON list of numbers, or of such lists"


def read_vectors(
    path: "str | PathLike[str]", column: str = "embedding", dims: int | None = None
) -> NDArray[np.float32]:
    """The vectors of a file, one per row of a matrix; NULLs are left out.

    The file may have any format that `mrl-pg load` reads. A `.npy` file with one axis
    holds one vector. A JSON list of numbers is also one vector, and a list of lists is
    several vectors; the path `-` reads such a list from stdin. Every vector must have
    `dims` numbers, by default the most common length in the first block. Raises
    InvalidFile naming the rows with another length.
    """
    file = Path(path)
    name = "stdin" if str(path) == STDIN else file.name
    parts = []
    for block in _blocks(file, name, column):
        bad = dict(block.bad)
        if column not in block.names and not bad:
            raise InvalidFile(
                f"{name} has no column {column!r} for the query vectors; there "
                f"are: {', '.join(block.names)}: {where_vectors_are(block)}"
            )
        values = block[column] if column in block.names else [None] * len(block)
        dims = dims or length(values) or 0
        cells = matrix(values, dims, False, bad)
        if bad:
            raise refuse(name, block, bad, "read")
        some = cells.data if cells.null is None else cells.data[~cells.null]
        parts.append(np.asarray(some, dtype=np.float32))
    return np.concatenate(parts) if parts else np.empty((0, dims or 0), np.float32)


def _blocks(file: Path, name: str, column: str) -> Iterator[Block]:
    suffixes = [suffix.lower() for suffix in file.suffixes]
    if name == "stdin" or not {*suffixes} & {*FORMATS, *UNPACK}:
        yield _lists(_json(file, name), name, column)
        return
    if suffixes[-1:] == [".json"]:
        value = _json(file, name)
        first = value[:1] if isinstance(value, list) else [value]
        if not any(isinstance(item, dict) for item in first):
            yield _lists(value, name, column)
            return
    if suffixes[-1:] == [".npy"] and file.is_file():
        array = mapped(file)
        if array.ndim == 1 and array.dtype.kind in "fiu":
            yield Block((column,), (array[None],))
            return
    yield from read(file, Choice(column))


def _json(file: Path, name: str) -> Any:
    try:
        text = sys.stdin.read() if name == "stdin" else file.read_text("utf-8-sig")
        return json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidFile(
            f"{name} holds no query vector ({error}): give a .npy file or {LISTS}"
        ) from error


def _lists(value: Any, name: str, column: str) -> Block:
    if not isinstance(value, list) or not value:
        raise InvalidFile(f"{name} holds no query vector: give a .npy file or {LISTS}")
    rows = value if isinstance(value[0], list) else [value]
    return Block((column,), (rows,), first=1, form="json")
