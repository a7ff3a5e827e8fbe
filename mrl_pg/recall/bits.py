"""Signs of vectors as numbers, so that a matrix product can compare them."""

import numpy as np
from numpy.typing import NDArray

from mrl_pg.recall.prefixes import Floats

FITS = 2**11
"""Two whole numbers below this, each with a sign, fit into the digits of a float32."""


def signs(vectors: Floats) -> Floats:
    """1 where pgvector's binary_quantize has bit 1, else 0."""
    return (vectors > 0).view(np.int8).astype(np.float32)


def paired(queries: Floats) -> NDArray[np.floating]:
    """Signs of two queries in each row, for products with the `signs` of rows.

    The product of a query's signs (1 and -1) with the `signs` of a row (1 and 0) is a
    constant minus their Hamming distance. This is a small whole number, so the product
    of a second query fits into the fraction behind it. One matrix product then serves
    both queries, exactly. `apart` separates the two products.
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
    """Write the scores of each query, from products of pairs; greater is nearer.

    Scores of queries in the second half stay fractions, because only the order of the
    scores of a query matters.
    """
    half, rest = len(pairs), len(out) - len(pairs)
    np.rint(pairs, out=out[:half], casting="same_kind")
    np.subtract(pairs[:rest], out[:rest], out=out[half:], casting="same_kind")
