"""The sizes that a loss includes, and what each size counts."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mrl_pg import arguments
from mrl_pg.arguments import check_whole, shown
from mrl_pg.embed.text_model import MOST_DIMS
from mrl_pg.errors import InvalidSetting
from mrl_pg.models import ladder

SHORTEST = 16
"""Shorter prefixes are left out of the sizes by default."""


@dataclass(frozen=True, slots=True)
class Nesting:
    """Sizes, ascending, with a weight each, by default 1.

    Without sizes it stands for the usual ones: see `within`. Each step of the training
    includes `dims_per_step` sizes, drawn at random, or all of them. Fewer sizes make a
    step cheaper. Raises InvalidSetting.
    """

    sizes: tuple[int, ...] = ()
    weights: tuple[float, ...] = ()
    dims_per_step: int | None = None

    def __post_init__(self) -> None:
        """Check all values, and put the sizes in order."""
        if self.dims_per_step is not None:
            check_whole("dims_per_step", self.dims_per_step, 1, MOST_DIMS, "a step")
        if isinstance(self.sizes, (str, int)):
            raise InvalidSetting(
                f"sizes={shown(self.sizes)}: name the sizes to train, such as "
                "32, 64, 128 and the full size"
            )
        sizes = [
            check_whole("sizes", size, 1, MOST_DIMS, "a vector column")
            for size in self.sizes
        ]
        if len(set(sizes)) < len(sizes):
            raise InvalidSetting(
                f"sizes={shown(self.sizes)} has a size twice: name each once"
            )
        weights = [arguments.number("weights", weight) for weight in self.weights]
        if weights and len(weights) != len(sizes):
            raise InvalidSetting(
                f"{len(weights)} weights do not fit {len(sizes)} sizes: give a weight "
                "for each size, or none"
            )
        if any(not 0 < weight < np.inf for weight in weights):
            raise InvalidSetting(
                f"weights={shown(self.weights)}: a weight must be above 0; leave a "
                "size out instead of weighing it 0"
            )
        if self.dims_per_step is not None and 0 < len(sizes) < self.dims_per_step:
            raise InvalidSetting(
                f"dims_per_step={self.dims_per_step} is more than the {len(sizes)} "
                "sizes: leave it out to include all sizes in each step"
            )
        weights = weights or [1.0] * len(sizes)
        both = sorted(zip(sizes, weights, strict=True))
        object.__setattr__(self, "sizes", tuple(size for size, _ in both))
        object.__setattr__(self, "weights", tuple(weight for _, weight in both))

    def within(self, full: int) -> "Nesting":
        """These sizes; without any, the usual ones below `full`, and `full` itself.

        Raises InvalidSetting if the vectors are shorter than a size.
        """
        if not self.sizes:
            usual = tuple(size for size in ladder(full) if size >= SHORTEST)
            step = self.dims_per_step
            most = None if step is None else min(step, len(usual) + 1)
            return Nesting((*usual, full), dims_per_step=most)
        if self.sizes[-1] > full:
            raise InvalidSetting(
                f"size {self.sizes[-1]} is longer than the vectors, which have {full} "
                f"numbers: name sizes up to {full}"
            )
        return self

    def drawn(self, random: np.random.Generator) -> Mapping[int, float]:
        """The sizes of one step with their weights."""
        count = len(self.sizes)
        some = self.dims_per_step
        places = (
            range(count)
            if some is None or some == count
            else sorted(random.choice(count, some, replace=False).tolist())
        )
        return {self.sizes[i]: self.weights[i] for i in places}

    @property
    def every(self) -> Mapping[int, float]:
        """All sizes with their weights."""
        return dict(zip(self.sizes, self.weights, strict=True))
