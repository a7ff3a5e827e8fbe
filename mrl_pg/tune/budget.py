"""The time that `tune` may take, and what it left out when the time was up."""

import math
import time
from dataclasses import dataclass, field


@dataclass(slots=True)
class Budget:
    """Seconds from now on; unlimited by default."""

    seconds: float = math.inf
    start: float = field(default_factory=time.perf_counter)

    @classmethod
    def of(cls, minutes: float | None) -> "Budget":
        """The budget of `--minutes`."""
        return cls() if minutes is None else cls(60 * minutes)

    @property
    def left(self) -> float:
        """The seconds that are left, at least 0."""
        return max(0.0, self.start + self.seconds - time.perf_counter())

    @property
    def up(self) -> bool:
        """Whether no time is left."""
        return self.left <= 0

    @property
    def limited(self) -> bool:
        """Whether there is a limit at all."""
        return math.isfinite(self.seconds)

    def part(self, share: float) -> "Budget":
        """A share of what is left, from now on."""
        return Budget(share * self.left)
