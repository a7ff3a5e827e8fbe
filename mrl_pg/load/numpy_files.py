"""Blocks of memory-mapped `.npy` files and of streamed `.npz` archives."""

import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from mrl_pg.errors import InvalidFile
from mrl_pg.load.block import Block, rows_of, split
from mrl_pg.load.choice import Choice
from mrl_pg.load.file_errors import as_invalid_file
from mrl_pg.load.text_files import TextForm

MAGIC = b"\x93NUMPY"
PLAIN = "biufUSMm"
"""NumPy type kinds that become columns. `O` (Python objects) is never unpickled."""


@dataclass(frozen=True, slots=True)
class Head:
    """Shape and type of an array, from its header."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]

    @property
    def size(self) -> int:
        """Bytes of all values."""
        return prod(self.shape) * self.dtype.itemsize

    def __str__(self) -> str:
        """Text for an error."""
        return f"an array of shape {self.shape} and type {self.dtype}"


def npy_blocks(
    path: Path, choice: Choice, text: TextForm, block_rows: int | None
) -> Iterator[Block]:
    """Blocks of a matrix of any float type; only the block in use is read.

    An array of records gives one column per field.
    """
    array = mapped(path)
    if array.dtype.names is None:
        if array.ndim != 2 or array.dtype.kind != "f":
            raise InvalidFile(
                f"{path.name} holds {Head(array.shape, False, array.dtype)}: vectors "
                "are a matrix of floats, one vector per row; if these are vectors, "
                "save array.reshape(rows, -1).astype('float32')"
            )
        yield from split(array, choice.source, {}, block_rows)
        return
    fields = {name: array[name] for name in choice.reads(array.dtype.names)}
    name = choice.source if choice.source in fields else next(iter(fields))
    yield from split(fields.pop(name), name, fields, block_rows)


def mapped(path: Path) -> NDArray[Any]:
    """The array of a `.npy` file, mapped into memory after its header was checked."""
    with path.open("rb") as stream:
        head = _read_head(path.name, stream)
        left = path.stat().st_size - stream.tell()
    if head.dtype.hasobject:
        raise InvalidFile(_objects(path.name))
    if not head.size:
        raise InvalidFile(f"{path.name} holds no rows, or no numbers: it is {head}")
    if left < head.size:
        raise InvalidFile(
            f"{path.name} is not a valid .npy file: its header says {head.size} "
            f"bytes, but {left} follow: the file was cut short"
        )
    # a plain array over the same memory, because slices of a memmap are slower
    with as_invalid_file(path.name, ".npy"):
        return np.asarray(npy.open_memmap(path, mode="r"))


def npz_blocks(
    path: Path, choice: Choice, text: TextForm, block_rows: int | None
) -> Iterator[Block]:
    """Blocks of the archive's float matrix; one-dimensional arrays become columns.

    Other matrices and single values are left out; the block's notes name them.
    """
    with zipfile.ZipFile(path) as archive:
        heads = {
            name.removesuffix(".npy"): _head(path, archive, name)
            for name in archive.namelist()
            if name.endswith(".npy")
        }
        name = _matrix_name(path, heads, choice)
        head = heads.pop(name)
        others, notes = _others(path, archive, heads, choice, head.shape[0])
        if head.fortran:  # cannot be streamed, because rows are not contiguous
            whole = _whole(archive, name)
            for block in split(whole, choice.source, others, block_rows):
                yield Block(
                    block.names,
                    block.columns,
                    first=block.first,
                    total=block.total,
                    notes=notes,
                )
            return
        total, dims = head.shape
        rows = block_rows or rows_of(np.empty((0, dims)))
        with archive.open(f"{name}.npy") as stream:
            _read_head(path.name, stream)
            for start in range(0, total, rows):
                count = min(rows, total - start)
                data = stream.read(count * dims * head.dtype.itemsize)
                matrix = np.frombuffer(data, head.dtype).reshape(count, dims)
                parts = (values[start : start + count] for values in others.values())
                yield Block(
                    (choice.source, *others),
                    (matrix, *parts),
                    first=start,
                    total=total,
                    notes=notes,
                )


def _others(
    path: Path,
    archive: zipfile.ZipFile,
    heads: Mapping[str, Head],
    choice: Choice,
    rows: int,
) -> tuple[dict[str, NDArray[Any]], tuple[str, ...]]:
    columns: dict[str, NDArray[Any]] = {}
    left_out = []
    for name, head in heads.items():
        if not choice.wants(name):
            continue
        if len(head.shape) != 1 or name == choice.source:
            left_out.append(name)
            continue
        if head.dtype.hasobject:
            raise InvalidFile(_objects(f"{path.name}: array {name!r}", name))
        if head.dtype.kind not in PLAIN:
            raise InvalidFile(
                f"{path.name}: array {name!r} is of {head.dtype}: a column "
                "holds booleans, numbers, times or text; convert the array, or "
                f"leave it out with skip= (--skip {name})"
            )
        if head.shape[0] != rows:
            raise InvalidFile(
                f"{path.name}: array {name!r} has {head.shape[0]} values for {rows} "
                f"vectors: the numbers must be equal; leave it out with skip= (--skip "
                f"{name})"
            )
        columns[name] = _whole(archive, name)
    if not left_out:
        return columns, ()
    why = "single values and other matrices cannot be columns"
    return columns, (f"left out of {path.name}: {', '.join(left_out)} ({why})",)


def _matrix_name(path: Path, heads: Mapping[str, Head], choice: Choice) -> str:
    matrices = [
        name
        for name, head in heads.items()
        if len(head.shape) == 2 and head.dtype.kind == "f"
    ]
    if choice.source in matrices:
        return choice.source
    if len(matrices) != 1:
        others = (f"{name}: {head}" for name, head in heads.items())
        held = ", ".join(matrices or others) or "no array at all"
        option = f" (--vectors {matrices[0]})" if matrices else ""
        raise InvalidFile(
            f"{path.name} holds {len(matrices)} matrices of floats ({held}): name the "
            f"matrix of vectors with column={option}"
        )
    return matrices[0]


def _objects(what: str, name: str = "") -> str:
    skip = f", or leave it out with skip= (--skip {name})" if name else ""
    return (
        f"{what} holds Python objects, which are never unpickled: save text as "
        f"array.astype(str), vectors as numpy.stack(array){skip}"
    )


def _head(path: Path, archive: zipfile.ZipFile, name: str) -> Head:
    with archive.open(name) as stream:
        head = _read_head(f"{path.name}: array {name.removesuffix('.npy')!r}", stream)
        left = archive.getinfo(name).file_size - stream.tell()
    if left < head.size and not head.dtype.hasobject:
        raise InvalidFile(
            f"{path.name}: array {name.removesuffix('.npy')!r} is not valid: "
            f"its header says {head.size} bytes, but {left} follow: it was cut short"
        )
    return head


def _read_head(name: str, stream: IO[bytes]) -> Head:
    magic = stream.read(len(MAGIC) + 2)
    if not magic.startswith(MAGIC):
        raise InvalidFile(
            f"{name} is not a NumPy array: it has no .npy header. If "
            "numpy.memmap wrote it, save the array with numpy.save: "
            "numpy.memmap(path, 'float32', 'r', shape=(rows, dims))"
        )
    try:
        # version 3 differs from version 2 only in the encoding of field names
        reader = (
            npy.read_array_header_1_0 if magic[6] == 1 else npy.read_array_header_2_0
        )
        shape, fortran, dtype = reader(stream)
    except Exception as error:
        raise InvalidFile(
            f"{name} is not valid: its .npy header is damaged; save the array again"
        ) from error
    if any(size < 0 for size in shape):
        raise InvalidFile(f"{name} is not valid: a NumPy array of shape {shape}")
    return Head(shape, fortran, dtype)


def _whole(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    with archive.open(f"{name}.npy") as stream:
        array: NDArray[Any] = npy.read_array(stream, allow_pickle=False)
        return array
