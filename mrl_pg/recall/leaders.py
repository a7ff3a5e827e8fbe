"""The best scores of each query, from blocks of rows that are read once."""

import numpy as np
from numpy.typing import NDArray

from mrl_pg.recall.curve import MOST_CANDIDATES

BLOCK = 1024
"""Rows in a block. The scores of 500 queries for a block fit the processor's cache."""

WHOLE = 8
"""Until WHOLE times `most` rows were seen, `add` takes whole blocks, because many rows
are leaders. Later it takes only the scores above the floor."""

CROWD = 4
"""Prune once more than CROWD times `most` rows are buffered, because the extra scores
per row are expensive to keep."""

LEAST = float(np.finfo(np.float32).min)
"""The least score of a row with a direction. Rows of zeros have minus infinity."""


class Leaders:
    """The best `most` scores of each query so far, the leaders; greater is nearer.

    New scores are buffered behind the leaders. When the buffer is full, only the
    leaders stay, and the least leader becomes the floor. After the first blocks, only
    scores above the floor are taken in.
    """

    def __init__(self, queries: int, most: int) -> None:
        """Make room for the leaders of `queries` queries, and for a block."""
        self.most = most
        self.scores = np.full((queries, most + BLOCK), -np.inf, dtype=np.float32)
        self.held = np.zeros(queries, dtype=np.int64)
        self.floor = np.full((queries, 1), -np.inf, dtype=np.float32)
        self.seen = 0

    def add(self, scores: NDArray[np.float32]) -> None:
        """Take in the scores of a block, of shape (queries, at most BLOCK rows)."""
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
        """Take in the scores of a block above the floor.

        Returns their flat indexes in the buffer, and in the block.
        """
        count = scores.shape[1]
        chosen = np.flatnonzero(scores > self.floor)
        ends = np.searchsorted(chosen, np.arange(len(scores) + 1) * count)
        counts = np.diff(ends)
        if (self.held + counts).max() > self.scores.shape[1]:
            self.sort_out()
        # a flat index over all queries, because this is fastest in NumPy
        starts = np.arange(len(counts)) * self.scores.shape[1] + self.held
        places = np.repeat(starts - ends[:-1], counts)
        places += np.arange(len(places))
        self.scores.reshape(-1)[places] = scores.reshape(-1)[chosen]
        self.held += counts
        return places, chosen

    def sort_out(self) -> None:
        """Keep only the leaders, in no order."""
        used = self.scores[:, : max(self.most, int(self.held.max()))]
        used.partition(used.shape[1] - self.most, axis=1)
        leaders = used[:, -self.most :].copy()
        self.scores[:, : self.most] = leaders
        self.scores[:, self.most :] = -np.inf
        self.held = np.minimum(self.held, self.most)
        self.floor = leaders.min(axis=1, keepdims=True)

    def best(self) -> NDArray[np.float32]:
        """The best scores, of shape (queries, most), ascending."""
        self.sort_out()
        return np.sort(self.scores[:, : self.most], axis=1)


class Nearest(Leaders):
    """Leaders that keep the scores of their rows by other measures, too."""

    def __init__(self, queries: int, most: int, others: int) -> None:
        """Make room for the leaders, and for `others` more scores of each."""
        super().__init__(queries, most)
        self.others = np.empty((others, *self.scores.shape), dtype=np.float32)

    def join(
        self, scores: NDArray[np.float32]
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Take in the scores of a block above the floor; prunes early, see CROWD."""
        if self.held.max() > CROWD * self.most:
            self.sort_out()
        return super().join(scores)

    def sort_out(self) -> None:
        """Keep only the leaders, best last."""
        used = self.scores[:, : max(self.most, int(self.held.max()))]
        order = np.argsort(used, axis=1)[:, -self.most :]
        self.scores[:, : self.most] = np.take_along_axis(self.scores, order, axis=1)
        self.scores[:, self.most :] = -np.inf
        for other in self.others:
            other[:, : self.most] = np.take_along_axis(other, order, axis=1)
        self.held = np.minimum(self.held, self.most)
        self.floor = self.scores[:, :1].copy()


def places(
    best: NDArray[np.float32], true: NDArray[np.float32], k: int
) -> NDArray[np.int32]:
    """Positions among the `best` scores of the k nearest `true` rows, ascending.

    If other rows have the same score, the true rows stand evenly among them. The lowest
    score in `best` may tie with any number of rows that are not in `best`. So a true
    row with that score counts as not found, if it ties with another row in `best`.
    """
    there = true >= LEAST
    most = max(k, int(there.sum(axis=1).max()))
    true = np.sort(np.where(there, true, -np.inf), axis=1)[:, -most:]
    first, ties = _standing(best, true)
    before, ours = _standing(true, true)
    nth = np.arange(most, 0, -1) - before
    positions = first + nth * (ties + 1) // (ours + 1) - 1
    floor = np.maximum(best[:, :1], LEAST)
    positions[(true < floor) | (true == floor) & (ties > 1)] = MOST_CANDIDATES
    return positions[:, ::-1][:, :k].astype(np.int32)


def _standing(
    best: NDArray[np.float32], scores: NDArray[np.float32]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """How many of a query's `best` scores are above each score, and how many equal."""
    known, wanted = _by_query(best).reshape(-1), _by_query(scores)
    right = np.searchsorted(known, wanted, side="right")
    left = np.searchsorted(known, wanted, side="left")
    ends = best.shape[1] * np.arange(1, len(best) + 1)[:, np.newaxis]
    return ends - right, right - left


def _by_query(scores: NDArray[np.float32]) -> NDArray[np.complex64]:
    # complex numbers sort by the real part first, so one search can serve all queries
    keys = np.empty(scores.shape, dtype=np.complex64)
    keys.real = np.arange(len(scores))[:, np.newaxis]
    keys.imag = scores
    return keys
