"""What a training brought: the quality of each size before and after it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from mrl_pg.recall.score import Z95, three_digits
from mrl_pg.report.knee import knee
from mrl_pg.train.quality import K, PrefixQuality

Verdict: TypeAlias = Literal["gain", "rotation", "no gain"]
"""`gain`: trained prefixes surely find more than all others. `rotation`: a rotation by
PCA, without training, does as well. `no gain`: the model's own prefixes do as well."""

Curve: TypeAlias = tuple[PrefixQuality, ...]


@dataclass(frozen=True, slots=True)
class Gain:
    """A mean difference over queries and sizes, with its 95 % interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        """`+0.113 (+0.097 to +0.129)`."""
        return f"{self.mean:+.3f} ({self.low:+.3f} to {self.high:+.3f})"

    @classmethod
    def of(cls, after: Curve, before: Curve) -> "Gain":
        """How much more prefixes of `after` hit, at the sizes below the full one."""
        sizes = max(1, len(after) - 1)
        pairs = list(zip(after, before, strict=True))[:sizes]
        each = np.mean(
            [new.hits.astype(float) - old.hits.astype(float) for new, old in pairs],
            axis=0,
        )
        margin = Z95 * float(each.std()) / np.sqrt(len(each))
        mean = float(each.mean())
        return cls(mean, mean - margin, mean + margin)


@dataclass(frozen=True, slots=True, eq=False)
class TrainReport:
    """The quality of prefixes on pairs that were not learnt from.

    `before` are prefixes of the model's vectors, `after` those of the trained vectors.
    `rotated` are prefixes of the model's vectors after a rotation by PCA, which needs
    no pairs. `epochs` were trained, and `best_epoch` was kept; 0 is the start.
    `documents` were searched by each held-out query. `left_out` are pairs for which
    the model gave no vector.
    """

    model: str
    trained: str
    pairs: int
    held_out: int
    documents: int
    epochs: int
    best_epoch: int
    seconds: float
    before: Curve
    after: Curve
    rotated: Curve
    left_out: int = 0

    @property
    def sizes(self) -> tuple[int, ...]:
        """The sizes, ascending."""
        return tuple(quality.dims for quality in self.after)

    @property
    def gain(self) -> Gain:
        """How much more trained prefixes hit than the model's own."""
        return Gain.of(self.after, self.before)

    @property
    def over_rotation(self) -> Gain:
        """How much more they hit than prefixes of rotated vectors."""
        return Gain.of(self.after, self.rotated)

    @property
    def verdict(self) -> Verdict:
        """What is worth using."""
        if self.gain.low > 0 and self.over_rotation.low > 0:
            return "gain"
        rotation = Gain.of(self.rotated, self.before)
        return "rotation" if rotation.low > 0 else "no gain"

    @property
    def reason(self) -> str:
        """The verdict as a sentence."""
        over = "over all sizes below the full one"
        if self.verdict == "gain":
            return (
                f"trained prefixes find the right answer more often: {self.gain} "
                f"{over}, and {self.over_rotation.mean:+.3f} beside a rotation by PCA"
            )
        if self.verdict == "rotation":
            rotation = Gain.of(self.rotated, self.before)
            return (
                "a rotation by PCA does as well or better, needs no training, and "
                f"keeps all full distances (mrl-pg rotate): {rotation} {over}, and "
                f"training {self.gain.mean:+.3f}"
            )
        return (
            f"training brought nothing that is sure: {self.gain} {over}; give more "
            "pairs, or keep the model as it is"
        )

    def knee(self, curve: Curve) -> int | None:
        """The size after which more dimensions bring less; None if there is none."""
        place = knee([q.dims for q in curve], [q.hit for q in curve])
        return None if place is None else curve[place].dims

    def as_dict(self) -> dict[str, Any]:
        """Values for JSON."""
        return {
            "model": self.model,
            "trained": self.trained,
            "pairs": self.pairs,
            "left_out": self.left_out,
            "held_out": self.held_out,
            "documents": self.documents,
            "epochs": self.epochs,
            "best_epoch": self.best_epoch,
            "seconds": round(self.seconds, 1),
            "verdict": self.verdict,
            "reason": self.reason,
            "gain": _interval(self.gain),
            "over_rotation": _interval(self.over_rotation),
            "sizes": [
                {
                    "dims": size,
                    **{
                        name: {
                            "hit": round(curve[i].hit, 4),
                            "recall": round(curve[i].recall, 4),
                        }
                        for name, curve in self._curves().items()
                    },
                }
                for i, size in enumerate(self.sizes)
            ],
            "knee": {name: self.knee(curve) for name, curve in self._curves().items()},
        }

    def table(self) -> list[list[str]]:
        """A head and a line for each size, as text."""
        curves = self._curves()
        heads = ["dims", *(f"hit@{K} {name}" for name in curves)]
        lines = [[*heads, *(f"recall {name}" for name in curves)]]
        for i, size in enumerate(self.sizes):
            hits = [three_digits(curve[i].hit) for curve in curves.values()]
            recalls = [three_digits(curve[i].recall) for curve in curves.values()]
            lines.append([str(size), *hits, *recalls])
        return lines

    def __str__(self) -> str:
        """The verdict, the table and the knees."""
        lines = self.table()
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        rows = [
            "  ".join(
                cell.rjust(width) for cell, width in zip(line, widths, strict=True)
            )
            for line in lines
        ]
        knees = ", ".join(
            f"{self.knee(curve) or 'none'} {name}"
            for name, curve in self._curves().items()
        )
        left = f" ({self.left_out:,} more have no vector)" if self.left_out else ""
        kept = f"epoch {self.best_epoch} of {self.epochs} kept"
        return "\n".join(
            [
                f"{self.verdict}: {self.reason}",
                f"{self.pairs:,} pairs{left}, {self.held_out:,} of them held out, "
                f"which search {self.documents:,} documents; {kept}; "
                f"{self.seconds:.0f} s",
                *rows,
                f"knee of hit@{K}: {knees}",
            ]
        )

    def _curves(self) -> Mapping[str, Curve]:
        return {"before": self.before, "rotated": self.rotated, "after": self.after}


def _interval(gain: Gain) -> dict[str, float]:
    return {name: round(getattr(gain, name), 4) for name in ("mean", "low", "high")}
