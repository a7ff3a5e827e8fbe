"""Recall by subsets of the dimensions, in NumPy."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mrl_pg.recall.prefixes import Products, cosine, lengths
from mrl_pg.recall.score import TOLERANCE

BLOCK = 4096
"""Rows to score at a time."""


def recalls(
    rows: NDArray[np.floating],
    queries: NDArray[np.float32],
    order: NDArray[np.integer],
    ends: Sequence[int],
    k: int,
    own: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Recall@k by cosine, (sizes, queries), by the first dimensions of an order.

    Compares `rows` (n, d) with `queries` (q, d) of length 1. The true rows are by all d
    dimensions. `order` is a permutation of range(d). `ends` are sizes below d, in
    ascending order. `own`, of shape (q,), says which row each query is, so that the
    query does not find itself; -1 if it is not a row.

    The work is one matrix product of (q, d) with (d, n), because each size adds to the
    size before. Memory is BLOCK rows twice, and 16 kB per query and size.
    """
    wanted = queries[:, order]
    products = Products(wanted, [*ends, len(order)], BLOCK)
    # for each size, the full size last: scores of the best k, and their full scores
    shape = len(ends) + 1, len(wanted), k
    best = np.full(shape, -np.inf, dtype=np.float32)
    true = np.full(shape, -np.inf, dtype=np.float32)
    for start in range(0, len(rows), BLOCK):
        block = np.asarray(rows[start : start + BLOCK], dtype=np.float32)[:, order]
        itself = np.flatnonzero((own >= start) & (own < start + len(block)))
        scores = [
            cosine(product, norms)
            for product, norms in zip(
                products.of(block), lengths(block, products.ends), strict=True
            )
        ]
        for score in scores:
            score[itself, own[itself] - start] = -np.inf
        for i, score in enumerate(scores):
            both = np.hstack([best[i], score])
            keep = np.argpartition(both, -k, axis=1)[:, -k:]
            best[i] = np.take_along_axis(both, keep, axis=1)
            full = np.hstack([true[i], scores[-1]])
            true[i] = np.take_along_axis(full, keep, axis=1)
    edge = true[-1].min(axis=1, keepdims=True) - TOLERANCE
    shares: NDArray[np.float64] = (true[:-1] >= edge).mean(axis=2)
    return shares
