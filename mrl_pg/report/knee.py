"""Finds the knee of a curve: the size after which more dimensions bring less."""

from collections.abc import Sequence

import numpy as np

FLAT = 0.02
"""A curve that rises by less than this has no knee."""

BEND = 0.05
"""A curve that stays closer than this to a straight line has no knee."""


def knee(sizes: Sequence[int], recalls: Sequence[float]) -> int | None:
    """Position of the size whose recall is furthest above the straight line.

    Sizes ascend and count by their logarithm. Both axes are scaled to 0 to 1, as in
    Satopää et al. 2011. None for a curve that does not bend.
    """
    if len(sizes) < 3 or max(recalls) - recalls[0] < FLAT:
        return None
    across = np.log2(np.asarray(sizes, dtype=np.float64))
    across = (across - across[0]) / (across[-1] - across[0])
    up = (np.asarray(recalls) - recalls[0]) / (max(recalls) - recalls[0])
    place = int(np.argmax(up - across))
    return place if up[place] - across[place] >= BEND else None
