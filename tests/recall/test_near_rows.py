"""The exact nearest rows, collected from blocks."""

import numpy as np
import pytest
from support.vectors import distances, matryoshka

from mrl_pg.kinds import Distance
from mrl_pg.recall.near_rows import Near, NearRows
from mrl_pg.recall.score import TOLERANCE

ROWS = matryoshka(3000, dims=16)
# equal rows, and one without a direction
ROWS[7] = ROWS[2500]
ROWS[11] = 0
NAMES = [f"({i},1)" for i in range(len(ROWS))]
QUERIES = np.vstack([matryoshka(4, dims=16, seed=5), ROWS[[7, 100]]])
ITSELF = {4: 7, 5: 100}


def found(k: int, distance: Distance, step: int, rows: int = len(ROWS)) -> list[Near]:
    near = NearRows(QUERIES, k, distance)
    for start in range(0, rows, step):
        block = range(start, min(start + step, rows))
        pairs = [(q, row - start) for q, row in ITSELF.items() if row in block]
        near.add(ROWS[block.start : block.stop], NAMES[block.start : block.stop], pairs)
    return near.found()


@pytest.mark.parametrize("distance", ["cosine", "l2", "ip"])
@pytest.mark.parametrize(("k", "step"), [(1, 3000), (10, 1100), (40, 7), (2000, 900)])
def test_the_nearest_rows_in_any_blocks(k: int, step: int, distance: Distance) -> None:
    for number, near in enumerate(found(k, distance, step)):
        far = distances(ROWS, QUERIES[number], distance).astype(np.float64)
        if number in ITSELF:
            far[ITSELF[number]] = np.inf
        far[~np.isfinite(far)] = np.inf
        edge = np.sort(far)[k - 1]
        slack = TOLERANCE * max(1, abs(edge))
        assert near.edge == pytest.approx(edge + slack, abs=1e-6)
        assert near.total == k
        rows = {NAMES.index(name) for name in near.names}
        assert set(np.flatnonzero(far < edge - 1e-6)) <= rows
        assert set(np.flatnonzero(far <= edge + slack / 2)) <= rows
        assert max(far[list(rows)]) <= edge + 1.1 * slack


def test_an_equal_row_is_near_and_the_row_itself_is_not() -> None:
    near = found(1, "cosine", 500)[4]
    assert near.names == (NAMES[2500],)
    assert near.edge == pytest.approx(TOLERANCE, abs=1e-6)


def test_fewer_rows_than_asked_for() -> None:
    near = found(20, "cosine", 5, rows=12)
    # without the row of zeros, and for one query without the query itself
    assert [query.total for query in near] == [11, 11, 11, 11, 10, 11]
    assert all(len(query.names) == query.total for query in near)
    nothing = NearRows(QUERIES, 5, "cosine")
    nothing.add(ROWS[11:12], NAMES[11:12])
    assert nothing.found() == [Near(None, 0, ())] * len(QUERIES)


def test_numbers_far_from_one() -> None:
    """Single precision has six digits or so, whatever the size of the numbers."""
    large = 1000 * ROWS.astype(np.float64)
    near = NearRows(1000 * QUERIES, 10, "l2")
    near.add(large.astype(np.float32), NAMES)
    for number, query in enumerate(near.found()):
        wanted = 1000 * QUERIES[number].astype(np.float64)
        far = np.sort(np.linalg.norm(large - wanted, axis=1))
        assert far[9] < (query.edge or 0) < far[9] * (1 + 2e-5)


def test_many_equal_rows_are_counted_and_not_named() -> None:
    rows = np.vstack([ROWS[:200], np.tile(ROWS[50], (2800, 1))])
    names = [f"({i},1)" for i in range(len(rows))]
    queries = np.vstack([ROWS[50:51], matryoshka(1, dims=16, seed=8)])
    near = NearRows(queries, 5, "cosine")
    most = 0
    for start in range(0, len(rows), 100):
        near.add(rows[start : start + 100], names[start : start + 100])
        most = max(most, len(near.near))
    assert most < 500
    equal, other = near.found()
    assert (equal.total, equal.names) == (5, ())
    assert equal.edge == pytest.approx(TOLERANCE, abs=1e-6)
    far = np.sort(distances(rows, queries[1], "cosine"))
    assert other.edge == pytest.approx(far[4] + TOLERANCE, abs=1e-6)
