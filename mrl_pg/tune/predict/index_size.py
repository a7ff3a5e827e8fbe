"""Predicts the bytes of an HNSW index, its graph, a short column and TOAST.

The layout is that of pgvector 0.8 (`src/hnsw.h`, `src/hnswbuild.c`). Each element takes
two tuples, for the vector and for the links, on one page if both fit. A graph that does
not fit `maintenance_work_mem` has the same layout, except for its last pages.
"""

import math
from functools import lru_cache

import numpy as np

from mrl_pg.kinds import KINDS, Kind

PAGE = 8192
PAGE_HEADER = 24
INDEX_SPECIAL = 8
LINE_POINTER = 4
ROW_HEADER = 24
ELEMENT_HEADER = 72
"""Bytes of type, level, flags, ten heap pointers, and the pointer to the links."""

LINK = 6
SIMULATED = 20_000
"""Elements to lay out on pages. More elements take pages in proportion."""

TOAST_CHUNK = 1996
TOAST_ROW = 40
"""Bytes of header, line pointer, key and length of a chunk in a TOAST table."""

TOAST_VALUES = 200
"""Values to lay out on pages of TOAST."""

TOAST_ENTRY = 20 / 0.9
"""Bytes of a chunk in the index of a TOAST table, whose pages are filled to 90 %."""


def value_bytes(kind: Kind, dims: int) -> int:
    """Bytes of one value, including its length field."""
    return 8 + -(-dims * KINDS[kind].bits // 8)


def index_bytes(kind: Kind, dims: int, rows: int, m: int = 16) -> int:
    """Bytes of an HNSW index over `rows` different values.

    Up to ten equal values share an element, so an index of few bits is smaller if many
    rows have the same bits.
    """
    return PAGE + math.ceil(rows * _pages(kind, dims, m)) * PAGE


@lru_cache(maxsize=256)
def _pages(kind: Kind, dims: int, m: int) -> float:
    """Pages per element, found by laying out some elements as pgvector does."""
    usable = PAGE - PAGE_HEADER - INDEX_SPECIAL
    element = _aligned(ELEMENT_HEADER + value_bytes(kind, dims)) + LINE_POINTER
    draws = 1 - np.random.default_rng(0).random(SIMULATED)
    levels = np.floor(-np.log(draws) / math.log(m)).astype(int)
    pages, free = 1, usable
    for level in levels.tolist():
        links = _aligned(4 + (level + 2) * m * LINK) + LINE_POINTER
        together = element + links
        if free < element or (together <= usable and free < together):
            pages, free = pages + 1, usable
        free -= element
        if free < links:
            pages, free = pages + 1, usable
        free -= links
    return pages / SIMULATED


def graph_bytes(kind: Kind, dims: int, rows: int, m: int = 16) -> int:
    """Bytes of memory that the graph of `rows` values takes while it is built.

    A build is several times slower if `maintenance_work_mem` is less. It is the memory
    of `mrl._graph_size` on PostgreSQL 16 and later.
    """
    element = 128 + _aligned(value_bytes(kind, dims))
    # the links of the lowest level, and the list of levels
    links = 8 + 32 * m + 8
    headers = 4 * 8
    # the links of higher levels, of which a row has 1 / (m - 1) on average
    higher = (16 + 16 * m + 8) / (m - 1)
    return math.ceil(rows * (element + links + headers + higher))


def toast_bytes(kind: Kind, dims: int, rows: int) -> int:
    """Bytes of a TOAST table and its index that hold `rows` values outside their rows.

    Chunks go to pages in order, so the end of a page that is shorter than the next
    chunk stays empty.
    """
    # without the length field of the value, which TOAST does not keep
    left = value_bytes(kind, dims) - 4
    full, rest = divmod(left, TOAST_CHUNK)
    chunks = [TOAST_CHUNK] * full + [rest] * bool(rest)
    pages, free = 1, PAGE - PAGE_HEADER
    for _ in range(TOAST_VALUES):
        for size in chunks:
            taken = _aligned(size + TOAST_ROW - LINE_POINTER) + LINE_POINTER
            if taken > free:
                pages, free = pages + 1, PAGE - PAGE_HEADER
            free -= taken
    a_row = pages / TOAST_VALUES * PAGE + len(chunks) * TOAST_ENTRY
    return math.ceil(rows * a_row)


def column_bytes(kind: Kind, dims: int, rows: int, row_width: int) -> int:
    """Bytes that a short column adds to a table whose rows are `row_width` bytes wide.

    In `row_width`, a value in TOAST counts 18 bytes. The short value is in the row,
    unless the row would then be larger than a page.
    """
    size = value_bytes(kind, dims)
    if row_width + size + ROW_HEADER + LINE_POINTER > PAGE - PAGE_HEADER:
        chunks = -(-size // TOAST_CHUNK)
        return rows * (size + chunks * TOAST_ROW + 18)
    before = rows_a_page(row_width)
    after = rows_a_page(row_width + size)
    return math.ceil(rows / after) * PAGE - math.ceil(rows / before) * PAGE


def rows_a_page(width: int) -> int:
    """The number of rows on one page of a table; `width` excludes the row header."""
    row = _aligned(ROW_HEADER + width) + LINE_POINTER
    return max(1, (PAGE - PAGE_HEADER) // row)


def _aligned(size: int) -> int:
    return -(-size // 8) * 8
