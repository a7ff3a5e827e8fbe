"""The best scores of each query, out of blocks that pass once."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mrl_pg.recall.curve import MOST_CANDIDATES

BLOCK = 1024
"""Rows looked at at once: the distances of 500 queries to them fit a cache."""

WHOLE = 8
"""Times `most` rows seen until a block is looked through before it is taken in: sorting
all of it out is quicker as long as many of its rows are leaders."""

LEAST = float(np.finfo(np.float32).min)
"""Less than any score, but not the one of a row without a direction."""


class Leaders:
    """The best `most` scores of each query so far; greater is nearer.

    Scores gather behind the leaders until there is no room for more; only then are
    they sorted out. After the first blocks only those join that beat the last leader.
    `beside` further values of a score are kept with it.
    """

    def __init__(self, queries: int, most: int, beside: int = 0) -> None:
        """Room for the leaders of so many queries, and for a block."""
        self.most = most
        shape = queries, most + BLOCK
        self.scores = np.full(shape, -np.inf, dtype=np.float32)
        self.beside = np.empty((beside, *shape), dtype=np.float32)
        self.held = np.zeros(queries, dtype=np.int64)
        self.seen = 0
        self.floor: NDArray[np.float32] | None = None

    def add(
        self, scores: NDArray[np.float32], beside: Sequence[NDArray[np.float32]] = ()
    ) -> None:
        """Take in a block: arrays of shape (queries, at most BLOCK rows)."""
        count = scores.shape[1]
        self.seen += count
        if self.seen <= max(WHOLE * self.most, BLOCK):
            if self.held[0] + count > self.scores.shape[1]:
                self._sort_out()
            start = int(self.held[0])
            self.scores[:, start : start + count] = scores
            for kept, more in zip(self.beside, beside, strict=True):
                kept[:, start : start + count] = more
            self.held += count
            return
        if self.floor is None:
            self.floor = self._sort_out()
        better = scores > self.floor
        counts = np.count_nonzero(better, axis=1)
        if (self.held + counts).max() > self.scores.shape[1]:
            self.floor = self._sort_out()
        # one index over all queries' rows: as fast as it gets in NumPy
        width = self.scores.shape[1]
        starts = np.arange(len(counts)) * width + self.held
        places = np.repeat(starts - (np.cumsum(counts) - counts), counts)
        places += np.arange(len(places))
        self.scores.reshape(-1)[places] = scores[better]
        if beside:
            chosen = np.flatnonzero(better)
            for kept, more in zip(self.beside, beside, strict=True):
                kept.reshape(-1)[places] = more.reshape(-1)[chosen]
        self.held += counts

    def best(self) -> NDArray[np.float32]:
        """The best scores, (queries, most), ascending; `beside` is then in order."""
        self._sort_out()
        best = self.scores[:, : self.most]
        order = np.argsort(best, axis=1)
        for kept in self.beside:
            kept[:, : self.most] = np.take_along_axis(kept, order, axis=1)
        return np.take_along_axis(best, order, axis=1)

    def _sort_out(self) -> NDArray[np.float32]:
        """Keep the leaders alone; the least score of each query's."""
        used = self.scores[:, : max(self.most, int(self.held.max()))]
        if len(self.beside):
            keep = np.argpartition(used, -self.most, axis=1)[:, -self.most :]
            leaders = np.take_along_axis(used, keep, axis=1)
            for kept in self.beside:
                kept[:, : self.most] = np.take_along_axis(kept, keep, axis=1)
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
