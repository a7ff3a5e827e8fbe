"""Whether a calibration supports the recall that a search asks for."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from mrl_pg import arguments
from mrl_pg.arguments import shown
from mrl_pg.errors import InvalidSetting

Standing: TypeAlias = Literal["kept", "unreached", "stale", "uncalibrated"]
"""Whether a calibration keeps a recall, falls short, is out of date, or is missing.

It is out of date if the table has a fifth more or fewer rows than when it was measured,
by PostgreSQL's statistics, or if its index was rebuilt with another m or
ef_construction.
"""


@dataclass(frozen=True, slots=True)
class Promise:
    """The search that was chosen for a recall, and what was measured of it.

    `measured` is the mean recall and `low` its one-sided lower bound of 95 %. Both are
    None without a calibration to choose by; `candidates` is then a safe number.
    """

    recall: float
    standing: Standing
    candidates: int
    ef_search: int
    measured: float | None
    low: float | None

    def __str__(self) -> str:
        """What happened, in one sentence."""
        if self.measured is None or self.low is None:
            why = {
                "stale": "the table or its index has changed since the calibration",
                "uncalibrated": "there is no calibration",
            }[self.standing]
            return (
                f"recall {self.recall}: {why}, so {self.candidates} candidates are "
                "taken; run index.calibrate(conn) or `mrl-pg calibrate` with the k and "
                "the filter of this search"
            )
        found = f"{self.measured:.4f} (above {self.low:.4f})"
        if self.standing == "kept":
            return f"recall {self.recall}: measured {found}"
        if self.measured >= self.recall:
            return (
                f"recall {self.recall} is not sure: measured {found}, on too few "
                "queries; calibrate with a larger sample"
            )
        return (
            f"recall {self.recall} is out of reach: the most that was measured is "
            f"{found}; take a larger size, another kind, m or ef_construction, or "
            "exact=True"
        )


def check_recall(recall: float, what: str = "recall") -> float:
    """The recall; raises InvalidSetting unless it is above 0 and at most 1."""
    try:
        share = arguments.number(what, recall)
    except InvalidSetting:
        share = 0.0
    if not 0 < share <= 1:
        raise InvalidSetting(
            f"{what}={shown(recall)} is not a share above 0 and at most 1: "
            f"give, for example, {what}=0.99"
        )
    return share
