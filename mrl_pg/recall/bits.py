"""Signs of vectors as numbers, so that a matrix product compares them."""

import numpy as np
from numpy.typing import NDArray

from mrl_pg.recall.prefixes import Floats

FITS = 2**11
"""Two whole numbers below this, and a sign each, fit into the digits of a float32."""


def signs(vectors: Floats) -> Floats:
    """1 where pgvector's binary_quantize has a one, else 0."""
    return (vectors > 0).view(np.int8).astype(np.float32)


def paired(queries: Floats) -> NDArray[np.floating]:
    """Signs of the queries, two in a row, for products with the `signs` of rows.

    The product of one query's signs, 1 and -1, with those of a row is a constant less
    their Hamming distance. It is a small whole number, so there is room for a second
    query's as the fraction behind it, and one matrix product serves both, exactly.
    `apart` gives each its own.
    """
    ones = signs(queries)
    count = ones.sum(axis=1)
    most = max(count.max(), ones.shape[1] - count.min())
    exact = np.float32 if most < FITS else np.float64
    both = (2 * ones - 1).astype(exact)
    half = (len(both) + 1) // 2
    first, second = both[:half], both[half:]
    first[: len(second)] += second * 2.0 ** -(np.finfo(exact).nmant // 2 + 1)
    return first


def apart(pairs: NDArray[np.floating], out: Floats) -> None:
    """Scores of each query out of products of pairs; greater is nearer.

    Those of a query in the second half stay fractions: within a query order is all.
    """
    half, rest = len(pairs), len(out) - len(pairs)
    np.rint(pairs, out=out[:half], casting="same_kind")
    np.subtract(pairs[:rest], out[:rest], out=out[half:], casting="same_kind")
