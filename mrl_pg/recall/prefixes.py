"""Products and lengths of the first dimensions of vectors, for all sizes at once."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]


class Products:
    """Products of queries with blocks of rows, by the first dimensions of each size.

    Each size adds to the product of the size before, so all cost one full product.
    """

    def __init__(
        self, queries: NDArray[np.floating], ends: Sequence[int], most: int
    ) -> None:
        """Make room for blocks of at most `most` rows; sizes in `ends` ascend."""
        self.queries, self.ends = queries, ends
        # used again for each block, because new memory takes longer to fill
        self.room = np.empty((2, len(queries), most), dtype=queries.dtype)

    def of(self, rows: Floats) -> Iterator[NDArray[np.floating]]:
        """Products with a block, (q, n), size by size, always in the same array."""
        product, more = self.room[:, :, : len(rows)]
        product[:] = 0
        for start, end in pairwise((0, *self.ends)):
            part = rows[:, start:end]
            product += np.matmul(self.queries[:, start:end], part.T, out=more)
            yield product


def lengths(rows: Floats, ends: Sequence[int]) -> Iterator[Floats]:
    """Lengths, (n,), of the first dimensions of each size; sizes in `ends` ascend."""
    squares = np.zeros(len(rows), dtype=np.float32)
    for start, end in pairwise((0, *ends)):
        part = rows[:, start:end]
        squares += np.einsum("ij,ij->i", part, part)
        yield np.sqrt(squares)


def cosine(
    product: NDArray[np.floating], norms: Floats, out: Floats | None = None
) -> Floats:
    """Cosine times the query's length, which changes no order; zeros are last."""
    with np.errstate(divide="ignore", invalid="ignore"):
        scores: Floats = np.multiply(product, np.reciprocal(norms), out=out)
    if not norms.all():
        scores[:, norms == 0] = -np.inf
    return scores
