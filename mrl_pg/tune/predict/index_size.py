"""Predicts the size of an HNSW index and of a short column from the layout of pages.

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
