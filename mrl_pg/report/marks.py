"""The colour and the shape of each index, the same in every plot and every table."""

from dataclasses import dataclass

from mrl_pg.report import values
from mrl_pg.report.colours import INDEXES, LIGHT
from mrl_pg.tune import Tuning

SHAPES = ("o", "s", "v", "P", "X", "p")
"""More than colours, so that a colour that comes again has another shape."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark; `role` is the name of its colour on the page."""

    role: str
    shape: str

    @property
    def colour(self) -> str:
        """The colour in which plots are drawn."""
        return LIGHT[self.role]


FULL = Mark("full", "^")
"""The mark of the index over full vectors, by whichever name."""

EXACT = Mark("ink", "D")


def marks(tuning: Tuning) -> dict[str, Mark]:
    """The marks of all searches that were measured, by name; the recommendation first.

    Other indexes have no mark, because there are more sizes than colours that a reader
    can tell apart.
    """
    tried = [point.name for point in tuning.points if point.option is not None]
    advised = tuning.recommendation.name
    names = dict.fromkeys(tried if advised is None else [advised, *tried])
    made = {
        name: Mark(INDEXES[i % len(INDEXES)], SHAPES[i % len(SHAPES)])
        for i, name in enumerate(names)
    }
    for point in tuning.points:
        if point.option is None:
            made[point.name] = EXACT if point.exact else FULL
    full = values.full_index(tuning)
    return made if full is None else {**made, full[0]: FULL}
