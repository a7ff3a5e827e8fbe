"""The loss of pairs at nested sizes, with exact gradients, in NumPy."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.floating]

SCALE = 20.0
"""What cosines are multiplied by before the softmax, as in sentence-transformers."""


@dataclass(frozen=True, slots=True)
class Loss:
    """A loss, its gradients by both inputs, and its value at each size."""

    value: float
    anchors: Matrix
    documents: Matrix
    by_size: Mapping[int, float]


def nested_loss(
    anchors: Matrix,
    documents: Matrix,
    *,
    weights: Mapping[int, float],
    same: NDArray[np.bool_] | None = None,
    scale: float = SCALE,
) -> Loss:
    """The weighted sum over sizes of the loss that ranks each anchor's own document.

    `anchors` (n, m) and `documents` (n + more, m) are vectors of any length. Document i
    is the right answer of anchor i, and all others are wrong answers, except where
    `same`, of the shape (n, n + more), is true. `weights` has a number for each size.

    At one size, the loss is the mean cross-entropy of a softmax over the cosines of the
    first dimensions (multiple negatives ranking). At several sizes, it is that of
    Matryoshka Representation Learning (Kusupati et al. 2022).
    """
    count = len(anchors)
    own = np.arange(count)
    by_anchor, by_document = np.zeros_like(anchors), np.zeros_like(documents)
    total = 0.0
    by_size = {}
    for size, weight in weights.items():
        left, left_norms = _unit(anchors[:, :size])
        right, right_norms = _unit(documents[:, :size])
        scores = scale * (left @ right.T)
        if same is not None:
            scores[same] = -np.inf
        scores -= scores.max(axis=1, keepdims=True)
        shares = np.exp(scores)
        sums = shares.sum(axis=1, keepdims=True)
        by_size[size] = float(np.mean(np.log(sums[:, 0]) - scores[own, own]))
        total += weight * by_size[size]
        # the gradient by the scores: the softmax, less 1 at the right answer
        shares /= sums
        shares[own, own] -= 1
        shares *= weight * scale / count
        by_anchor[:, :size] += _through(left, left_norms, shares @ right)
        by_document[:, :size] += _through(right, right_norms, shares.T @ left)
    return Loss(total, by_anchor, by_document, by_size)


def _unit(vectors: Matrix) -> tuple[Matrix, Matrix]:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    # a vector of zeros stays, and gets no gradient
    norms[norms == 0] = np.inf
    return vectors / norms, norms


def _through(unit: Matrix, norms: Matrix, gradient: Matrix) -> Matrix:
    """The gradient by vectors, from that by the same vectors at length 1."""
    along = np.einsum("ij,ij->i", unit, gradient)[:, np.newaxis]
    through: Matrix = (gradient - unit * along) / norms
    return through
