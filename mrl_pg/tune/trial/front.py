"""The best measured settings: the front, and the cheapest setting for a goal."""

from collections.abc import Sequence

from mrl_pg.tune.option import Goal
from mrl_pg.tune.trial.point import Point

ABOUT_EQUAL = 1.1
"""Times within this factor count as equal, so that the smaller index wins."""

ROTATING = 2
"""How much larger an index without a rotation may be, because all rows have to be
written again to rotate them."""


def front(points: Sequence[Point]) -> tuple[Point, ...]:
    """Settings that no other beats in both recall and time, fastest first."""
    best: list[Point] = []
    for point in sorted(points, key=lambda p: (p.median_ms, -p.recall.mean)):
        if not best or point.recall.mean > best[-1].recall.mean:
            best.append(point)
    return tuple(best)


def reaches(point: Point, goal: Goal, *, sure: bool) -> bool:
    """Whether a point reaches a goal; `sure` if its interval's low end does, too."""
    enough = point.recall.mean >= goal.wanted
    return enough and (not sure or point.recall.low >= goal.recall)


def cheapest(points: Sequence[Point], goal: Goal) -> tuple[Point | None, bool]:
    """The fastest setting for a goal, and whether its interval's low end reaches it.

    A setting whose low end reaches the goal comes before a setting of which only the
    mean does.
    Among settings that are about as fast, the setting with the smallest index wins;
    an index on rotated rows counts as ROTATING times larger.
    """
    for sure in (True, False):
        able = [p for p in points if reaches(p, goal, sure=sure)]
        if able:
            fastest = min(p.median_ms for p in able)
            near = [p for p in able if p.median_ms <= ABOUT_EQUAL * fastest]
            return min(near, key=_size), sure
    return None, False


def _size(point: Point) -> tuple[float, float]:
    option = point.option
    if option is None:
        return float("inf"), point.median_ms
    return option.index_bytes * (ROTATING if option.rotated else 1), point.median_ms
