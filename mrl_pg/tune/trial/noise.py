"""How much times differ if the same search is repeated, because other work goes on."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

REPEATED = 20
"""Queries that each setting answers once more, to compare the times."""

BUSY = 1.25
"""Repeated searches that differ by this factor in the median show a busy machine."""


@dataclass(frozen=True, slots=True)
class Noise:
    """Factors between the times of two searches for the same query, by one setting.

    Half of the `pairs` differ by less than `median`, and nine of ten by less than
    `most`.
    """

    median: float
    most: float
    pairs: int

    @property
    def busy(self) -> bool:
        """Whether times are so unsure that they should be measured again."""
        return self.median > BUSY

    def __str__(self) -> str:
        """One plain sentence."""
        known = (
            f"the same search, repeated, took {self.median:.2f} times as long or as "
            f"short in the median, and up to {self.most:.2f} times in 9 of 10 cases"
        )
        if not self.busy:
            return known
        return f"{known}. The machine is busy, so run tune again when it is quiet"

    def as_dict(self) -> dict[str, float | bool]:
        """All fields as types that JSON has."""
        return {**asdict(self), "busy": self.busy}


def noise(first: Sequence[float], again: Sequence[float]) -> Noise | None:
    """The noise of searches that ran twice; None without any."""
    if not len(first):
        return None
    ratios = np.divide(first, again)
    factors = np.maximum(ratios, 1 / ratios)
    median, most = np.quantile(factors, [0.5, 0.9])
    return Noise(float(median), float(most), len(factors))
