"""The progress of long work, in the same form for every verb."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one stage of the work is: `done` of `total`.

    Each stage counts what it works on, such as queries, rows or blocks of a table.
    `total` is None while it is unknown. `rows` are the rows that an index build has
    entered into the index so far; 0 in every other stage.
    """

    stage: str
    done: int = 0
    total: int | None = None
    rows: int = 0


OnProgress: TypeAlias = Callable[[Progress], object]
"""A function that is called with each `Progress`; its result is ignored."""
