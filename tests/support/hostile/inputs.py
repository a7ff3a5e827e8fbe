"""An input: a text for people, and a function that runs it."""

from collections.abc import Callable
from dataclasses import dataclass

from support.hostile.ground import Place
from support.hostile.judge import Answer


@dataclass(frozen=True, slots=True)
class Input:
    """A call of one interface in one world.

    `filtered`: the caller wrote SQL, which may not parse. `changes`: a successful call
    may change the database. `in_steps`: also a call whose later step fails may.
    """

    interface: str
    world: str
    text: str
    act: Callable[[Place], Answer]
    filtered: bool = False
    changes: bool = False
    in_steps: bool = False
