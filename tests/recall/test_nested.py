"""One pass over the rows against brute force: places, limits, ties, zeros."""

import numpy as np
import pytest
from numpy.typing import NDArray
from support.vectors import Vectors, distances, matryoshka

from mrl_pg.errors import InvalidSetting
from mrl_pg.kinds import Distance, Stored
from mrl_pg.recall.bits import apart, paired, signs
from mrl_pg.recall.curve import MOST_CANDIDATES, Curve
from mrl_pg.recall.leaders import BLOCK
from mrl_pg.recall.nested import nested

K = 7


def floats(*sizes: int) -> list[tuple[Stored, int]]:
    return [("floats", size) for size in sizes]


def true_rows(rows: Vectors, query: Vectors, distance: Distance) -> NDArray[np.intp]:
    far = distances(rows, query, distance)
    return np.argsort(np.where(np.isnan(far), np.inf, far), kind="stable")[:K]


def order(rows: Vectors, query: Vectors, dims: int) -> NDArray[np.float64]:
    """Cosine distance of prefixes, in double precision; no direction comes last."""
    far = distances(rows[:, :dims], query[:dims], "cosine")
    return np.where(np.isnan(far), np.inf, far)


@pytest.fixture(scope="module")
def rows() -> Vectors:
    """Enough for leaders to be sorted out several times, of all lengths."""
    vectors = matryoshka(9 * BLOCK + 5, dims=48, seed=3)
    lengths = np.random.default_rng(4).uniform(0.5, 2, (len(vectors), 1))
    long: Vectors = (vectors * lengths).astype(np.float32)
    long[[5, 3000]] = 0
    return long


@pytest.fixture(scope="module")
def queries() -> Vectors:
    found: Vectors = 3 * matryoshka(9, dims=48, seed=5)
    return found


@pytest.mark.parametrize("distance", ["cosine", "l2", "ip"])
def test_places_are_those_of_brute_force(
    rows: Vectors, queries: Vectors, distance: Distance
) -> None:
    cuts = [rows[:1], rows[1:4000], rows[4000:4000], rows[4000:]]
    found = nested(cuts, queries, forms=floats(48, 6, 12, 24), k=K, distance=distance)
    assert [(curve.dims, curve.stored) for curve in found.curves] == [
        (size, "floats") for size in (6, 12, 24, 48)
    ]
    assert (found.rows, found.zeros) == (len(rows), 2)
    for curve in found.curves:
        for i, query in enumerate(queries):
            far = order(rows, query, curve.dims)
            places = np.argsort(np.argsort(far))[true_rows(rows, query, distance)]
            wanted = np.minimum(np.sort(places), MOST_CANDIDATES)
            # a row that scores the same to the seventh digit may stand beside it
            np.testing.assert_allclose(curve.places[i], wanted, atol=1)


@pytest.mark.parametrize("distance", ["cosine", "l2", "ip"])
def test_limits_let_in_the_true_neighbours_and_no_other(
    rows: Vectors, queries: Vectors, distance: Distance
) -> None:
    found = nested([rows], queries, forms=floats(6), k=K, distance=distance)
    for i, query in enumerate(queries):
        far = np.sort(distances(rows, query, distance))
        assert (far <= found.limits[i]).sum() == K
        assert found.best[i] == pytest.approx(far[0], abs=1e-4)


def test_the_whole_vector_finds_all_at_once(rows: Vectors, queries: Vectors) -> None:
    (curve,) = nested([rows], queries, forms=floats(48), k=K).curves
    assert curve.places.tolist() == [list(range(K))] * len(queries)
    assert curve.candidates_for(1) == K


def test_bits_are_counted_as_pgvector_does(rows: Vectors, queries: Vectors) -> None:
    """Many rows are as far by bits: a true one stands among them, not before."""
    found = nested([rows], queries, forms=[("bits", 16), ("bits", 48)], k=K)
    for curve in found.curves:
        signs = rows[:, : curve.dims] > 0
        for i, query in enumerate(queries):
            far = (signs != (query[: curve.dims] > 0)).sum(axis=1)
            true = np.sort(far[true_rows(rows, query, "cosine")])
            first = np.array([(far < value).sum() for value in true])
            last = np.array([(far <= value).sum() - 1 for value in true])
            low, high = (np.minimum(x, MOST_CANDIDATES) for x in (first, last))
            assert (low <= curve.places[i]).all()
            assert (curve.places[i] <= high).all()


@pytest.mark.parametrize(("dims", "exact"), [(2047, np.float32), (2100, np.float64)])
def test_two_queries_in_one_product_lose_nothing(
    dims: int, exact: type[np.floating]
) -> None:
    """The highest sums there are, all ones with all ones, beside random ones."""
    random = np.random.default_rng(6)
    queries: Vectors = random.normal(size=(5, dims)).astype(np.float32)
    queries[[0, 3]] = 1
    rows: Vectors = random.normal(size=(30, dims)).astype(np.float32)
    rows[:10] = 1
    rows[np.arange(10), np.arange(10)] = -1
    rows[10] = 1
    pairs = paired(queries)
    assert len(pairs) == 3
    assert pairs.dtype == exact
    scores: Vectors = np.empty((5, 30), dtype=np.float32)
    apart(pairs @ signs(rows).T, out=scores)
    for query, found in zip(queries, scores, strict=True):
        same = ((rows > 0) == (query > 0)).sum(axis=1)
        wanted = np.unique(same, return_inverse=True)[1]
        assert (np.unique(found, return_inverse=True)[1] == wanted).all()


def test_rows_that_are_alike_stand_side_by_side() -> None:
    row = matryoshka(1, dims=8)
    rows: Vectors = np.concatenate([np.repeat(row, 20, axis=0), -row])
    found = nested([rows], row, forms=[*floats(4, 8), ("bits", 8)], k=10)
    for curve in found.curves:
        assert sorted(curve.places[0]) == list(range(10))


def test_rows_that_nothing_tells_apart_are_not_found() -> None:
    """More rows tie than are kept: nobody knows where the true ones stand."""
    rows: Vectors = np.abs(matryoshka(3 * MOST_CANDIDATES, dims=8))
    asked: Vectors = np.abs(matryoshka(20, dims=8, seed=2))
    (curve,) = nested([rows], asked, forms=[("bits", 8)], k=10).curves
    assert (curve.places == MOST_CANDIDATES).all()


def test_a_neighbour_whose_prefix_is_nothing_is_never_a_candidate() -> None:
    rows = np.eye(4, dtype=np.float32)[[3, 3, 0, 1]]
    rows[0, 0] = 0.5
    (curve,) = nested([rows], rows[:1], forms=floats(2), k=2).curves
    # the second row is the second nearest, and its first two values are zeros
    assert curve.places.tolist() == [[0, MOST_CANDIDATES]]


def test_candidates_for_a_recall() -> None:
    curve = Curve(8, "floats", np.array([[0, 1, 9, 99], [0, 2, 3, MOST_CANDIDATES]]))
    assert curve.candidates_for(0.5) == 4
    assert curve.candidates_for(0.75) == 10
    assert curve.candidates_for(0.875) == 100
    assert curve.candidates_for(0.9) is None
    assert curve.recall(10).mean == 0.75
    assert curve.recall(10).queries == 2


@pytest.mark.parametrize(
    ("sizes", "count", "words"),
    [([], 50, "sizes"), ([0], 50, "1 to 48"), ([49], 50, "1 to 48"), ([8], K, "few")],
)
def test_what_cannot_be_worked_out_is_refused(
    rows: Vectors, queries: Vectors, sizes: list[int], count: int, words: str
) -> None:
    with pytest.raises(InvalidSetting, match=words):
        nested([rows[:count]], queries, forms=floats(*sizes), k=K)
