"""Fits a rotation to rows, in NumPy."""

import datetime
from importlib.metadata import version
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from mrl_pg import arguments
from mrl_pg.errors import InvalidVector
from mrl_pg.rotation.value import BLOCK, MOST_DIMS, Provenance, Rotation
from mrl_pg.vectors import as_array

Method: TypeAlias = Literal["pca"]

METHODS: tuple[Method, ...] = get_args(Method)


def fit(
    rows: NDArray[np.floating],
    *,
    method: Method = "pca",
    source: str = "",
    date: str | None = None,
) -> Rotation:
    """A rotation that puts what tells the rows apart into the leading dimensions.

    `rows` are (n, dims), at least one of them not zero; 500 drawn at random bring most
    of the gain, some thousand a little more, and a memory map will do. With `pca` the
    new axes are the principal axes of the rows, without centring, the axis with most of
    their squared length first. Fewer rows than dimensions span fewer axes; axes of
    right angles complete them. Equal rows give the same rotation on the same machine.

    `source` says in words what the rows are, and `date` (default: today) the day.

    Raises InvalidVector for another shape, a value that is not finite, or rows of zeros
    alone, and InvalidSetting for another method.
    """
    arguments.check_choice("method", method, METHODS)
    array = as_array(rows)
    if array.ndim != 2 or not len(array) or not 1 <= array.shape[1] <= MOST_DIMS:
        raise InvalidVector(
            f"rows of shape {array.shape} cannot be fitted. Pass shape (rows, dims), "
            f"with one row or more, and dims from 1 to {MOST_DIMS:,}"
        )
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    return Rotation(
        _principal_axes(array),
        Provenance(
            method=method,
            rows=len(array),
            source=source,
            date=today if date is None else date,
            library=version("mrl_pg"),
        ),
    )


def _principal_axes(rows: NDArray[np.floating]) -> NDArray[np.float32]:
    """Eigenvectors of the rows' second moments, one a row, the largest first."""
    dims = rows.shape[1]
    moments = np.zeros((dims, dims))
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK].astype(np.float64)
        with np.errstate(over="ignore"):
            bad = ~np.isfinite(block.astype(np.float32)).all(axis=1)
        if bad.any():
            raise InvalidVector(
                f"row {start + int(np.argmax(bad))} holds a value that is not finite. "
                "Leave it out"
            )
        moments += block.T @ block
    if not moments.any():
        raise InvalidVector(
            "all rows are zeros, which no axis tells apart. Pass rows with vectors"
        )
    axes: NDArray[np.float64] = np.linalg.eigh(moments)[1].T[::-1]
    # an axis and its opposite are as good: the largest value is made positive
    largest = np.argmax(np.abs(axes), axis=1)
    signs = np.sign(axes[np.arange(dims), largest])
    matrix: NDArray[np.float32] = (axes * signs[:, None]).astype(np.float32)
    return matrix
