"""What prefixes of each size can find, from one pass over the rows, in NumPy."""

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from mrl_pg.errors import InvalidSetting
from mrl_pg.kinds import Distance, Stored
from mrl_pg.recall.curve import Curve
from mrl_pg.recall.leaders import BLOCK
from mrl_pg.recall.part import Part, ScoredBlock, Sizes
from mrl_pg.vectors import normalise


@dataclass(frozen=True, slots=True)
class Nested:
    """What one pass over the rows found.

    `limits`, shape (queries,): pgvector's distance within which a row is one of the
    true k, ties included; `best`: that of the nearest row. `rows` were seen, `zeros`
    of them without a direction.
    """

    curves: list[Curve]
    limits: NDArray[np.float64]
    best: NDArray[np.float64]
    rows: int
    zeros: int


def nested(
    blocks: Iterable[NDArray[np.floating]],
    queries: NDArray[np.floating],
    *,
    forms: Sequence[tuple[Stored, int]],
    k: int,
    distance: Distance = "cosine",
) -> Nested:
    """A curve for each way to store and size, from rows that pass once.

    `blocks`: rows (n, d), in any number of arrays; `queries` (q, d), none of them a
    row, or it is its own answer. Prefixes are compared by cosine, as short vectors
    are unit length; the truth is by `distance` on full vectors.

    Work: a matrix product of (q, d) with (d, n), because each size adds to the product
    of the one before; half as much for bits, two queries at a time. Memory: some 16 kB
    a query and curve, and two blocks of BLOCK rows; not the rows.

    Curves come with floats first, then by size. Raises InvalidSetting for sizes that
    are none of a prefix, or too few rows.
    """
    # under cosine a query's length says nothing, and would scale the scores
    floats = normalise(queries) if distance == "cosine" else queries
    wanted: NDArray[np.float32] = np.asarray(floats, dtype=np.float32)
    sizes = Sizes.of(forms, wanted.shape[1])
    with one_thread() as alone:
        cores = min(os.cpu_count() or 1, len(wanted)) if alone else 1
        return _passed(blocks, wanted, k, distance, sizes, cores)


@contextmanager
def one_thread() -> Iterator[bool]:
    """A block in which a matrix product takes one thread, so that ours can run beside.

    False where threadpoolctl is not installed, which alone can say so to BLAS:
    then products have the cores, and what is between them has one.
    """
    try:
        from threadpoolctl import threadpool_limits
    except ModuleNotFoundError:
        yield os.environ.get("OPENBLAS_NUM_THREADS") == "1"
        return
    with threadpool_limits(1, "blas"):
        yield True


def _passed(
    blocks: Iterable[NDArray[np.floating]],
    wanted: NDArray[np.float32],
    k: int,
    distance: Distance,
    sizes: Sizes,
    cores: int,
) -> Nested:
    """The pass, the queries shared out over some threads."""
    parts = [Part(share, k, distance, sizes) for share in np.array_split(wanted, cores)]
    seen = zeros = 0
    with ThreadPoolExecutor(cores) as pool:
        busy: Iterable[None] = ()
        for rows in _cut(blocks):
            # read and prepared while the parts look at the block before; NumPy lets
            # go of the interpreter, so all really run together
            block = ScoredBlock.of(rows, sizes)
            list(busy)
            busy = pool.map(Part.add, parts, repeat(block))
            seen += len(rows)
            zeros += int((block.norms[-1] == 0).sum())
        list(busy)
        if seen <= k:
            raise InvalidSetting(f"{seen} rows are too few for k={k}: sample more")
        found = list(pool.map(Part.places, parts))
    return Nested(
        [
            Curve(size, way, np.concatenate([part[i] for part in found]))
            for i, (way, size) in enumerate(sizes.forms)
        ],
        np.concatenate([part.distance_of(part.edge()) for part in parts]),
        np.concatenate([part.distance_of(part.truth.best()[:, -1]) for part in parts]),
        seen,
        zeros,
    )


def _cut(blocks: Iterable[NDArray[np.floating]]) -> Iterator[NDArray[np.float32]]:
    for block in blocks:
        for start in range(0, len(block), BLOCK):
            yield np.asarray(block[start : start + BLOCK], dtype=np.float32)
