"""Remembers hashes of rows, so that a row that moves is read only once."""

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.int64]


class Seen:
    """Hashes of the rows that were read so far: 8 bytes for each row.

    They are sorted runs. Each is at least twice as long as the next, so that a block is
    compared with few runs.
    """

    def __init__(self) -> None:
        """Nothing was read yet."""
        self._runs: list[Hashes] = []

    def add(self, hashes: Hashes) -> NDArray[np.bool_]:
        """Which of some hashes are new; they are not new any more."""
        new = np.ones(len(hashes), dtype=np.bool_)
        for run in self._runs:
            place = np.minimum(np.searchsorted(run, hashes), len(run) - 1)
            new &= run[place] != hashes
        if new.any():
            self._runs.append(np.sort(hashes[new]))
        while len(self._runs) > 1 and len(self._runs[-2]) < 2 * len(self._runs[-1]):
            last = self._runs.pop()
            self._runs[-1] = np.sort(np.concatenate([self._runs[-1], last]))
        return new
