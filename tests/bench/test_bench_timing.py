"""Windows, warmth and clients, without a clock that matters."""

import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from mrl_pg.bench.timing import (
    LEAST,
    Turns,
    Vector,
    Window,
    agree,
    milliseconds,
    search_for,
    search_together,
    warm_up,
    within,
)

QUERIES = [np.full(2, i, dtype=np.float32) for i in range(4)]


def runs(*rates: float) -> Callable[[], Window]:
    """A function that returns windows with these rates."""
    left: Iterator[float] = iter(rates)
    return lambda: Window((1.0,), 1 / next(left))


@pytest.mark.parametrize(
    ("one", "other", "warm"),
    [(100, 100, True), (100, 95, True), (95, 100, True), (100, 94, False)],
)
def test_two_rates_agree_within_a_twentieth(
    one: float, other: float, warm: bool
) -> None:
    assert agree(one, other) is warm


def test_a_search_is_warm_when_two_windows_in_a_row_agree() -> None:
    assert warm_up(runs(10, 50, 100, 101))
    assert not warm_up(runs(10, 50, 10, 50), tries=4)
    with pytest.raises(StopIteration):
        warm_up(runs(10, 50))


def test_a_window_asks_the_queries_in_turn_and_not_fewer_than_it_must() -> None:
    asked: list[float] = []

    def search(query: Vector) -> list[int]:
        asked.append(float(query[0]))
        return []

    window = search_for(search, QUERIES, 0.0, first=2)
    assert asked == [(2 + i) % 4 for i in range(LEAST)]
    assert len(window.latencies) == LEAST
    assert sum(window.latencies) == pytest.approx(window.seconds)


def test_a_window_goes_on_with_the_query_after_the_last() -> None:
    asked: list[float] = []

    def search(query: Vector) -> list[int]:
        asked.append(float(query[0]))
        return []

    turns = Turns(search, QUERIES)
    turns.window(0.0)
    turns.once(60)
    turns.window(0.0)
    assert asked == [i % 4 for i in range(2 * LEAST + 4)]


def test_percentiles_are_of_all_windows_together() -> None:
    windows = [Window((0.001,) * 50, 1), Window((0.003,) * 50, 1)]
    assert milliseconds(windows) == pytest.approx((2, 3, 3))


def test_only_what_ended_in_time_counts() -> None:
    window = Window((0.1, 0.1, 0.3), 0.5)
    assert within(window, 0.5) == window.latencies
    assert within(window, 0.4) == (0.1, 0.1)
    assert within(window, 0.05) == ()


def test_clients_search_at_the_same_time() -> None:
    # breaks unless three are in it at the same time
    gate = threading.Barrier(3, timeout=20)
    asked: list[int] = []

    def search(query: Vector) -> list[int]:
        asked.append(gate.wait())
        return []

    window = search_together([search] * 3, QUERIES, 0.0)
    assert sorted(asked) == sorted([*range(3)] * LEAST)
    # those of the others count up to the end of the first client alone
    assert LEAST <= len(window.latencies) <= len(asked)


def test_what_a_client_raises_is_raised() -> None:
    def fails(query: Vector) -> list[int]:
        raise ValueError("no answer")

    with pytest.raises(ValueError, match="no answer"):
        search_together([fails, fails], QUERIES, 0.0)
