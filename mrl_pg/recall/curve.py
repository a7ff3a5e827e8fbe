"""The places of the true neighbours in the order of a prefix."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mrl_pg.kinds import Stored
from mrl_pg.recall.score import Recall, summarise

MOST_CANDIDATES = 1000
"""The most candidates of a curve, because a scan without iteration returns no more."""


@dataclass(frozen=True, slots=True)
class Curve:
    """The places of the true neighbours in the exact order of a prefix.

    `places`, of shape (queries, k), are the positions of the k rows that are nearest by
    full vectors, in ascending order. Position 0 is the nearest row by short vectors.
    Rows further down have MOST_CANDIDATES. So the curve is the best recall that a first
    pass over this prefix can have.
    """

    dims: int
    stored: Stored
    places: NDArray[np.int32]

    def recall(self, candidates: int) -> Recall:
        """Recall, with its interval, if this many candidates go to the second pass."""
        k = self.places.shape[1]
        shares = (self.places < candidates).sum(axis=1) / k
        return summarise(shares.tolist())

    def candidates_for(self, recall: float) -> int | None:
        """The fewest candidates with a mean recall of at least `recall`, at least k.

        None if MOST_CANDIDATES are not enough.
        """
        flat = np.sort(self.places, axis=None)
        needed = int(np.ceil(recall * flat.size - 1e-9))
        last = int(flat[needed - 1]) if needed else 0
        return None if last >= MOST_CANDIDATES else max(last + 1, self.places.shape[1])
