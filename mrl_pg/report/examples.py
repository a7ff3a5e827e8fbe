"""Example queries as tables, with a line for each row and a column for each size."""

from dataclasses import dataclass
from typing import TypeAlias

from mrl_pg.recall.curve import MOST_CANDIDATES
from mrl_pg.recall.score import three_digits
from mrl_pg.tune import Tuning
from mrl_pg.tune.advice.examples import Example, ExampleAnswer, Listed, Shown

Key: TypeAlias = tuple[tuple[str, str | None], ...]
NAMED = 5
"""True rows that a table always names. It names others if a size misses them."""


@dataclass(frozen=True, slots=True)
class Cell:
    """The place of a row in a size's order; `what` is `missed`, `instead` or empty."""

    place: str
    what: str = ""


@dataclass(frozen=True, slots=True)
class ExampleLine:
    """A line of the table; `rank` is the place among the true rows, or empty."""

    rank: str
    row: Shown
    distance: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Size:
    """The values in the head and the foot of a size's column."""

    name: str
    candidates: int
    chosen: bool
    found: int
    alone: int


@dataclass(frozen=True, slots=True)
class Grid:
    """The table of an example; `row` is the row of the query if the query is a row."""

    query: str
    row: Shown | None
    key: str
    true: int
    sizes: tuple[Size, ...]
    lines: tuple[ExampleLine, ...]


def grids(tuning: Tuning) -> list[Grid]:
    """A table for each example."""
    return [_grid(tuning, example) for example in tuning.examples]


def _grid(tuning: Tuning, example: Example) -> Grid:
    exact, *answers = example.answers
    missed = {hit.row.key for answer in answers for hit in answer.missing}
    true = [
        (f"{rank}", hit)
        for rank, hit in enumerate(exact.rows, 1)
        if rank <= NAMED or hit.row.key in missed
    ]
    known = {hit.row.key for hit in exact.rows}
    wrong = {
        hit.row.key: hit
        for answer in answers
        for hit in answer.rows
        if not hit.true and hit.row.key not in known
    }
    others = sorted(wrong.values(), key=lambda hit: hit.distance)
    columns = [_places(answer) for answer in answers]
    return Grid(
        f"Query {example.number:,} of {tuning.read.queries:,}",
        example.row,
        ", ".join(name for name, _ in exact.rows[0].row.key) if exact.rows else "",
        exact.found,
        tuple(
            Size(
                answer.name,
                answer.candidates or MOST_CANDIDATES,
                answer.name == tuning.recommendation.name,
                answer.found,
                answer.alone,
            )
            for answer in answers
        ),
        tuple(
            _line(rank, hit, columns)
            for rank, hit in [*true, *(("", o) for o in others)]
        ),
    )


def _line(rank: str, hit: Listed, columns: list[dict[Key, Cell]]) -> ExampleLine:
    cells = tuple(places.get(hit.row.key, Cell("")) for places in columns)
    return ExampleLine(rank, hit.row, three_digits(hit.distance), cells)


def _places(answer: ExampleAnswer) -> dict[Key, Cell]:
    """The cells of the rows that an answer has or lacks, by key."""
    places = {
        hit.row.key: Cell(_place(hit), "" if hit.true else "instead")
        for hit in answer.rows
    }
    for hit in answer.missing:
        places[hit.row.key] = Cell(_place(hit), "missed")
    return places


def _place(hit: Listed) -> str:
    return f"> {MOST_CANDIDATES:,}" if hit.place is None else f"{hit.place:,}"
