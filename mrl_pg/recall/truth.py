"""The exact nearest rows, by matrix products over blocks in NumPy."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mrl_pg.kinds import Distance

BLOCK_ROWS = 16_384


@dataclass(frozen=True, slots=True)
class Truth:
    """The k nearest rows of each query; both arrays have the shape (queries, k)."""

    rows: NDArray[np.int64]
    distances: NDArray[np.float64]


def nearest(
    rows: NDArray[np.floating],
    queries: NDArray[np.floating],
    *,
    k: int,
    distance: Distance = "cosine",
) -> Truth:
    """The exact top k of `rows` (n, d) for each of `queries` (q, d), nearest first.

    Rows are compared in blocks, so the memory is blocks of (q, 16384) floats. Distances
    are those of pgvector: 1 - cosine, Euclidean, negative inner product.
    """
    count = len(queries)
    best = np.full((count, 0), np.inf, dtype=np.float32)
    places = np.zeros((count, 0), dtype=np.int64)
    for start in range(0, len(rows), BLOCK_ROWS):
        block = np.asarray(rows[start : start + BLOCK_ROWS], dtype=np.float32)
        far = distances(block, np.asarray(queries, dtype=np.float32), distance)
        best = np.hstack([best, far])
        ids = np.arange(start, start + len(block), dtype=np.int64)
        places = np.hstack([places, np.broadcast_to(ids, far.shape)])
        if best.shape[1] > k:
            keep = np.argpartition(best, k - 1, axis=1)[:, :k]
            best = np.take_along_axis(best, keep, axis=1)
            places = np.take_along_axis(places, keep, axis=1)
    order = np.argsort(best, axis=1, kind="stable")
    return Truth(
        np.take_along_axis(places, order, axis=1),
        np.take_along_axis(best, order, axis=1).astype(np.float64),
    )


def distances(
    rows: NDArray[np.float32], queries: NDArray[np.float32], distance: Distance
) -> NDArray[np.float32]:
    """Distances, (queries, rows); infinity under cosine for vectors of zeros."""
    if distance == "l2":
        # double precision, because near rows are small differences of large sums
        wide, wanted = rows.astype(np.float64), queries.astype(np.float64)
        squares = np.sum(wide**2, axis=1) - 2 * (wanted @ wide.T)
        squares += np.sum(wanted**2, axis=1)[:, np.newaxis]
        roots: NDArray[np.float32] = np.sqrt(np.maximum(squares, 0)).astype(np.float32)
        return roots
    products: NDArray[np.float32] = queries @ rows.T
    if distance == "ip":
        return -products
    row_norms = np.linalg.norm(rows, axis=1)
    query_norms = np.linalg.norm(queries, axis=1)[:, np.newaxis]
    with np.errstate(divide="ignore", invalid="ignore"):
        far: NDArray[np.float32] = 1 - products / (row_norms * query_norms)
    return np.where(np.isfinite(far), far, np.float32(np.inf))
