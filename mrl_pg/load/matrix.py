"""The vectors of a block as one checked float32 matrix, and its bad rows."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mrl_pg.load.block import Values, shown

HALF_LIMIT = 65520.0
"""The smallest value that half precision rounds to infinity."""

NUMBERS = (int, float)
BRACKETS = ("[]", "{}", "()")
BASE64 = re.compile(r"[A-Za-z0-9+/_-]{8,}={0,2}")
OBJECT_PER_ROW = (
    "; write one object per row (pandas: to_json(orient='records', lines=True))"
)
RAW_BYTES = (
    "name their number type with vector_bytes= (--vector-bytes float32 for "
    "tobytes() of a float32 array of NumPy)"
)


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Values of one column in native byte order; `null` marks the NULLs, if any."""

    data: NDArray[Any]
    null: NDArray[np.bool_] | None = None


def length(values: Values) -> int | None:
    """The most common length of the vectors in a block; None if all are NULL."""
    if isinstance(values, np.ndarray) and values.ndim == 2:
        return int(values.shape[1])
    sizes = Counter(size for size in map(_size, values) if size is not None)
    return sizes.most_common(1)[0][0] if sizes else None


# Only counts numbers. Packing names the rows that are not vectors.
def _size(value: Any) -> int | None:
    if isinstance(value, str):
        return value.count(",") + 1 if "," in value else len(value.split())
    if isinstance(value, bytes):
        return len(value) // 4
    if hasattr(value, "to_numpy"):
        value = value.to_numpy()
    if isinstance(value, np.ndarray) and value.ndim != 1:
        return None
    return len(value) if isinstance(value, (list, tuple, np.ndarray)) else None


def matrix(values: Values, dims: int, half: bool, bad: dict[int, str]) -> Cells:
    """A matrix of shape (rows, dims) whose values are finite in the column's type.

    `half` means type halfvec. Adds bad rows to `bad`, by place: rows with the wrong
    length, or with values that are not numbers, are NaN or infinite, or are too large
    for the type. The values of bad rows in the result have no meaning.
    """
    if (
        isinstance(values, np.ndarray)
        and values.ndim == 2
        and values.dtype.kind in "fiu"
    ):
        if values.shape[1] != dims:
            why = wrong_length(values.shape[1], dims)
            bad.update({i: bad.get(i, why) for i in range(len(values))})
            return Cells(np.zeros((len(values), dims), dtype=np.float32))
        with np.errstate(over="ignore"):
            floats = values.astype(np.float32, copy=False)
        cells = Cells(floats)
    else:
        cells = _from_rows(values, dims, bad)
    _check_range(cells.data, values, half, bad)
    return cells


def _from_rows(values: Values, dims: int, bad: dict[int, str]) -> Cells:
    out = np.zeros((len(values), dims), dtype=np.float32)
    null = np.zeros(len(values), dtype=np.bool_)
    with np.errstate(over="ignore"):
        for i, value in enumerate(values):
            if value is None:
                null[i] = True
                continue
            try:
                row = to_vector(value)
            except ValueError as error:
                bad.setdefault(i, str(error))
                continue
            if len(row) != dims:
                bad.setdefault(i, wrong_length(len(row), dims))
            else:
                out[i] = row
    return Cells(out, null if null.any() else None)


def to_vector(value: Any) -> NDArray[np.float64]:
    """One vector from a list, an array, a pgvector object or text like `[1,2,3]`.

    Raises ValueError with the reason if the value is not a vector.
    """
    if isinstance(value, str):
        return _from_text(value)
    if hasattr(value, "to_numpy"):  # pgvector's Vector and HalfVector
        value = value.to_numpy()
    if isinstance(value, np.ndarray):
        if value.ndim == 1 and value.dtype.kind in "fiu":
            return value.astype(np.float64)
        value = value.tolist()
    if isinstance(value, bytes):
        raise ValueError(f"a vector as {len(value)} raw bytes: {RAW_BYTES}")
    if not isinstance(value, (list, tuple)):
        raise ValueError(
            f"{shown(value)} is not a vector: expected a list of numbers"
            + (OBJECT_PER_ROW if isinstance(value, dict) else "")
        )
    return _from_list(value)


def _from_list(value: Sequence[Any]) -> NDArray[np.float64]:
    # check types first, because NumPy would accept a bool and a string of digits
    if not set(map(type, value)) <= set(NUMBERS):
        for place, item in enumerate(value):
            number = isinstance(item, (*NUMBERS, np.number))
            if not number or isinstance(item, bool):
                raise ValueError(
                    f"{shown(item)} at position {place} is not a number"
                    + (OBJECT_PER_ROW if isinstance(item, list) else "")
                )
    try:
        return np.array(value, dtype=np.float64)
    except OverflowError:
        raise ValueError(
            "a whole number in the vector is beyond single precision"
        ) from None


def _from_text(text: str) -> NDArray[np.float64]:
    inner = text.strip()
    if inner[:1] + inner[-1:] not in BRACKETS or "_" in inner:
        raise ValueError(_no_vector(text))
    inside = inner[1:-1].strip()
    # NumPy prints spaces between the numbers
    parts = inside.split(",") if "," in inside else inside.split()
    try:
        return np.array([float(part) for part in parts], dtype=np.float64)
    except ValueError:
        raise ValueError(_no_vector(text)) from None


def _no_vector(text: str) -> str:
    said = f"{shown(text)} is not a vector like [1,2,3]"
    if "..." in text:
        return f"{said}: NumPy left numbers out when it printed the array; save a list"
    if BASE64.fullmatch(text.strip()):
        return f"{said}; is it base64? {RAW_BYTES}"
    return said


def wrong_length(length: int, dims: int) -> str:
    """Why a vector of another length is refused."""
    return f"the vector has {length} numbers where {dims} are expected"


def _check_range(
    floats: NDArray[np.float32], values: Values, half: bool, bad: dict[int, str]
) -> None:
    limit = HALF_LIMIT if half else np.inf
    # min and max return NaN if a value is NaN, and NaN is within no limits
    if floats.size == 0 or (-limit < floats.min() and floats.max() < limit):
        return
    fine = np.abs(floats) < limit
    for i in np.flatnonzero(~fine.all(axis=1)):
        place = int(np.flatnonzero(~fine[i])[0])
        if int(i) not in bad:
            given = float(to_vector(values[int(i)])[place])
            bad[int(i)] = _beyond(given, place, half)


def _beyond(given: float, place: int, half: bool) -> str:
    if not np.isfinite(given):
        return f"{given} at position {place}: every value must be a finite number"
    kind, largest = ("halfvec", "65504") if half else ("vector", "3.4e38")
    return f"{given:g} at position {place} is beyond the largest {kind} value {largest}"
