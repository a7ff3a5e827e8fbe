"""How near the top of a prefix's order the true neighbours are."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mrl_pg.kinds import Stored
from mrl_pg.recall.score import Recall, summarise

MOST_CANDIDATES = 1000
"""Candidates that curves reach to: a scan that stops hands over no more."""


@dataclass(frozen=True, slots=True)
class Curve:
    """How near the top of a prefix's exact order the true neighbours are.

    `places`, shape (queries, k): positions, 0 the nearest by short vectors, in
    ascending order, of the k rows that are nearest by full ones; MOST_CANDIDATES
    for those further down. So it is the ceiling of any first pass over that prefix.
    """

    dims: int
    stored: Stored
    places: NDArray[np.int32]

    def recall(self, candidates: int) -> Recall:
        """Recall, with its interval, when so many candidates are ranked again."""
        k = self.places.shape[1]
        found = (self.places < candidates).sum(axis=1) / k
        return summarise(found.tolist(), k)

    def candidates_for(self, recall: float) -> int | None:
        """Fewest candidates whose mean recall is at least `recall`; None: too many."""
        flat = np.sort(self.places, axis=None)
        needed = int(np.ceil(recall * flat.size - 1e-9))
        last = int(flat[needed - 1]) if needed else 0
        return None if last >= MOST_CANDIDATES else max(last + 1, self.places.shape[1])
