"""mrl._alike: rows that are as far from their answers as real queries are."""

from collections.abc import Sequence

import numpy as np
import pytest
from support.databases import Conn, connection_fixture

shared = connection_fixture(lambda _: None)

RNG = np.random.default_rng(3)
ROWS: list[float] = RNG.uniform(0.2, 0.8, 2000).tolist()


def alike(
    conn: Conn, edges: Sequence[float | None], wanted: Sequence[float], most: int
) -> tuple[list[int], float]:
    """Places of the chosen rows, counted from 1, and the share that is unlike."""
    call = "select * from mrl._alike(%s::float8[], %s::float8[], %s)"
    (row,) = conn.execute(call, [list(edges), list(wanted), most]).fetchall()
    return row[0], row[1]


def test_the_chosen_rows_have_the_distances_of_real_queries(shared: Conn) -> None:
    wanted = RNG.uniform(0.6, 0.8, 300)
    chosen, unlike = alike(shared, ROWS, wanted.tolist(), 200)
    assert len(chosen) == len(set(chosen)) == 200
    assert unlike == 0
    grid = np.linspace(0.01, 0.99, 50)
    got = np.quantile([ROWS[place - 1] for place in chosen], grid)
    assert got == pytest.approx(np.quantile(wanted, grid), rel=0.03)
    # the rows as they are would not do
    assert np.median(ROWS) < 0.6


def test_queries_beyond_all_rows_are_unlike(shared: Conn) -> None:
    far = [*RNG.uniform(0.3, 0.6, 75), *RNG.uniform(1.0, 1.2, 25)]
    chosen, unlike = alike(shared, ROWS, far, 100)
    assert len(set(chosen)) == 100
    assert unlike == pytest.approx(0.25, abs=0.011)


def test_more_far_queries_than_far_rows_are_unlike(shared: Conn) -> None:
    """Each row stands for one query at most."""
    rows = [*RNG.uniform(0.2, 0.3, 95), *RNG.uniform(0.7, 0.7001, 5)]
    _, unlike = alike(shared, rows, [0.7] * 50, 50)
    assert unlike == pytest.approx(0.9)


def test_rows_without_answers_are_left_out(shared: Conn) -> None:
    chosen, unlike = alike(shared, [None, 0.5, None, 0.4], [0.4] * 9 + [0.5] * 9, 4)
    assert (sorted(chosen), unlike) == ([2, 4], 0)
    assert alike(shared, [None], [0.4], 5) == ([], 1)
    assert alike(shared, [0.4], [], 5) == ([], 1)


def test_inner_products_are_negative_distances(shared: Conn) -> None:
    edges = [-distance for distance in ROWS]
    chosen, unlike = alike(shared, edges, [-0.7] * 20, 20)
    found = [edges[place - 1] for place in chosen]
    assert found == pytest.approx([-0.7] * 20, rel=0.03)
    assert unlike == 0
