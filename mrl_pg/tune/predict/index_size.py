"""How large an HNSW index and a short column will be, from the layout of pages.

Of pgvector 0.8 (`src/hnsw.h`, `src/hnswbuild.c`): each element takes two tuples, one
with the vector and one with the links, on one page where both fit. A graph that does
not fit `maintenance_work_mem` is laid out the same, but for its last pages.
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
"""Type, level, flags, ten heap pointers, the place of the links."""

LINK = 6
SIMULATED = 20_000
"""Elements that are laid out; the pages of the others are in proportion."""

TOAST_CHUNK = 1996
TOAST_ROW = 40
"""Header, line pointer, key and length of a chunk in a TOAST table."""


def value_bytes(kind: Kind, dims: int) -> int:
    """Bytes of one value, its length included."""
    return 8 + -(-dims * KINDS[kind].bits // 8)


def index_bytes(kind: Kind, dims: int, rows: int, m: int = 16) -> int:
    """Bytes of an HNSW index over `rows` values that all differ.

    Equal values share an element, ten at most, so an index of short bits over rows
    that are alike is smaller.
    """
    return PAGE + math.ceil(rows * _pages(kind, dims, m)) * PAGE


@lru_cache(maxsize=256)
def _pages(kind: Kind, dims: int, m: int) -> float:
    """Pages an element, by laying some out as pgvector does."""
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
    """Bytes that a short column adds to a table whose rows are `row_width` wide.

    `row_width` counts what is in the row itself: 18 bytes of a value in TOAST. The
    short value is in the row, too, unless that is then larger than a page.
    """
    size = value_bytes(kind, dims)
    if row_width + size + ROW_HEADER + LINE_POINTER > PAGE - PAGE_HEADER:
        chunks = -(-size // TOAST_CHUNK)
        return rows * (size + chunks * TOAST_ROW + 18)
    before = rows_a_page(row_width)
    after = rows_a_page(row_width + size)
    return math.ceil(rows / after) * PAGE - math.ceil(rows / before) * PAGE


def rows_a_page(width: int) -> int:
    """Rows of a width, header not counted, on one page of a table."""
    row = _aligned(ROW_HEADER + width) + LINE_POINTER
    return max(1, (PAGE - PAGE_HEADER) // row)


def _aligned(size: int) -> int:
    return -(-size // 8) * 8
