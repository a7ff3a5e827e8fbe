"""Vectors for tests, their exact distances and their exact answers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mrl_pg import SearchResult, normalise
from mrl_pg.kinds import Distance

Vectors = NDArray[np.float32]

DIMS = 64
"""Full size of the synthetic vectors."""

TOLERANCE = 1e-5
"""Difference that we allow, because pgvector sums in single precision."""


def matryoshka(rows: int, *, dims: int = DIMS, seed: int = 1) -> Vectors:
    """Unit vectors whose first values matter most, as in a Matryoshka model."""
    random = np.random.default_rng(seed)
    scale = np.arange(1, dims + 1) ** -0.5
    vectors = random.standard_normal((rows, dims)) * scale
    unit: Vectors = normalise(vectors).astype(np.float32)
    return unit


def distances(
    vectors: Vectors, query: Sequence[float] | NDArray[Any], distance: Distance
) -> NDArray[np.float64]:
    """pgvector's distances of the query to every row, in double precision."""
    rows = np.asarray(vectors, dtype=np.float64)
    point = np.asarray(query, dtype=np.float64)
    if distance == "l2":
        return _lengths(rows - point)
    products: NDArray[np.float64] = rows @ point
    if distance == "ip":
        return -products
    lengths = _lengths(rows) * np.linalg.norm(point)
    with np.errstate(invalid="ignore"):
        cosine: NDArray[np.float64] = 1 - products / lengths
    return cosine


def _lengths(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """The length of each row, in a tenth of the time of `numpy.linalg.norm`."""
    lengths: NDArray[np.float64] = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    return lengths


def least_far(vectors: Vectors, k: int, distance: Distance = "cosine") -> Vectors:
    """The row whose k nearest rows are nearest: a search for a recall never goes on."""
    far = [np.partition(distances(vectors, row, distance), k)[k] for row in vectors]
    row: Vectors = vectors[int(np.argmin(far))]
    return row


def assert_true(
    found: SearchResult,
    vectors: Vectors,
    query: Sequence[float] | NDArray[Any],
    distance: Distance = "cosine",
    *,
    tolerance: float = TOLERANCE,
) -> None:
    """Distances are true for each key, nearest first, no key twice."""
    far = distances(vectors, query, distance)
    given = [hit.distance for hit in found]
    assert np.allclose(given, [far[key - 1] for key in found.keys], atol=tolerance)
    assert given == sorted(given)
    assert len(set(found.keys)) == len(found)


def nearest(
    vectors: Vectors,
    query: Sequence[float] | NDArray[Any],
    k: int = 10,
    distance: Distance = "cosine",
    *,
    start: int = 1,
) -> list[int]:
    """Keys of the exact answer, nearest first; `start` is the key of the first row."""
    far = distances(vectors, query, distance)
    return [int(i) + start for i in np.argsort(far, kind="stable")[:k]]


def recall(found: SearchResult, truth: Sequence[int]) -> float:
    """Share of the true keys among the answers."""
    return len(set(found.keys) & set(truth)) / len(truth)
