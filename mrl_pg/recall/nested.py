"""The recall that prefixes of each size can reach, from one pass over the rows."""

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
    """The result of one pass over the rows.

    `limits`, of shape (queries,), are pgvector's distances up to which a row is one of
    the true k, ties included. `best` are the distances of the nearest rows. `rows` were
    read, and `zeros` of them have no direction.
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
    """A curve for each way to store and size, from rows that are read once.

    `blocks` are the rows (n, d), in any number of arrays. `queries` (q, d) must not be
    rows, because a row finds itself. Prefixes are compared by cosine, because short
    vectors have length 1. The true neighbours are by `distance` on full vectors.

    The work is one matrix product of (q, d) with (d, n), because each size adds to the
    product of the size before. Bits take half as much, because a product serves two
    queries. Memory is about 16 kB per query and curve, and two blocks of BLOCK rows,
    but not all rows.

    Curves of floats come first, then curves of bits, each by size. Raises
    InvalidSetting for a size that no prefix can have, or for too few rows.
    """
    # the length of a query does not change cosine, but would scale the scores
    floats = normalise(queries) if distance == "cosine" else queries
    wanted: NDArray[np.float32] = np.asarray(floats, dtype=np.float32)
    sizes = Sizes.of(forms, wanted.shape[1])
    with one_thread() as alone:
        cores = min(os.cpu_count() or 1, len(wanted)) if alone else 1
        return _passed(blocks, wanted, k, distance, sizes, cores)


@contextmanager
def one_thread() -> Iterator[bool]:
    """A block in which a matrix product uses one thread, so that parts can share cores.

    Yields False if BLAS cannot be limited, because threadpoolctl is not installed. Then
    a product uses all cores, and the work between products uses one.
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
    """Make the pass; each of `cores` threads handles a part of the queries."""
    parts = [Part(share, k, distance, sizes) for share in np.array_split(wanted, cores)]
    seen = zeros = 0
    with ThreadPoolExecutor(cores) as pool:
        busy: Iterable[None] = ()
        for rows in _cut(blocks):
            # prepare this block while the parts score the block before; NumPy releases
            # the interpreter lock, so the threads run at the same time
            block = ScoredBlock.of(rows, sizes)
            list(busy)
            busy = pool.map(Part.add, parts, repeat(block))
            seen += len(rows)
            zeros += int((block.norms[-1] == 0).sum())
        list(busy)
        if seen <= k:
            raise InvalidSetting(f"{seen} rows are too few for k={k}. Sample more rows")
        places = list(pool.map(Part.places, parts))
    return Nested(
        [
            Curve(size, way, np.concatenate([part[i] for part in places]))
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
