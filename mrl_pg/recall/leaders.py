"""The best scores of each query, out of blocks that pass once."""

import numpy as np
from numpy.typing import NDArray

from mrl_pg.recall.curve import MOST_CANDIDATES

BLOCK = 1024
"""Rows looked at at once: the distances of 500 queries to them fit a cache."""

WHOLE = 8
"""Times `most` rows seen until a block is looked through before it is taken in: sorting
all of it out is quicker as long as many of its rows are leaders."""

CROWD = 4
"""Prune once 4 times `most` rows are buffered, because the extra scores per row are
expensive to keep."""

LEAST = float(np.finfo(np.float32).min)
"""Less than any score, but not the one of a row without a direction."""


class Leaders:
    """The best `most` scores of each query so far; greater is nearer.

    Scores gather behind the leaders until there is no room for more; only then are
    they sorted out. After the first blocks only those join that beat the last leader.
    """

    def __init__(self, queries: int, most: int) -> None:
        """Room for the leaders of so many queries, and for a block."""
        self.most = most
        self.scores = np.full((queries, most + BLOCK), -np.inf, dtype=np.float32)
        self.held = np.zeros(queries, dtype=np.int64)
        self.floor = np.full((queries, 1), -np.inf, dtype=np.float32)
        self.seen = 0

    def add(self, scores: NDArray[np.float32]) -> None:
        """Take in a block: (queries, at most BLOCK rows)."""
        count = scores.shape[1]
        self.seen += count
        if self.seen > WHOLE * self.most:
            self.join(scores)
            return
        if self.held[0] + count > self.scores.shape[1]:
            self.sort_out()
        start = int(self.held[0])
        self.scores[:, start : start + count] = scores
        self.held += count

    def join(
        self, scores: NDArray[np.float32]
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Take in those of a block that beat the floor: where to, and where from.

        Both count through all queries, row by row.
        """
        count = scores.shape[1]
        chosen = np.flatnonzero(scores > self.floor)
        ends = np.searchsorted(chosen, np.arange(len(scores) + 1) * count)
        counts = np.diff(ends)
        if (self.held + counts).max() > self.scores.shape[1]:
            self.sort_out()
        # one index over all queries: as fast as it gets in NumPy
        starts = np.arange(len(counts)) * self.scores.shape[1] + self.held
        places = np.repeat(starts - ends[:-1], counts)
        places += np.arange(len(places))
        self.scores.reshape(-1)[places] = scores.reshape(-1)[chosen]
        self.held += counts
        return places, chosen

    def sort_out(self) -> None:
        """Keep the leaders alone, in no order."""
        used = self.scores[:, : max(self.most, int(self.held.max()))]
        used.partition(used.shape[1] - self.most, axis=1)
        leaders = used[:, -self.most :].copy()
        self.scores[:, : self.most] = leaders
        self.scores[:, self.most :] = -np.inf
        self.held = np.minimum(self.held, self.most)
        self.floor = leaders.min(axis=1, keepdims=True)

    def best(self) -> NDArray[np.float32]:
        """The best scores, (queries, most), ascending."""
        self.sort_out()
        return np.sort(self.scores[:, : self.most], axis=1)


class Nearest(Leaders):
    """Leaders whose scores by other measures are kept with them."""

    def __init__(self, queries: int, most: int, others: int) -> None:
        """Room for the leaders, and for `others` scores of each."""
        super().__init__(queries, most)
        self.others = np.empty((others, *self.scores.shape), dtype=np.float32)

    def join(
        self, scores: NDArray[np.float32]
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Take in those of a block that beat the floor, which is kept high."""
        if self.held.max() > CROWD * self.most:
            self.sort_out()
        return super().join(scores)

    def sort_out(self) -> None:
        """Keep the leaders alone, best last."""
        used = self.scores[:, : max(self.most, int(self.held.max()))]
        order = np.argsort(used, axis=1)[:, -self.most :]
        self.scores[:, : self.most] = np.take_along_axis(self.scores, order, axis=1)
        self.scores[:, self.most :] = -np.inf
        for kept in self.others:
            kept[:, : self.most] = np.take_along_axis(kept, order, axis=1)
        self.held = np.minimum(self.held, self.most)
        self.floor = self.scores[:, :1].copy()


def places(
    best: NDArray[np.float32], true: NDArray[np.float32], k: int
) -> NDArray[np.int32]:
    """Positions among the `best` scores, ascending, of the k nearest `true` ones.

    Where others score the same, true ones stand evenly among them. The last of the
    `best` may tie with any number of rows beyond them, which nobody counted: a true row
    of that score, as where signs cannot tell rows apart, counts as not found.
    """
    there = true >= LEAST
    most = max(k, int(there.sum(axis=1).max()))
    true = np.sort(np.where(there, true, -np.inf), axis=1)[:, -most:]
    first, ties = _standing(best, true)
    before, ours = _standing(true, true)
    nth = np.arange(most, 0, -1) - before
    found = first + nth * (ties + 1) // (ours + 1) - 1
    floor = np.maximum(best[:, :1], LEAST)
    found[(true < floor) | (true == floor) & (ties > 1)] = MOST_CANDIDATES
    return found[:, ::-1][:, :k].astype(np.int32)


def _standing(
    best: NDArray[np.float32], scores: NDArray[np.float32]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """How many of a query's `best`, ascending, are above each score, and the same."""
    known, wanted = _by_query(best).reshape(-1), _by_query(scores)
    right = np.searchsorted(known, wanted, side="right")
    left = np.searchsorted(known, wanted, side="left")
    ends = best.shape[1] * np.arange(1, len(best) + 1)[:, np.newaxis]
    return ends - right, right - left


def _by_query(scores: NDArray[np.float32]) -> NDArray[np.complex64]:
    # complex numbers sort by the real part first, so one search serves all queries
    keys = np.empty(scores.shape, dtype=np.complex64)
    keys.real = np.arange(len(scores))[:, np.newaxis]
    keys.imag = scores
    return keys
