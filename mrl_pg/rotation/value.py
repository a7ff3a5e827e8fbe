"""A rotation as a value: its matrix, where it comes from, and its file."""

import hashlib
from dataclasses import asdict, dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mrl_pg import arguments
from mrl_pg.errors import InvalidFile, InvalidVector
from mrl_pg.npz import Arrays, read_npz, write_npz
from mrl_pg.vectors import as_array

BLOCK = 8192
"""Vectors to rotate at a time, so that a memory map is never read as a whole."""

TOLERANCE = 1e-5
"""How far the products of a matrix's rows may be from 0 and 1, in single precision."""

MOST_DIMS = 16_000
"""The longest vector that pgvector stores."""

FORMAT = "mrl_pg rotation 1"
VERSION_LENGTH = 12


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a rotation comes from: for people, and kept with it.

    `method` is a name of `METHODS`, `rows` how many rows it was fitted on, and `source`
    what these were, in words. `date` is the day, and `library` the version of mrl_pg.
    """

    method: str
    rows: int
    source: str = ""
    date: str = ""
    library: str = ""

    def __post_init__(self) -> None:
        """Check the types; raises InvalidSetting."""
        for name in ("method", "source", "date", "library"):
            arguments.check_text(name, getattr(self, name))
        rows = arguments.check_whole("rows", self.rows, 0, 2**63 - 1, "a rotation")
        object.__setattr__(self, "rows", rows)

    def as_dict(self) -> dict[str, Any]:
        """The provenance as types that JSON has: `Provenance(**…)` reads them."""
        return asdict(self)


@dataclass(frozen=True, slots=True, eq=False)
class Rotation:
    """An orthogonal matrix (dims, dims) that turns vectors and keeps their distances.

    The rows of `matrix` are the new axes, in the order of what they tell about rows. A
    rotated vector holds the inner products of a vector with them. `version` names the
    matrix: equal matrices have equal versions, and rotations of one version are equal.

    Raises InvalidVector if the matrix is not square, not finite or not orthogonal.
    """

    matrix: NDArray[np.float32]
    provenance: Provenance
    version: str = field(init=False)

    def __post_init__(self) -> None:
        """Check the matrix, keep a copy that nobody can change, and name it."""
        matrix = _orthogonal(self.matrix)
        object.__setattr__(self, "matrix", matrix)
        object.__setattr__(self, "version", _version(matrix))

    @property
    def dims(self) -> int:
        """The length of the vectors that it rotates."""
        return int(self.matrix.shape[0])

    def apply(self, vectors: NDArray[np.floating]) -> NDArray[np.float32]:
        """Vectors of shape (n, dims) or (dims,), rotated, in single precision.

        Distances between rotated vectors are those between the vectors, to 1e-5 of
        their lengths. Works in blocks, so a memory map may be longer than the memory.
        Raises InvalidVector for another shape, or for what is not numbers.
        """
        return self._times(vectors, self.matrix.T)

    def undo(self, vectors: NDArray[np.floating]) -> NDArray[np.float32]:
        """Vectors of shape (n, dims) or (dims,) as they were before `apply`.

        They are equal to 1e-5 of their lengths. Raises what `apply` raises.
        """
        return self._times(vectors, self.matrix)

    def _times(
        self, vectors: NDArray[np.floating], matrix: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        array = as_array(vectors)
        if array.ndim not in (1, 2) or array.shape[-1] != self.dims:
            raise InvalidVector(
                f"vectors of shape {array.shape} do not fit the rotation "
                f"{self.version}. Pass shape ({self.dims},) or (rows, {self.dims}): it "
                "was fitted on vectors of another size, or these are not full vectors"
            )
        if array.ndim == 1:
            turned: NDArray[np.float32] = array.astype(np.float32) @ matrix
            return turned
        out = np.empty(array.shape, dtype=np.float32)
        for start in range(0, len(array), BLOCK):
            part = slice(start, start + BLOCK)
            np.matmul(array[part].astype(np.float32), matrix, out=out[part])
        return out

    def save(self, path: "str | PathLike[str]") -> None:
        """Write one file, which `Rotation.read` reads; it replaces a file of the name.

        The file is an .npz of NumPy, whatever its name. It is complete or not there at
        all. Raises InvalidSetting if `path` is no path, and OSError if it cannot be
        written.
        """
        arguments.check_path("path", path)
        head = {"version": self.version, "provenance": self.provenance.as_dict()}
        write_npz(Path(path), FORMAT, head, matrix=self.matrix)

    @classmethod
    def read(cls, path: "str | PathLike[str]") -> "Rotation":
        """The rotation of a file that `save` wrote.

        Raises InvalidFile if the file is damaged, is something else, or holds a matrix
        that is no rotation; FileNotFoundError if there is none. Nothing in the file is
        run.
        """
        arguments.check_path("path", path)
        return read_npz(
            Path(path),
            FORMAT,
            _made,
            what="a rotation",
            remedy="Write it again with Rotation.save, or mrl-pg rotate",
        )

    def __eq__(self, other: object) -> bool:
        """Whether both are the same matrix."""
        if not isinstance(other, Rotation):
            return NotImplemented
        return self.version == other.version

    def __hash__(self) -> int:
        """By the version, as equality."""
        return hash(self.version)

    def __repr__(self) -> str:
        """Without the matrix."""
        return (
            f"Rotation({self.version!r}, dims={self.dims}, "
            f"provenance={self.provenance!r})"
        )


def _orthogonal(given: object) -> NDArray[np.float32]:
    """A copy of the matrix that cannot be changed; raises InvalidVector."""
    array = as_array(given)
    if (
        array.ndim != 2
        or array.shape[0] != array.shape[1]
        or not 1 <= len(array) <= MOST_DIMS
    ):
        raise InvalidVector(
            f"a matrix of shape {array.shape} is no rotation. Pass shape (dims, dims), "
            f"with dims from 1 to {MOST_DIMS:,}"
        )
    with np.errstate(over="ignore"):
        matrix = np.array(array, dtype="<f4", order="C")
    if not np.isfinite(matrix).all():
        raise InvalidVector("the matrix holds a value that is not finite")
    with np.errstate(over="ignore", invalid="ignore"):
        products = matrix @ matrix.T
        products[np.diag_indices(len(matrix))] -= 1
        far = float(np.abs(products).max())
    # a product beyond single precision is not a number, which no comparison finds
    if not far <= TOLERANCE:
        raise InvalidVector(
            f"the matrix is not orthogonal: products of its rows are up to {far:.2g} "
            f"from 0 and 1, and {TOLERANCE:g} is allowed, so distances would change. "
            "mrl_pg.rotation.fit makes one that is"
        )
    # 0 and -0 are the same matrix, and have to have the same version
    matrix += 0.0
    matrix.setflags(write=False)
    return matrix


def _version(matrix: NDArray[np.float32]) -> str:
    """The first digits of a digest of the matrix, which holds its size as well."""
    return hashlib.sha256(matrix.tobytes()).hexdigest()[:VERSION_LENGTH]


def _made(head: dict[str, Any], arrays: Arrays) -> Rotation:
    rotation = Rotation(arrays["matrix"], Provenance(**head["provenance"]))
    if rotation.version != head["version"]:
        raise InvalidFile(
            f"its matrix is {rotation.version}, and its version says {head['version']}"
        )
    return rotation
