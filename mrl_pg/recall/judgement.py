"""What was told of rows: fit for truncation or not, with the figures that say so."""

from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

from mrl_pg.recall.score import three_digits

Verdict: TypeAlias = Literal["fit", "not fit", "unclear"]


@dataclass(frozen=True, slots=True)
class PrefixRecall:
    """Share of the true top k found among as many by `dims` dimensions, cosine.

    `difference` is leading minus random, query by query, with its 95 % interval.
    """

    dims: int
    leading: float
    random: float
    last: float
    difference: float
    low: float
    high: float

    def __str__(self) -> str:
        """`256: leading .613, random .508, last .512`."""
        shares = (three_digits(x) for x in (self.leading, self.random, self.last))
        return "{}: leading {}, random {}, last {}".format(self.dims, *shares)


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether rows are fit for truncation, with the figures that say so.

    `difference`, with its 95 % interval: how much more leading dimensions find than
    random ones, averaged over `judged`, the sizes from full / 32 to full / 2.
    """

    verdict: Verdict
    reason: str
    full: int
    rows: int
    queries: int
    k: int
    difference: float
    low: float
    high: float
    judged: tuple[int, ...]
    sizes: tuple[PrefixRecall, ...]

    def __str__(self) -> str:
        """The verdict and why, in one sentence; then a line a size."""
        return "\n".join([self.reason, *(f"  {size}" for size in self.sizes)])

    def as_dict(self) -> dict[str, Any]:
        """All fields as types that JSON has."""
        plain = asdict(self)
        plain["judged"] = list(self.judged)
        plain["sizes"] = [asdict(size) for size in self.sizes]
        return plain
