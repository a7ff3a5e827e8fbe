"""The best scores of each query, out of blocks that pass once."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mrl_pg.recall.curve import MOST_CANDIDATES

BLOCK = 1024
"""Rows looked at at once: the distances of 500 queries to them fit a cache."""

ROOM = 2
"""Blocks that gather behind the leaders before they are sorted out."""

LEAST = float(np.finfo(np.float32).min)
"""Less than any score, but not the one of a row without a direction."""


class Leaders:
    """The best `most` scores of each query so far; greater is nearer.

    Scores gather behind the leaders until there is no room for another block; only
    then are they sorted out, and from then on only those join that beat the last.
    `beside` further values of a score are kept with it.
    """

    def __init__(self, queries: int, most: int, beside: int = 0) -> None:
        """Room for the leaders of so many queries, and for ROOM blocks."""
        self.most = most
        shape = queries, most + ROOM * BLOCK
        self.scores = np.full(shape, -np.inf, dtype=np.float32)
        self.beside = np.empty((*shape, beside), dtype=np.float32)
        self.held = np.zeros(queries, dtype=np.int64)
        self.floor: NDArray[np.float32] | None = None

    def add(
        self, scores: NDArray[np.float32], beside: Sequence[NDArray[np.float32]] = ()
    ) -> None:
        """Take in a block: arrays of shape (queries, at most BLOCK rows)."""
        count = scores.shape[1]
        if self.floor is None:
            if (start := int(self.held[0])) + count <= self.scores.shape[1]:
                self.scores[:, start : start + count] = scores
                for i, more in enumerate(beside):
                    self.beside[:, start : start + count, i] = more
                self.held += count
                return
            self.floor = self._sort_out()
        places = np.flatnonzero(scores > self.floor)
        queries = places // count
        counts = np.bincount(queries, minlength=len(scores))
        if (self.held + counts).max() > self.scores.shape[1]:
            self.floor = self._sort_out()
        behind = np.arange(len(places)) + np.repeat(
            self.held - (np.cumsum(counts) - counts), counts
        )
        self.scores[queries, behind] = scores.ravel()[places]
        for i, more in enumerate(beside):
            self.beside[queries, behind, i] = more.ravel()[places]
        self.held += counts

    def best(self) -> NDArray[np.float32]:
        """The best scores, (queries, most), ascending; `beside` is then in order."""
        if self.held.max() > self.most:
            self._sort_out()
        best = self.scores[:, : self.most]
        if self.beside.shape[2]:
            order = np.argsort(best, axis=1)
            self.beside = np.take_along_axis(self.beside, order[:, :, np.newaxis], 1)
        return np.sort(best, axis=1)

    def _sort_out(self) -> NDArray[np.float32]:
        """Keep the leaders alone; the least score of each query's."""
        used = self.scores[:, : int(self.held.max())]
        if self.beside.shape[2]:
            keep = np.argpartition(used, -self.most, axis=1)[:, -self.most :]
            leaders = np.take_along_axis(used, keep, axis=1)
            kept = np.take_along_axis(self.beside, keep[:, :, np.newaxis], axis=1)
            self.beside[:, : self.most] = kept
        else:
            used.partition(used.shape[1] - self.most, axis=1)
            leaders = used[:, -self.most :].copy()
        self.scores[:, : self.most] = leaders
        self.scores[:, self.most :] = -np.inf
        self.held = np.minimum(self.held, self.most)
        least: NDArray[np.float32] = leaders.min(axis=1, keepdims=True)
        return least


def places(
    best: NDArray[np.float32], true: NDArray[np.float32], k: int
) -> NDArray[np.int32]:
    """Positions among the `best` scores, ascending, of the k nearest `true` ones.

    Where others score the same, true ones stand evenly among them.
    """
    count, most = best.shape
    places = np.full((count, k), MOST_CANDIDATES, dtype=np.int32)
    for i in range(count):
        scores = true[i][true[i] >= max(best[i, 0], LEAST)]
        values, which, ours = np.unique(
            -scores, return_inverse=True, return_counts=True
        )
        first = most - np.searchsorted(best[i], -values, side="right")
        ties = most - np.searchsorted(best[i], -values, side="left") - first
        order = np.sort(which)
        nth = np.arange(len(scores)) - (np.cumsum(ours) - ours)[order] + 1
        among = nth * (ties[order] + 1) // (ours[order] + 1) - 1
        found = (first[order] + among)[:k]
        places[i, : len(found)] = found
    return places
