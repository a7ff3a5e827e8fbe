"""Fronts: which points are on one, and what lies between two points."""

import math

import pytest

from mrl_pg.bench.contender import ladder
from mrl_pg.bench.front import (
    BenchEffort,
    FrontPoint,
    Spread,
    cheapest,
    on_front,
    rate_at,
    rates_at,
    ratio_at,
)
from mrl_pg.recall.score import Recall

LINE = [(0.8, 400.0), (0.9, 200.0), (1.0, 100.0)]


def point(recall: float, *rates: float) -> FrontPoint:
    known = Recall(recall, recall, recall, 100)
    return FrontPoint(BenchEffort(40), known, rates, 1, 2, 3, True)


def test_the_rate_between_two_points_is_on_a_line_of_logarithms() -> None:
    assert rate_at(LINE, 0.9) == pytest.approx(200)
    assert rate_at(LINE, 0.95) == pytest.approx(math.sqrt(200 * 100))
    assert rate_at(LINE, 0.825) == pytest.approx(400**0.75 * 200**0.25)


def test_nothing_is_extrapolated() -> None:
    assert rate_at(LINE, 0.5) == 400
    assert rate_at(LINE[:2], 0.91) is None
    assert rate_at([], 0.5) is None


def test_a_beaten_point_changes_no_rate() -> None:
    assert rate_at([*LINE, (0.85, 90.0)], 0.95) == rate_at(LINE, 0.95)
    # nor does a point between two others that is below their line pull it down
    assert rate_at(LINE, 0.9) == rate_at([*LINE, (0.9, 150.0)], 0.9)


def test_a_point_is_on_the_front_if_no_other_beats_it_in_both() -> None:
    pairs = [*LINE, (0.85, 150.0), (0.9, 210.0)]
    assert on_front(pairs) == [True, False, True, False, True]
    # 210 is not a quarter faster than 200, and 200 is a third faster than 150
    assert on_front(pairs, 0.25) == [True, True, True, False, True]
    assert on_front([(0.9, 100.0)]) == [True]


def test_fronts_are_compared_round_by_round() -> None:
    one = [point(0.9, 300, 200), point(1.0, 100, 100)]
    other = [point(0.9, 100, 100), point(1.0, 10, 20)]
    assert rates_at(one, 0.9) == (300, 200)
    assert ratio_at(one, other, 0.9) == Spread(2.5, 2, 3)
    assert ratio_at(one, [point(0.8, 100, 100)], 0.9) is None
    assert str(Spread(2.5, 2, 3)) == "2.50 (2.00 to 3.00)"


def test_the_cheapest_point_reaches_the_recall() -> None:
    points = [point(0.9, 300), point(0.96, 200), point(0.97, 210), point(1.0, 50)]
    assert cheapest(points, 0.95) == points[2]
    assert cheapest(points[:1], 0.95) is None


@pytest.mark.parametrize("k", [1, 10, 100, 1000])
def test_every_effort_can_answer_k_rows(k: int) -> None:
    for effort in ladder(k, two_passes=True):
        assert k <= effort.read <= effort.walked <= 1000
    assert all(effort.walked >= k for effort in ladder(k, two_passes=False))
    assert str(ladder(10, two_passes=False)[0]) == "ef 20"
    assert str(ladder(10, two_passes=True)[0]) == "20, 20 read"
    assert BenchEffort(40, 13) in ladder(10, two_passes=True)
