"""What prefixes of each size find: right answers, and the true nearest rows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mrl_pg.recall.truth import nearest

K = 10
"""Rows in an answer."""


@dataclass(frozen=True, slots=True, eq=False)
class PrefixQuality:
    """What an exact search over the first `dims` numbers finds among its K rows.

    `hits` says for each query whether its own answer is there. `recall` is the mean
    share of the K rows that are nearest by full vectors.
    """

    dims: int
    hits: NDArray[np.bool_]
    recall: float

    @property
    def hit(self) -> float:
        """Share of the queries whose own answer is found."""
        return float(self.hits.mean())


def qualities(
    queries: NDArray[np.floating],
    documents: NDArray[np.floating],
    own: NDArray[np.intp],
    sizes: Sequence[int],
) -> tuple[PrefixQuality, ...]:
    """The quality of each size, for queries (q, d) whose answers are the rows `own`."""
    k = min(K, len(documents))
    true = nearest(documents, queries, k=k).rows
    found = []
    for size in sizes:
        rows = nearest(documents[:, :size], queries[:, :size], k=k).rows
        shared = (rows[:, :, np.newaxis] == true[:, np.newaxis, :]).any(axis=2)
        hits = (rows == own[:, np.newaxis]).any(axis=1)
        found.append(PrefixQuality(size, hits, float(shared.mean())))
    return tuple(found)
