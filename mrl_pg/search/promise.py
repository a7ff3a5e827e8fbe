"""Whether a calibration supports the recall that a search asks for."""

from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from mrl_pg import arguments
from mrl_pg.arguments import shown
from mrl_pg.errors import InvalidSetting

Standing: TypeAlias = Literal[
    "measured",
    "corrected",
    "rows",
    "beyond",
    "borrowed",
    "stale",
    "unreached",
    "uncalibrated",
]
"""What stands behind a recall.

- `measured`: measured on real queries, which found it.
- `corrected`: measured on rows that are as far from their answers as real queries.
- `rows`: measured on rows, which find more than real queries; a margin is added.
- `beyond`: the answer is farther away than those of queries that found it.
- `borrowed`: measured with filters that let about as many rows through; the answer is
  as near as theirs.
- `stale`: the table or its index has changed since it was measured.
- `unreached`: no search that was measured is sure to reach it.
- `uncalibrated`: nothing was measured.
"""

Basis: TypeAlias = Literal["queries", "distances", "unlike", "outside", "rows"]
"""What was searched for in a calibration.

Real queries; rows that were chosen by the distances of real answers; rows though real
queries are unlike them, by these distances; rows that the filter turns away, because
they found less than rows that it lets through; or any rows of the table.
"""

_NEXT: dict[Standing, str] = {
    "rows": "real queries may find less, so calibrate with real queries",
    "beyond": "calibrate with real queries like this one",
    "borrowed": "calibrate with this filter",
    "stale": "{candidates} candidates are taken until you run {calibrate} again",
    "uncalibrated": "{candidates} candidates are taken until you run {calibrate} with "
    "{what} of this search",
}

_OTHER_K = "calibrate with the k of this search"

_TOO_FEW = "calibrate with more queries, or with real queries"

_OUT_OF_REACH = "take a larger size, another kind, m or ef_construction, or exact=True"


@dataclass(frozen=True, slots=True)
class PromiseStep:
    """A search that keeps a recall for answers up to a distance of the k-th row."""

    up_to: float
    candidates: int
    ef_search: int
    rerank: int | None = None


@dataclass(frozen=True, slots=True)
class Promise:
    """The search that was chosen for a recall, and what was measured of it.

    `measured` is the mean recall and `low` its one-sided lower bound of 95 %. `p05` is
    the 5th percentile: one query in twenty found as little. `basis` says what the
    `queries` were. All are None without a calibration to choose by; `candidates` is
    then a safe number. `candidates` and `ef_search` are None where exact search was
    fastest. `rerank` of the candidates are read in full, None if all are. With a
    `quantile`, `found_by` is the share of the queries that found the recall, None if
    that is not known. `borrowed` if it was measured with another filter, or by another
    role under row-level security. `words` says all to people. `tenant` is the key if
    the index of a tenant was measured.

    What was measured on rows, or with another filter, holds for answers up to some
    distance. The first of the `steps` is the search that was chosen, which is enough
    for four in five. The others are wider, for answers farther away. Elsewhere there
    are no steps.
    """

    recall: float
    standing: Standing
    candidates: int | None
    ef_search: int | None
    measured: float | None
    low: float | None
    p05: float | None = None
    queries: int | None = None
    basis: Basis | None = None
    quantile: float | None = None
    found_by: float | None = None
    steps: tuple[PromiseStep, ...] = ()
    rerank: int | None = None
    borrowed: bool = field(default=False, compare=False)
    words: str = field(default="", compare=False)
    tenant: str | None = field(default=None, compare=False)

    def __str__(self) -> str:
        """What stands behind the recall, and what to do about it, in one sentence."""
        then = _NEXT.get(self.standing, "")
        if self.standing == "unreached":
            then = self._next()
        elif self.standing == "beyond" and self.borrowed:
            then = _NEXT["borrowed"]
        calibrate = "index.calibrate(conn) or `mrl-pg calibrate`"
        what = "the k and the filter"
        if self.tenant is not None:
            calibrate = (
                f"column.calibrate_tenant(conn, {self.tenant!r}) or "
                "`mrl-pg tenants run --calibrate`"
            )
            # tenants are calibrated without a filter
            what = "the k"
        then = then.format(candidates=self.candidates, calibrate=calibrate, what=what)
        said = [self.words, then]
        asked = f"recall {self.recall}"
        if self.quantile is not None:
            asked += f", quantile {self.quantile}"
        return f"{asked}: {'; '.join(part for part in said if part)}"

    def step(self, distance: float) -> PromiseStep | None:
        """The search that an answer so far away needs; None if it was the first."""
        if not self.steps or distance <= self.steps[0].up_to:
            return None
        enough = (step for step in self.steps if distance <= step.up_to)
        return next(enough, self.steps[-1])

    def wider(self, step: PromiseStep) -> "Promise":
        """The same promise by the search of a step."""
        return replace(
            self,
            candidates=step.candidates,
            ef_search=step.ef_search,
            rerank=step.rerank,
        )

    def given(self, distance: float) -> "Promise":
        """What is promised for an answer so far away, by the search that it needs."""
        if not self.steps or distance <= self.steps[-1].up_to:
            return self
        words = (
            f"the answer is {distance:.4g} away, and queries whose answers are "
            f"{self.steps[-1].up_to:.4g} away are the farthest that found it"
        )
        return replace(self, standing="beyond", words=words)

    def _next(self) -> str:
        """What to do if no measured search is sure to reach it."""
        if self.measured is not None and self.measured < self.recall:
            return _OUT_OF_REACH
        if self.borrowed:
            return _NEXT["borrowed"]
        if self.quantile is None:
            return _TOO_FEW
        if self.found_by is None:
            return _OTHER_K
        return _OUT_OF_REACH if self.found_by < self.quantile else _TOO_FEW


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


def check_quantile(quantile: float, recall: float | None) -> float:
    """The quantile; raises InvalidSetting unless it is above 0 and below 1.

    And unless there is a recall, which so many queries are to find.
    """
    if recall is None:
        raise InvalidSetting(
            f"quantile={shown(quantile)} was given without a recall: say what so many "
            "queries are to find, for example recall=0.95"
        )
    try:
        share = arguments.number("quantile", quantile)
    except InvalidSetting:
        share = 0.0
    if not 0 < share < 1:
        raise InvalidSetting(
            f"quantile={shown(quantile)} is not a share above 0 and below 1: give, for "
            "example, quantile=0.95; for all queries give exact=True"
        )
    return share
