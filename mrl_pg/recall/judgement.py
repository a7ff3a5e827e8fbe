"""What leading dimensions find, compared with others: the verdict and its figures."""

from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

from mrl_pg.recall.score import three_digits

Verdict: TypeAlias = Literal["gain", "small gain", "no gain", "unclear"]


@dataclass(frozen=True, slots=True)
class PrefixRecall:
    """Shares of the true top k that the first k by `dims` dimensions hold, by cosine.

    `difference` is the share by leading dimensions minus the share by random
    dimensions, averaged over the queries. Its 95 % interval is from `low` to `high`.
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
    """Whether leading dimensions find more than others on some rows, with the figures.

    The verdict is about these rows. It says nothing about the training of the model.

    `difference` says how much more leading dimensions find than random dimensions,
    averaged over the sizes `judged`, from full / 32 to full / 2. Its 95 % interval is
    from `low` to `high`.
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
        """The verdict and the reason in a sentence; then a line for each size."""
        return "\n".join([self.reason, *(f"  {size}" for size in self.sizes)])

    def as_dict(self) -> dict[str, Any]:
        """All fields as types that JSON has."""
        plain = asdict(self)
        plain["judged"] = list(self.judged)
        plain["sizes"] = [asdict(size) for size in self.sizes]
        return plain
