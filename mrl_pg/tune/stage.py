"""How far a choice is, for who waits for it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Stage:
    """What happens now, and how much of how much is done; total 0: not known."""

    text: str
    done: int = 0
    total: int = 0


Tell: TypeAlias = Callable[[Stage], Any]


def silent(_stage: Stage) -> None:
    """Tell nobody."""
