"""How far long work is, in the same words for every verb that takes a while."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one stage of the work is: `done` of `total`.

    Each stage counts what it works on, such as queries, rows or blocks of a table.
    `total` is None while nobody knows it. `rows` are the rows that an index build has
    entered into the index so far; 0 in every other stage.
    """

    stage: str
    done: int = 0
    total: int | None = None
    rows: int = 0


OnProgress: TypeAlias = Callable[[Progress], object]
"""What is called with each `Progress`; its answer is ignored."""
