"""The exact k nearest rows of queries, from rows that are read once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mrl_pg.kinds import Distance
from mrl_pg.recall.leaders import BLOCK
from mrl_pg.recall.score import TOLERANCE
from mrl_pg.recall.truth import distances

CROWD = 4
"""Sort out once more than CROWD times k rows a query are held, in the mean."""

SPARE_NAMES = 16
"""Rows beyond twice k that are named if they are as far as the k-th. Of more, such as
all rows of the same text, none is named."""


@dataclass(frozen=True, slots=True)
class Near:
    """The nearest rows of a query.

    `edge` is the distance of the k-th, or of the last if there are fewer, with errors
    of single precision added, because rows as far are as good; None without any row.
    `total` is how many rows there are to find, at most k. `names` are those of all
    rows within the edge: more than `total` if some are equally far, none if many are.
    """

    edge: float | None
    total: int
    names: tuple[str, ...]


class NearRows:
    """Collects the nearest rows of queries, (q, dims), from blocks of rows.

    `Leaders` is faster, but knows neither which rows they are nor those equally far.
    Memory is some q times k names, and the distances of a block of 1024 rows.
    """

    def __init__(
        self, queries: NDArray[np.float32], k: int, distance: Distance
    ) -> None:
        """Make room; no row was seen yet."""
        self.queries, self.k, self.distance = queries, k, distance
        # the distance of the k-th row so far, by query
        self.edges = np.full(len(queries), np.inf)
        # queries with too many rows as far as the k-th to name them; only k are kept
        self.most = 2 * k + SPARE_NAMES
        self.crowded = np.zeros(len(queries), dtype=np.bool_)
        # the rows so far: which query they are near, how far they are, and their names
        self.near = np.empty(0, dtype=np.intp)
        self.far = np.empty(0, dtype=np.float64)
        self.names = np.empty(0, dtype=object)

    def add(
        self,
        rows: NDArray[np.float32],
        names: Sequence[str],
        itself: Iterable[tuple[int, int]] = (),
    ) -> None:
        """Take in rows, (n, dims), and the name of each.

        Without pairs of a query and the row that it is, as positions.
        """
        named = np.array(names, dtype=object)
        pairs = np.array(list(itself), dtype=np.intp).reshape(-1, 2)
        for start in range(0, len(rows), BLOCK):
            block = slice(start, start + BLOCK)
            far = distances(rows[block], self.queries, self.distance)
            place = pairs[:, 1] - start
            here = (place >= 0) & (place < far.shape[1])
            far[pairs[here, 0], place[here]] = np.inf
            wanted = np.where(
                self.crowded,
                np.nextafter(self.edges, -np.inf),
                _at_most(self.edges),
            )
            near, chosen = np.nonzero(far <= wanted[:, np.newaxis])
            self.near = np.concatenate([self.near, near])
            self.far = np.concatenate([self.far, far[near, chosen]])
            self.names = np.concatenate([self.names, named[block][chosen]])
            if len(self.near) > CROWD * self.most * len(self.queries):
                self._sort_out()

    def found(self) -> list[Near]:
        """What is nearest to each query."""
        self._sort_out()
        ends = np.searchsorted(self.near, np.arange(len(self.queries) + 1)).tolist()
        found: list[Near] = []
        for start, end in pairwise(ends):
            total = min(end - start, self.k)
            edge = _at_most(self.far[start + total - 1]) if total else None
            crowded = self.crowded[len(found)]
            names = () if crowded else tuple(self.names[start:end])
            found.append(Near(None if edge is None else float(edge), total, names))
        return found

    def _sort_out(self) -> None:
        """Keep the k nearest rows of each query, and those as far as the k-th."""
        finite = np.flatnonzero(np.isfinite(self.far))
        order = finite[np.lexsort((self.far[finite], self.near[finite]))]
        near, far = self.near[order], self.far[order]
        ends = np.searchsorted(near, np.arange(len(self.queries) + 1))
        full = np.flatnonzero(np.diff(ends) >= self.k)
        self.edges[full] = far[ends[full] + self.k - 1]
        keep = far <= _at_most(self.edges)[near]
        self.crowded |= np.bincount(near[keep], minlength=len(ends) - 1) > self.most
        keep &= ~self.crowded[near] | (np.arange(len(near)) - ends[near] < self.k)
        self.near, self.far = near[keep], far[keep]
        self.names = self.names[order][keep]


def _at_most(far: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far rows may be that are as good as one that is so far."""
    return far + np.maximum(1, np.abs(far)) * TOLERANCE
