"""Draws inputs. The same seed and number always draw the same input."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from psycopg import sql

from mrl_pg import MatryoshkaIndex
from support.hostile.filters import HOSTILE, OBJECTS, USUAL, Filter
from support.hostile.tables import DIMS, Row, Table, World
from support.hostile.values import PARAMS

T = TypeVar("T")

Usual = Callable[[], str]
"""Draws an ordinary value, as an expression."""


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of a call: how to draw it, and values that nobody should pass."""

    usual: Usual
    hostile: Sequence[str]
    share: float = 1.0
    """How often it is given, as a share of the calls."""


class Draw:
    """The random choices of one input."""

    def __init__(self, seed: int, number: int) -> None:
        """Start the choices for input `number` of a seed."""
        self.random = Random(f"{seed} {number}")

    def one(self, of: Sequence[T]) -> T:
        """One of several."""
        return of[self.random.randrange(len(of))]

    def chance(self, share: float) -> bool:
        """True for a share of the draws."""
        return self.random.random() < share

    def weighted(self, shares: Mapping[T, float]) -> T:
        """One of several, some more often than others."""
        return self.random.choices([*shares], [*shares.values()])[0]

    def arguments(self, of: Mapping[str, Argument]) -> dict[str, str]:
        """Expressions for a call: most of them usual, none to all of them hostile."""
        given = [name for name, one in of.items() if self.chance(one.share)]
        count = self.weighted({0: 45.0, 1: 38.0, 2: 12.0, len(of): 5.0})
        hostile = set(self.random.sample([*of], min(count, len(of))))
        return {
            name: self.one(one.hostile) if name in hostile else one.usual()
            for name, one in of.items()
            if name in hostile or name in given
        }

    # ------------------------------------------------------------------ what there is

    def table(self, world: World) -> Table:
        """A table, most often one that can be searched."""
        tables = [table for table in world.tables.values() if not table.bad]
        if self.chance(0.04):
            return self.one([*world.tables.values()])
        return self.one([*tables, *[world.tables["docs"]] * 3])

    def layout(self, table: Table) -> MatryoshkaIndex:
        """An index of the table, or one that could be made."""
        if table.layouts and self.chance(0.95):
            return self.one(table.layouts)
        schema = "" if table.schema == "public" else table.schema
        return MatryoshkaIndex(table.name, table.column, dims=3, schema=schema)

    def numbers(self) -> list[float]:
        """A query of the tables' dimensions."""
        return [round(self.random.gauss(0, 1), 4) for _ in range(DIMS)]

    def count(self, usual: Sequence[int] = (1, 2, 3, 5, 10, 10, 50, 100, 400)) -> str:
        """A number of rows."""
        return str(self.one(usual))

    def filter(self, table: Table) -> Filter:
        """A condition whose rows are known here, or any text."""
        if self.chance(0.45):
            return self.one(USUAL)(table, self.one(range(-1, 11)))
        if self.chance(0.2):
            return Filter(self.one(OBJECTS), "")
        text = self.one(HOSTILE)
        return Filter(repr(text), text)

    def params(self) -> str:
        """Values of a condition."""
        return self.one(PARAMS)


def placed(table: Table) -> str:
    """A table for `null::…`, in SQL."""
    return table.quoted()


def always(_: Row) -> bool:
    """Lets every row through."""
    return True


def literal(value: object) -> str:
    """A value as a literal of SQL."""
    return sql.Literal(value).as_string()
