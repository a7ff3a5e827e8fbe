"""How long and how fast a training runs."""

from dataclasses import dataclass

from mrl_pg import arguments
from mrl_pg.arguments import check_whole, shown
from mrl_pg.errors import InvalidSetting


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Epochs, pairs in a step (`batch`), learning rate, and the seed of all draws.

    The wrong answers of a pair are the right answers of the other pairs of its step, so
    a larger batch makes a harder task. None stands for what suits the kind of training.
    Raises InvalidSetting.
    """

    epochs: int | None = None
    batch: int | None = None
    rate: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Check all values."""
        for what, low, high in (("epochs", 1, 10_000), ("batch", 2, 1_000_000)):
            if (value := getattr(self, what)) is not None:
                check_whole(what, value, low, high, "a training")
        check_whole("seed", self.seed, 0, 2**32 - 1, "a training")
        if self.rate is not None and not 0 < arguments.number("rate", self.rate) < 10:
            raise InvalidSetting(
                f"rate={shown(self.rate)} is no learning rate: it is above 0 and "
                "usually below 0.1"
            )
