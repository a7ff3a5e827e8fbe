"""Vectors in NumPy: check, truncate and normalise, as the functions in SQL do."""

import struct
from collections.abc import Sequence
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mrl_pg import arguments
from mrl_pg.arguments import shown
from mrl_pg.errors import InvalidSetting, InvalidVector


class HasNumpy(Protocol):
    """A vector with `to_numpy`, such as pgvector's `Vector` and `HalfVector`."""

    def to_numpy(self) -> NDArray[np.floating]:
        """The values as a one-dimensional array."""


VectorLike: TypeAlias = "Sequence[float] | NDArray[np.floating] | HasNumpy"
"""A list, an array of any float or integer dtype, a `Vector` or a `HalfVector`."""

VectorsLike: TypeAlias = "Sequence[VectorLike] | NDArray[np.floating]"
"""Several vectors: a list, or a matrix of shape (vectors, dims)."""


def as_vector(
    value: VectorLike, *, dims: int, cosine: bool = False
) -> NDArray[np.float32]:
    """The query as `dims` finite floats, shape (dims,).

    Raises InvalidVector for another shape or length, for NaN, infinity or a
    value beyond single precision, and, with `cosine`, for a vector of zeros,
    which has no direction.
    """
    wide = _numbers(value, dims)
    if wide.ndim != 1:
        raise InvalidVector(
            f"a query of shape {wide.shape} is not one vector: pass {dims} numbers, "
            "or search_many for several queries"
        )
    if wide.shape[0] != dims:
        raise InvalidVector(
            f"the query has {wide.shape[0]} dimensions and the full column {dims}: "
            "embed queries with the model that embedded the rows, full size"
        )
    with np.errstate(all="ignore"):
        vector = wide.astype(np.float32, copy=False)
        square = float(vector.dot(vector))
    # in this range the vector is finite and not zero; others need a closer look
    return vector if 1e-3 < square < 1e20 else _unusual(vector, wide, cosine)


def _unusual(
    vector: NDArray[np.float32], wide: NDArray[np.floating], cosine: bool
) -> NDArray[np.float32]:
    """A vector of extreme length, scaled under cosine; raises InvalidVector."""
    if not np.isfinite(vector).all():
        place = int(np.flatnonzero(~np.isfinite(vector))[0])
        raise InvalidVector(
            f"the query holds {wide[place]} at position {place}: every value must be "
            "a finite single-precision number"
        )
    if not cosine:
        return vector
    if not vector.any():
        raise InvalidVector(
            "the query is all zeros, which has no direction under cosine: check that "
            "the text was embedded, or use distance='l2'"
        )
    # only the direction counts, and squares of the values would overflow
    scaled: NDArray[np.float32] = np.ldexp(
        vector, -int(np.frexp(np.abs(vector).max())[1])
    )
    return scaled


def _numbers(value: VectorLike, dims: int) -> NDArray[np.floating]:
    """The values as single or double precision, of any shape."""
    if value is None:
        raise InvalidVector(f"the query is None, not a vector: pass {dims} numbers")
    try:
        to_numpy = getattr(value, "to_numpy", None)
        raw = np.asarray(value if to_numpy is None else to_numpy())
        if raw.dtype == np.float32:
            return raw
        # NumPy would also turn text, times and complex values into numbers
        if raw.dtype.kind not in "fiubO":
            raise TypeError(f"{raw.dtype} is no type of numbers")
        if raw.dtype.kind == "O" and any(isinstance(v, (str, bytes)) for v in raw.flat):
            raise TypeError("text is no number")
        wide: NDArray[np.floating] = raw.astype(np.float64)
    # a class of the caller may raise any error when NumPy reads its values
    except Exception as error:
        raise InvalidVector(
            f"a query of type {type(value).__name__} is not a vector: pass a list of "
            f"{dims} numbers, a NumPy array, a Vector or a HalfVector"
        ) from error
    return wide


def as_array(vectors: object) -> NDArray[np.floating]:
    """The vectors as an array of shape (..., n); raises InvalidVector."""
    try:
        array: NDArray[np.floating] = np.asarray(vectors)
        if array.dtype.kind not in "fiub" or not array.ndim:
            raise TypeError
    except Exception as error:
        raise InvalidVector(
            f"{shown(vectors)} are not vectors: pass an array of numbers, of "
            "shape (dims,) or (rows, dims)"
        ) from error
    return array


def normalise(vectors: NDArray[np.floating]) -> NDArray[np.floating]:
    """Vectors scaled to length 1, same shape (..., n) and float dtype; zero stays.

    The norm is computed in double precision, as in pgvector's `l2_normalize`. Raises
    InvalidVector unless the vectors are numbers.
    """
    vectors = as_array(vectors)
    norms = np.sqrt(np.sum(np.square(vectors, dtype=np.float64), axis=-1))
    safe = np.where(norms == 0, 1.0, norms)[..., np.newaxis]
    floats = np.result_type(vectors.dtype, np.float16)
    unit: NDArray[np.floating] = (vectors / safe).astype(floats)
    return unit


def truncate(vectors: NDArray[np.floating], dims: int) -> NDArray[np.floating]:
    """Matryoshka prefixes: the first `dims` of shape (..., n), scaled to length 1.

    Returns what `mrl.truncate` returns in SQL. Raises InvalidSetting unless
    1 ≤ dims ≤ n, and InvalidVector unless the vectors are numbers.
    """
    vectors = as_array(vectors)
    full = vectors.shape[-1]
    if not 1 <= arguments.whole("dims", dims) <= full:
        raise InvalidSetting(
            f"dims {shown(dims)} is outside 1 to {full}, the length of the vector: "
            "a prefix can be at most as long as its vector"
        )
    return normalise(vectors[..., :dims])


def wire(vector: NDArray[np.float32], kind: str) -> bytes:
    """The vector in pgvector's binary format, as a `vector` or a `halfvec`.

    Raises InvalidVector if a value is too large for half precision (above 65504).
    """
    header = struct.pack(">HH", vector.shape[0], 0)
    if kind == "vector":
        return header + vector.astype(">f4").tobytes()
    with np.errstate(over="ignore"):
        values = vector.astype(">f2")
    if not np.isfinite(values).all():
        raise InvalidVector(
            f"the query holds {vector[~np.isfinite(values)][0]}, beyond the largest "
            "half-precision value 65504: normalise it, or store full vectors as vector"
        )
    return header + values.tobytes()


def as_vector_wire(data: bytes, kind: str) -> bytes:
    """A vector in binary format as a `vector`, whatever it was."""
    if kind == "vector":
        return data
    return data[:4] + np.frombuffer(data, ">f2", offset=4).astype(">f4").tobytes()


def as_text(data: bytes, kind: str) -> str:
    """A vector in binary format as pgvector's text: `[1,2,3]`."""
    values = np.frombuffer(data, dtype=">f2" if kind == "halfvec" else ">f4", offset=4)
    return f"[{','.join(str(value) for value in values)}]"
