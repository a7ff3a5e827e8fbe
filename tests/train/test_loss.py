"""The loss at nested sizes: its value, and its gradient against differences."""

import numpy as np
import pytest

from mrl_pg.train.fit import loss_of
from mrl_pg.train.loss import nested_loss
from mrl_pg.train.nesting import Nesting
from mrl_pg.train.pairs import PairVectors

RANDOM = np.random.default_rng(0)


def test_the_value_at_one_size() -> None:
    anchors, documents = RANDOM.normal(size=(2, 4, 3))
    left, right = (
        m[:, :2] / np.linalg.norm(m[:, :2], axis=1, keepdims=True)
        for m in (anchors, documents)
    )
    shares = np.exp(5 * left @ right.T)
    wanted = -np.log(np.diag(shares) / shares.sum(axis=1)).mean()
    loss = nested_loss(anchors, documents, weights={2: 3.0}, scale=5)
    assert loss.by_size == {2: pytest.approx(wanted)}
    assert loss.value == pytest.approx(3 * wanted)


@pytest.mark.parametrize("wrong", [False, True])
def test_the_gradient_is_exact(wrong: bool) -> None:
    """Against differences in double precision, with documents that are shared."""
    anchors, documents = RANDOM.normal(size=(5, 6)), RANDOM.normal(size=(4, 6))
    pairs = PairVectors(
        anchors.astype(np.float32),
        documents.astype(np.float32),
        np.array([0, 1, 2, 2, 3]),
        np.array([3, 3, 0, 1, 2]) if wrong else None,
    )
    for name in ("anchors", "documents"):
        object.__setattr__(pairs, name, getattr(pairs, name).astype(np.float64))
    weights = Nesting((2, 3, 5), (1.0, 0.5, 2.0)).every
    matrix = RANDOM.normal(size=(6, 5))
    places = np.arange(5)
    _, gradient = loss_of(pairs, places, weights, matrix)
    step = 1e-6
    for place in np.ndindex(matrix.shape):
        sides = []
        for sign in (1, -1):
            moved = matrix.copy()
            moved[place] += sign * step
            sides.append(loss_of(pairs, places, weights, moved)[0])
        assert gradient[place] == pytest.approx(
            (sides[0] - sides[1]) / (2 * step), abs=1e-6
        )


def test_a_shared_document_is_no_wrong_answer() -> None:
    vectors = np.eye(2)
    same = np.array([[False, True], [True, False]])
    loss = nested_loss(vectors, vectors[[0, 0]], weights={2: 1.0}, same=same)
    assert loss.value == 0


def test_a_vector_of_zeros_has_no_gradient() -> None:
    anchors = np.array([[0.0, 0.0], [1.0, 2.0]])
    loss = nested_loss(anchors, np.eye(2), weights={1: 1.0, 2: 1.0})
    assert np.isfinite(loss.value)
    assert not loss.anchors[0].any()
    assert np.isfinite(loss.documents).all()
