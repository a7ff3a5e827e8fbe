"""Where a curve bends: the size after which more dimensions bring less."""

from collections.abc import Sequence

import numpy as np

FLAT = 0.02
"""A curve that rises by less has no knee worth naming."""

BEND = 0.05
"""One that stays so near to a straight line has none either."""


def knee(sizes: Sequence[int], recalls: Sequence[float]) -> int | None:
    """Position of the size whose recall is furthest above the straight line.

    Sizes, ascending, count by their logarithm, and both axes from first to last
    (Satopää et al. 2011). None for a curve that does not bend.
    """
    if len(sizes) < 3 or max(recalls) - recalls[0] < FLAT:
        return None
    across = np.log2(np.asarray(sizes, dtype=np.float64))
    across = (across - across[0]) / (across[-1] - across[0])
    up = (np.asarray(recalls) - recalls[0]) / (max(recalls) - recalls[0])
    place = int(np.argmax(up - across))
    return place if up[place] - across[place] >= BEND else None
