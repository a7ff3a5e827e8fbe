"""Blocks of `.npy` files, memory-mapped, and of `.npz` archives, streamed."""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from mrl_pg.errors import InvalidFile
from mrl_pg.load.block import Block, rows_of, split

BROKEN = (ValueError, OSError, EOFError, zipfile.BadZipFile)


def npy_blocks(path: Path, column: str, block_rows: int | None) -> Iterator[Block]:
    """Slices of a matrix of any float type; only what is being sent is read."""
    try:
        matrix = np.load(path, mmap_mode="r", allow_pickle=False)
    except BROKEN as error:
        raise InvalidFile(f"{path.name} is not a NumPy array: {error}") from error
    _check_matrix(path.name, matrix.shape, matrix.dtype)
    # a plain array over the same memory: slices of a memmap are slower
    yield from split(np.asarray(matrix), column, {}, block_rows)


def npz_blocks(path: Path, column: str, block_rows: int | None) -> Iterator[Block]:
    """The one float matrix of the archive, its vectors of equal length beside it."""
    try:
        with zipfile.ZipFile(path) as archive:
            heads = {_stem(name): _head(archive, name) for name in archive.namelist()}
            name = _matrix_name(path, heads)
            shape, fortran, dtype = heads.pop(name)
            others = {}
            for other in heads:
                others[other] = _whole(archive, other)
                if others[other].ndim != 1:
                    raise InvalidFile(
                        f"{path.name}: array {other!r} has {others[other].ndim} axes: "
                        "beside the vectors only one-dimensional arrays are columns"
                    )
            if fortran:  # rows are not contiguous: nothing to stream
                yield from split(_whole(archive, name), column, others, block_rows)
                return
            rows = block_rows or rows_of(np.empty((0, shape[1])))
            with archive.open(f"{name}.npy") as stream:
                _read_head(stream)
                for start in range(0, shape[0], rows):
                    count = min(rows, shape[0] - start)
                    data = stream.read(count * shape[1] * dtype.itemsize)
                    matrix = np.frombuffer(data, dtype).reshape(count, shape[1])
                    yield _block(column, matrix, others, start, shape[0])
    except BROKEN as error:
        if isinstance(error, InvalidFile):
            raise
        raise InvalidFile(
            f"{path.name} is not a NumPy archive of plain arrays: {error}"
        ) from error


Head = tuple[tuple[int, ...], bool, np.dtype[Any]]


def _block(
    column: str,
    matrix: NDArray[Any],
    others: dict[str, NDArray[Any]],
    start: int,
    total: int,
) -> Block:
    for name, values in others.items():
        if len(values) != total:
            raise InvalidFile(
                f"array {name!r} has {len(values)} values for {total} vectors: "
                "all must be of one length"
            )
    parts = (values[start : start + len(matrix)] for values in others.values())
    return Block((column, *others), (matrix, *parts), first=start, total=total)


def _matrix_name(path: Path, heads: dict[str, Head]) -> str:
    found = [
        name
        for name, (shape, _, dtype) in heads.items()
        if len(shape) == 2 and dtype.kind == "f"
    ]
    if len(found) != 1:
        raise InvalidFile(
            f"{path.name} holds {len(found)} matrices of floats "
            f"({', '.join(heads) or 'no array at all'}): there must be one, the vectors"
        )
    for name, (_, _, dtype) in heads.items():
        if dtype.kind not in "biufU":
            raise InvalidFile(
                f"{path.name}: array {name!r} is of {dtype}: only booleans, numbers "
                "and text are read, never pickled objects; save it as one of these"
            )
    return found[0]


def _check_matrix(name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    if len(shape) != 2 or dtype.kind != "f":
        raise InvalidFile(
            f"{name} holds an array of shape {shape} and type {dtype}: vectors are a "
            "matrix of floats, one row each"
        )


def _stem(name: str) -> str:
    return name.removesuffix(".npy")


def _head(archive: zipfile.ZipFile, name: str) -> Head:
    with archive.open(name) as stream:
        return _read_head(stream)


def _read_head(stream: IO[bytes]) -> Head:
    version = npy.read_magic(stream)
    if version == (1, 0):
        return npy.read_array_header_1_0(stream)
    # version 3 differs from 2 only in names of fields, which no plain array has
    return npy.read_array_header_2_0(stream)


def _whole(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    with archive.open(f"{name}.npy") as stream:
        array: NDArray[Any] = npy.read_array(stream, allow_pickle=False)
        return array
