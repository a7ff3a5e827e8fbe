"""How much of the truth subsets of the dimensions find, in NumPy."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mrl_pg.recall.prefixes import Products, cosine, lengths
from mrl_pg.recall.score import TOLERANCE

BLOCK = 4096
"""Rows looked at at once."""


def recalls(
    rows: NDArray[np.floating],
    queries: NDArray[np.float32],
    order: NDArray[np.integer],
    ends: Sequence[int],
    k: int,
    own: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Recall@k by cosine, (sizes, queries), of the first dimensions of an order.

    `rows` (n, d) against unit `queries` (q, d), truth by all d dimensions. `order`: a
    permutation of range(d). `ends`: sizes below d, ascending. `own`, shape (q,): which
    row each query is, so that it is not its own answer; -1 for none.

    Work: one matrix product of (q, d) with (d, n), because each size adds to the one
    before. Memory: BLOCK rows twice, and 16 kB a query and size.
    """
    wanted = queries[:, order]
    products = Products(wanted, [*ends, len(order)], BLOCK)
    # for each size, and full at the end: scores of the best k, and their true ones
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
            beside = np.hstack([true[i], scores[-1]])
            true[i] = np.take_along_axis(beside, keep, axis=1)
    edge = true[-1].min(axis=1, keepdims=True) - TOLERANCE
    found: NDArray[np.float64] = (true[:-1] >= edge).mean(axis=2)
    return found
