"""Vectors in NumPy: what is taken, what is refused, prefixes, and the wire format."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from pgvector import HalfVector, Vector

from mrl_pg import InvalidSetting, InvalidVector, normalise, truncate
from mrl_pg.vectors import VectorLike, as_vector, wire

FLOAT32 = st.floats(allow_nan=False, allow_infinity=False, width=32)
MATRICES = hnp.arrays(
    np.float32, hnp.array_shapes(min_dims=1, max_dims=3), elements=FLOAT32
)
DENORMAL = float(np.finfo(np.float32).smallest_subnormal)


@pytest.mark.parametrize(
    "value",
    [
        [1, -2.5, 0],
        (1.0, -2.5, 0.0),
        np.array([1, -2.5, 0], dtype=np.float16),
        np.array([1, -2.5, 0], dtype=np.float32),
        np.array([1, -2.5, 0], dtype=np.float64),
        np.array([1, -2.5, 0], dtype=">f4"),
        np.array([1, 9, -2.5, 9, 0, 9])[::2],
        Vector([1, -2.5, 0]),
        HalfVector([1, -2.5, 0]),
    ],
    ids=lambda value: f"{type(value).__name__}-{getattr(value, 'dtype', '')}",
)
def test_every_kind_of_vector_is_taken(value: VectorLike) -> None:
    vector = as_vector(value, dims=3, cosine=True)
    assert vector.dtype == np.float32
    assert vector.tolist() == [1, -2.5, 0]


def test_integers_are_taken() -> None:
    values: Any = np.array([1, -2, 0])
    assert as_vector(values, dims=3).tolist() == [1, -2, 0]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1.0, 2.0], "2 dimensions and the full column 3"),
        ([], "0 dimensions and the full column 3"),
        ([1.0] * 4, "4 dimensions"),
        ([[1.0, 2.0, 3.0]], r"shape \(1, 3\) is not one vector.*search_many"),
        (np.float32(1), r"shape \(\) is not one vector"),
        ("hello", "type str is not a vector"),
        ([1.0, "two", 3.0], "type list is not a vector"),
        ([[1.0], [2.0, 3.0]], "type list is not a vector"),
        (object(), "type object is not a vector"),
        (None, "is None, not a vector"),
        ([0.0, float("nan"), 1.0], "holds nan at position 1"),
        ([0.0, 1.0, float("inf")], "holds inf at position 2"),
        ([float("-inf"), 1.0, 0.0], "holds -inf at position 0"),
        ([1.0, 3.5e38, 0.0], r"holds 3.5e\+38 at position 1"),
        ([0.0, 0.0, 0.0], "all zeros, which has no direction under cosine"),
        ([0.0, -0.0, 1e-60], "all zeros"),
    ],
)
def test_refused(value: VectorLike, message: str) -> None:
    with pytest.raises(InvalidVector, match=message):
        as_vector(value, dims=3, cosine=True)


def test_zeros_are_taken_by_other_distances() -> None:
    assert as_vector([0, 0], dims=2).tolist() == [0, 0]


@given(MATRICES)
def test_normalised_rows_have_length_one_or_are_zero(
    vectors: NDArray[np.float32],
) -> None:
    unit = normalise(vectors)
    assert unit.shape == vectors.shape
    assert unit.dtype == vectors.dtype
    lengths = np.linalg.norm(unit.astype(np.float64), axis=-1)
    zero = ~vectors.any(axis=-1)
    np.testing.assert_allclose(np.where(zero, 1, lengths), 1, atol=1e-6)
    assert not unit[zero].any()


@pytest.mark.parametrize("value", [1e38, -1e38, DENORMAL, -DENORMAL, 1e-30])
def test_extreme_values_have_a_direction(value: float) -> None:
    unit = normalise(np.full(4, value, dtype=np.float32))
    np.testing.assert_allclose(unit, np.full(4, np.sign(value) / 2), rtol=1e-7)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_argument_stays_as_it_is(dtype: type[np.floating]) -> None:
    vectors = np.arange(12, dtype=dtype).reshape(2, 6)
    kept = vectors.copy()
    assert truncate(vectors, 3).dtype == dtype
    np.testing.assert_array_equal(vectors, kept)


@given(MATRICES, st.data())
def test_a_prefix_of_a_prefix_is_the_prefix(
    vectors: NDArray[np.float32], data: st.DataObject
) -> None:
    full = vectors.shape[-1]
    longer = data.draw(st.integers(1, full))
    shorter = data.draw(st.integers(1, longer))
    # not so short that halving the precision twice shows
    direct = truncate(vectors.astype(np.float64), shorter)
    via = truncate(truncate(vectors.astype(np.float64), longer), shorter)
    np.testing.assert_allclose(via, direct, atol=1e-12)


def test_whole_vectors_are_only_normalised() -> None:
    vectors = np.array([[3.0, 4.0], [0.0, 0.0]], dtype=np.float32)
    np.testing.assert_array_equal(
        truncate(vectors, 2), np.array([[0.6, 0.8], [0, 0]], dtype=np.float32)
    )


def test_integers_are_not_rounded_to_zeros() -> None:
    whole: Any = np.array([[3, 4, 9], [0, 0, 1]])
    np.testing.assert_array_equal(truncate(whole, 2), [[0.6, 0.8], [0, 0]])


@pytest.mark.parametrize("dims", [0, -1, 4])
def test_no_such_prefix(dims: int) -> None:
    with pytest.raises(InvalidSetting, match=f"dims {dims} is outside 1 to 3"):
        truncate(np.ones((2, 3), dtype=np.float32), dims)


@given(hnp.arrays(np.float32, st.integers(1, 50), elements=FLOAT32))
def test_wire_is_what_pgvector_sends(vector: NDArray[np.float32]) -> None:
    assert wire(vector, "vector") == Vector(vector.tolist()).to_binary()


@given(
    hnp.arrays(
        np.float32, st.integers(1, 50), elements=st.floats(-65504, 65504, width=32)
    )
)
def test_wire_of_halves_is_what_pgvector_sends(vector: NDArray[np.float32]) -> None:
    rounded = vector.astype(np.float16).tolist()
    assert wire(vector, "halfvec") == HalfVector(rounded).to_binary()


@pytest.mark.parametrize("value", [65520.0, -7e4, 1e38])
def test_too_large_for_a_half(value: float) -> None:
    with pytest.raises(InvalidVector, match="beyond the largest half-precision value"):
        wire(np.array([1, value], dtype=np.float32), "halfvec")
