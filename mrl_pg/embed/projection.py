"""A trained linear map that shortens the vectors of a model, and a model behind it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mrl_pg.arguments import check_path, check_whole, shown
from mrl_pg.errors import InvalidFile, InvalidSetting, InvalidVector
from mrl_pg.npz import Arrays, read_npz, write_npz
from mrl_pg.vectors import normalise

FORMAT = "mrl_pg projection 1"

ROWS = 16_384
"""Vectors to multiply at a time, so that a large matrix needs little further memory."""

NOTHING: Mapping[str, object] = MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """A matrix by which vectors of a model are multiplied, rows and queries alike.

    `matrix` has the shape (full, dims): vectors of `full` numbers become vectors of
    `dims` numbers. The first numbers of each size in `sizes` are an embedding, too.
    `model` is the name of the model whose vectors it was trained on, or empty.
    `provenance` says how it was made: values for JSON.
    """

    matrix: NDArray[np.floating]
    sizes: tuple[int, ...]
    model: str = ""
    provenance: Mapping[str, object] = field(default_factory=lambda: NOTHING)

    def __post_init__(self) -> None:
        """Raise InvalidSetting for what is no matrix, or for sizes that it lacks."""
        try:
            matrix = np.ascontiguousarray(self.matrix, dtype=np.float32)
        except (TypeError, ValueError) as error:
            raise InvalidSetting(
                f"matrix={shown(self.matrix)} is not a matrix of numbers"
            ) from error
        if matrix.ndim != 2 or not matrix.size or not np.isfinite(matrix).all():
            raise InvalidSetting(
                f"a projection of shape {matrix.shape} is not a matrix of finite "
                "numbers with a row for each number of a vector"
            )
        matrix.setflags(write=False)
        object.__setattr__(self, "matrix", matrix)
        sizes = tuple(
            check_whole("sizes", size, 1, self.dims, "this projection")
            for size in self.sizes
        )
        if not sizes or list(sizes) != sorted(set(sizes)):
            raise InvalidSetting(
                f"sizes={shown(self.sizes)}: name sizes in ascending order, each once"
            )
        object.__setattr__(self, "sizes", sizes)

    @property
    def full(self) -> int:
        """The length of the vectors that it takes."""
        return int(self.matrix.shape[0])

    @property
    def dims(self) -> int:
        """The length of the vectors that it gives."""
        return int(self.matrix.shape[1])

    @property
    def version(self) -> str:
        """Eight characters that differ for another matrix or another model."""
        digest = hashlib.sha256(self.model.encode())
        digest.update(self.matrix.astype("<f4").tobytes())
        return digest.hexdigest()[:8]

    def apply(self, vectors: NDArray[np.floating]) -> NDArray[np.float32]:
        """Vectors of shape (n, full) or (full,) as vectors of length 1, (…, dims).

        A vector of zeros stays zero. Raises InvalidVector for another shape, for NaN
        and for infinity.
        """
        given = np.asarray(vectors)
        if given.dtype.kind not in "fiu" or given.ndim not in (1, 2):
            raise InvalidVector(
                f"{shown(vectors)} are not vectors: pass an array of the shape "
                f"(rows, {self.full})"
            )
        if given.shape[-1] != self.full:
            raise InvalidVector(
                f"vectors of {given.shape[-1]} numbers do not fit a projection of "
                f"{self.full}: pass vectors of {self.model or 'the model'} as it "
                "gives them, and project them once only"
            )
        rows = np.atleast_2d(given)
        out = np.empty((len(rows), self.dims), dtype=np.float32)
        for start in range(0, len(rows), ROWS):
            unit = normalise(rows[start : start + ROWS].astype(np.float32))
            out[start : start + ROWS] = normalise(unit @ self.matrix)
        if not np.isfinite(out).all():
            place = int(np.flatnonzero(~np.isfinite(out).all(axis=1))[0])
            raise InvalidVector(
                f"vector {place} holds NaN or infinity: embed its text again"
            )
        return out.reshape(*given.shape[:-1], self.dims)

    def save(self, path: "str | PathLike[str]") -> None:
        """Write it to a file, at once or not at all; an old file is replaced."""
        check_path("path", path)
        head = {
            "sizes": self.sizes,
            "model": self.model,
            "version": self.version,
            "provenance": dict(self.provenance),
        }
        write_npz(Path(path), FORMAT, head, matrix=self.matrix)

    @classmethod
    def read(cls, path: "str | PathLike[str]") -> "Projection":
        """The projection in a file; raises InvalidFile if it holds none."""
        check_path("path", path)
        try:
            return read_npz(
                Path(path),
                FORMAT,
                _made,
                what="a projection",
                remedy="Name a file that `mrl-pg train` wrote",
            )
        except OSError as error:
            raise InvalidFile(
                f"{str(path)!r} cannot be read: {error.strerror or error}"
            ) from error


def _made(head: dict[str, Any], arrays: Arrays) -> Projection:
    found = Projection(
        arrays["matrix"], tuple(head["sizes"]), head["model"], head["provenance"]
    )
    if found.version != head["version"]:
        raise InvalidFile(
            f"it is damaged: its matrix is {found.version}, and {head['version']} was "
            "written"
        )
    return found
