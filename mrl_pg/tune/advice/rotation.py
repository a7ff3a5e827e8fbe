"""What rotated rows brought in trials, and the commands that rotate."""

import shlex
from collections.abc import Sequence

from mrl_pg.layout import IndexLayout, fit
from mrl_pg.tune.option import Goal
from mrl_pg.tune.predict.rotation import RotationTest
from mrl_pg.tune.trial.front import ROTATING, cheapest
from mrl_pg.tune.trial.point import Point


def rotated_column(column: str) -> str:
    """The column that the commands fill with rotated vectors."""
    return fit(column, "_rotated")


def turned(test: RotationTest | None, points: Sequence[Point], goal: Goal) -> list[str]:
    """The best setting of rotated rows beside the best of rows as they are.

    Empty if no index of rotated rows was tried.
    """
    tried = [point for point in points if point.option is not None]
    rotated = [point for point in tried if point.option and point.option.rotated]
    if test is None or not rotated:
        return []
    best = cheapest(rotated, goal)[0]
    others = [point for point in tried if point not in rotated]
    plain = cheapest(others, goal)[0]
    if best is None:
        return ["no setting of rotated rows that was tried reaches the recall"]
    said = f"of rotated rows the best setting is {best}"
    if not others:
        return [f"{said}; no index of rows as they are was tried"]
    if plain is None:
        return [f"{said}; of rows as they are no setting reaches the recall"]
    return [
        f"{said}; of rows as they are it is {plain}. A rotation writes every row "
        f"again, so it has to be faster, or its index {ROTATING} times smaller, to win"
    ]


def in_shell(layout: IndexLayout, where: Sequence[str]) -> str:
    """The command that fills a column with rotated vectors; `where` are its names."""
    to = ["--to", rotated_column(layout.column)]
    if any(name.startswith("-") for name in where):
        return shlex.join(["mrl-pg", "rotate", *to, "--", *where])
    return shlex.join(["mrl-pg", "rotate", *where, *to])


def in_python(layout: IndexLayout) -> str:
    """The same in Python."""
    schema = f", schema={layout.schema!r}" if layout.schema else ""
    return (
        f"column = MatryoshkaColumn({layout.table!r}, {layout.column!r}{schema})\n"
        f"column.rotate(conn, {rotated_column(layout.column)!r})"
    )
