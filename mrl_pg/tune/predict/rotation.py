"""Judges whether a rotation makes prefixes find more, on rows it was not fitted on."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mrl_pg.kinds import Stored
from mrl_pg.recall.curve import Curve
from mrl_pg.recall.nested import nested
from mrl_pg.recall.score import Z95, three_digits
from mrl_pg.rotation import Rotation, fit
from mrl_pg.tune.option import Goal

Verdict: TypeAlias = Literal["gain", "no gain", "unclear"]

SPREAD_ROWS = 6_000
"""About the most rows to keep, from all over the table: 37 MB for 1536 dimensions."""

FITTED_ROWS = 1_000
FITTED_SHARE = 0.2
"""Rows to fit, at most this share of those that are kept. All others judge."""

FEWEST_ROWS = 500
MOST_QUERIES = 300
MOST_DIMS = 4_096
"""To fit more dimensions takes minutes."""

CANDIDATES = 4
"""The verdict counts what a prefix finds within this many times k candidates."""

MORE = 0.03
"""There is a gain if rotated prefixes surely find this much more. Rows that were
trained for truncation gain less, which is not worth writing all rows again: see
docs/measured/rotation.md."""

ROOM = 0.03
"""The verdict is unclear if prefixes miss less than this without a rotation."""


@dataclass(slots=True)
class SpreadRows:
    """Rows from all over a table, of which about `rows` will be read."""

    rows: int
    kept: list[NDArray[np.float32]] = field(default_factory=list)

    def add(self, block: NDArray[np.float32]) -> None:
        """Keep some rows of a block."""
        every = max(1, self.rows // SPREAD_ROWS)
        # a copy, because a view would keep the whole block in memory
        self.kept.append(block[::every].copy())

    def drawn(self, seed: int) -> NDArray[np.float32]:
        """The rows that are not zero, in random order, at most SPREAD_ROWS."""
        if not self.kept:
            return np.empty((0, 0), np.float32)
        rows = np.concatenate(self.kept)
        rows = rows[rows.any(axis=1)]
        order = np.random.default_rng(seed).permutation(len(rows))
        chosen: NDArray[np.float32] = rows[order[:SPREAD_ROWS]]
        return chosen


@dataclass(frozen=True, slots=True, eq=False)
class RotationTest:
    """What prefixes find of `rows` rows as they are, and of the same rows rotated.

    The rotation was fitted on other rows. `plain` and `rotated` are curves of the same
    sizes. `difference` says how much more of the true top k rotated prefixes find among
    their first CANDIDATES * k, averaged over the sizes. Its 95 % interval is from `low`
    to `high`.
    """

    rotation: Rotation
    rows: int
    k: int
    plain: tuple[Curve, ...]
    rotated: tuple[Curve, ...]
    difference: float
    low: float
    high: float

    @property
    def candidates(self) -> int:
        """Among how many candidates the verdict counts true rows."""
        return CANDIDATES * self.k

    @property
    def verdict(self) -> Verdict:
        """Whether rotated prefixes surely find more."""
        if self.low > MORE:
            return "gain"
        if self.high < MORE and self._missed() >= ROOM:
            return "no gain"
        return "unclear"

    @property
    def reason(self) -> str:
        """The verdict in a sentence, with the size at which the most is gained."""
        first = self.candidates
        pairs = [
            (plain.recall(first).mean, rotated.recall(first).mean, plain.dims)
            for plain, rotated in zip(self.plain, self.rotated, strict=True)
        ]
        before, after, dims = max(pairs, key=lambda pair: abs(pair[1] - pair[0]))
        fitted = self.rotation.provenance.rows
        said = {
            "gain": "rotated rows would have better prefixes",
            "no gain": "a rotation would bring little or nothing",
            "unclear": "these rows do not tell whether a rotation would help",
        }
        return (
            f"{said[self.verdict]}: {dims} dimensions find {three_digits(before)} of "
            f"the true top {self.k} within {first} as they are, {three_digits(after)} "
            f"rotated; over {len(pairs)} sizes the difference is "
            f"{self.difference:+.3f} ({self.low:+.3f} to {self.high:+.3f}; fitted on "
            f"{fitted:,} rows, judged on {self.rows:,} others)"
        )

    def _missed(self) -> float:
        found = [curve.recall(self.candidates).mean for curve in self.plain]
        return 1 - float(np.mean(found))

    def as_dict(self) -> dict[str, Any]:
        """All figures as types that JSON has, without the matrix."""
        first = self.candidates
        return {
            "verdict": self.verdict,
            "reason": self.reason,
            "fitted_rows": self.rotation.provenance.rows,
            "rows": self.rows,
            "candidates": first,
            "difference": self.difference,
            "low": self.low,
            "high": self.high,
            "sizes": [
                {
                    "dims": plain.dims,
                    "plain": plain.recall(first).mean,
                    "rotated": rotated.recall(first).mean,
                }
                for plain, rotated in zip(self.plain, self.rotated, strict=True)
            ],
        }


def judge_rotation(
    rows: NDArray[np.float32],
    queries: NDArray[np.float32],
    forms: Sequence[tuple[Stored, int]],
    goal: Goal,
) -> RotationTest | None:
    """Fit a rotation on the first of the rows, and judge it on all others.

    The rows are in random order, and the queries are not among them. None if there are
    too few rows, too many dimensions, or no sizes of values to judge.
    """
    sizes = [form for form in forms if form[0] == "floats"]
    enough = len(rows) >= max(FEWEST_ROWS, 10 * CANDIDATES * goal.k)
    if not sizes or not enough or not len(queries) or rows.shape[1] > MOST_DIMS:
        return None
    fitted = min(FITTED_ROWS, int(FITTED_SHARE * len(rows)))
    rotation = fit(rows[:fitted], source="a sample of tune")
    judges, asked = rows[fitted:], queries[:MOST_QUERIES]
    plain, rotated = (
        nested([vectors], wanted, forms=sizes, k=goal.k, distance=goal.distance).curves
        for vectors, wanted in (
            (judges, asked),
            (rotation.apply(judges), rotation.apply(asked)),
        )
    )
    first = CANDIDATES * goal.k
    paired = np.mean(
        [
            (after.places < first).mean(axis=1) - (before.places < first).mean(axis=1)
            for before, after in zip(plain, rotated, strict=True)
        ],
        axis=0,
    )
    middle = float(paired.mean())
    spread = float(paired.var(ddof=1)) if len(paired) > 1 else 1.0
    reach = Z95 * math.sqrt(spread / len(paired))
    return RotationTest(
        rotation,
        len(judges),
        goal.k,
        tuple(plain),
        tuple(rotated),
        middle,
        middle - reach,
        middle + reach,
    )
