"""Predicts which pages a search reads from disk if memory is smaller than the table.

The model is Che's approximation of a cache that drops what was used longest ago
(H. Che, Y. Tung and Z. Wang, *Hierarchical web caching systems*, 2002). A page that a
search touches with chance p is in memory with chance 1 - exp(-p * n), where n is the
number of searches after which a page is dropped. n is the same for all pages, and so
large that the pages in memory just fill it. All pages of an index count alike, and so
do all pages of a table. Real queries ask for some rows more often than for others, so
the true share from disk is rather smaller than the prediction.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mrl_pg.tune.predict.index_size import PAGE
from mrl_pg.tune.rows.table import TableFacts

WALK_PAGES = 19.0
"""Pages of the index that the first pass touches for each 1 of `ef_search`, with m 16.
From `explain (buffers)` over 100,000 sentences: see docs/measured/rerank.md. Values for
other m are a guess."""

DISK_MS = 0.1
"""Milliseconds to read a page from disk. A guess, from 985,609 rows with 1.5 and 3 GB
of memory (docs/measured/passes.md), where it was .05 to .25."""


@dataclass(frozen=True, slots=True)
class Cached:
    """An index or a part of a table: its bytes, and the pages that a search touches."""

    bytes: int
    touched: float


@dataclass(frozen=True, slots=True)
class Pages:
    """The pages that a search touches, and how many of them come from disk."""

    touched: float
    disk: float

    @property
    def share(self) -> float:
        """The share of the touched pages that comes from disk."""
        return self.disk / self.touched if self.touched else 0.0

    @property
    def ms(self) -> float:
        """A guess at the milliseconds that reading from disk takes."""
        return self.disk * DISK_MS


def pages(parts: Sequence[Cached], memory: int) -> Pages:
    """The pages that a search of these parts touches, with so many bytes of memory."""
    touched = sum(part.touched for part in parts)
    sizes = [max(1.0, part.bytes / PAGE) for part in parts]
    room = memory / PAGE
    if sum(sizes) <= room:
        return Pages(touched, 0.0)
    chances = [part.touched / size for part, size in zip(parts, sizes, strict=True)]

    def held(searches: float) -> float:
        """Pages that are touched at least once by so many searches."""
        return sum(
            -size * math.expm1(-chance * searches)
            for size, chance in zip(sizes, chances, strict=True)
        )

    low, high = 0.0, 1.0
    # parts that no search touches never fill the memory
    while held(high) < room and high < 1e12:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if held(middle) < room else (low, middle)
    disk = sum(
        part.touched * math.exp(-chance * high)
        for part, chance in zip(parts, chances, strict=True)
    )
    return Pages(touched, disk)


def walk_pages(ef: int, m: int) -> float:
    """A guess at the pages of an index that a first pass touches."""
    return ef * WALK_PAGES * math.sqrt(m / 16)


def two_passes(
    table: TableFacts,
    *,
    index_bytes: int,
    column_bytes: int,
    walk: float,
    candidates: int,
    reads: int | None = None,
    plain_bytes: int | None = None,
) -> list[Cached]:
    """The parts that a search of a short index touches, when the table has all rows.

    Each candidate takes a page of the table. If full vectors are in TOAST, each that is
    read takes as many pages there as it spans; all candidates are read unless `reads`
    of them are. Pages of TOAST's index are few and stay in memory. `plain_bytes` are
    the bytes of the table if its full vectors were in the row.
    """
    reads = candidates if reads is None else reads
    heap = table.heap_bytes if plain_bytes is None else plain_bytes
    parts = [
        Cached(index_bytes, walk),
        Cached(heap + column_bytes, float(candidates)),
    ]
    if table.in_toast and plain_bytes is None:
        parts.append(Cached(table.toast_bytes, reads * (1 + table.full_bytes / PAGE)))
    return parts


def one_pass(
    table: TableFacts, *, index_bytes: int, walk: float, k: int
) -> list[Cached]:
    """The parts that a search of an index over full vectors touches: k rows at most."""
    return two_passes(
        table, index_bytes=index_bytes, column_bytes=0, walk=walk, candidates=k
    )
