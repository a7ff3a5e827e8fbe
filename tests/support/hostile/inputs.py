"""What an input is: a text for people, and how to run it."""

from collections.abc import Callable
from dataclasses import dataclass

from support.hostile.ground import Place
from support.hostile.judge import Answer


@dataclass(frozen=True, slots=True)
class Input:
    """A call of one interface in one world.

    `filtered`: the caller wrote SQL of his own, so that it may not parse. `changes`:
    when it is answered the database may be another one; `in_steps`: when a later step
    of it fails, too.
    """

    interface: str
    world: str
    text: str
    act: Callable[[Place], Answer]
    filtered: bool = False
    changes: bool = False
    in_steps: bool = False
