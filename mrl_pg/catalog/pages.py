"""Ranges of a table's pages, so that each statement reads for a moment only."""

from collections.abc import Iterator
from dataclasses import dataclass

from psycopg import sql

from mrl_pg import source
from mrl_pg.catalog.facts import Facts
from mrl_pg.exchange import Exchange, look

FIRST_PAGES = 32
"""Pages of the first range. With full vectors in TOAST, a page may stand for 1 MB."""

MOST_PAGES = 4096
"""The most pages of a range: 32 MB."""


@dataclass(frozen=True, slots=True)
class Range:
    """Pages from `first` to before `last`, in every partition of a table."""

    first: int
    last: int

    def slots(self) -> dict[str, sql.Composable]:
        """The slots `first` and `last` of a statement."""
        return {
            "first": sql.Literal(f"({self.first},0)"),
            "last": sql.Literal(f"({self.last},0)"),
        }


@dataclass(slots=True)
class PageRanges:
    """All pages that a table has now, in ranges that follow the size of what comes.

    Call `came` with the bytes of each range, so that the next range has about `wanted`
    bytes, or `too_many` to be given a shorter range once more. `total` is the number of
    pages of the longest partition.
    """

    total: int
    wanted: int
    pages: int
    taken: bool = True

    def __iter__(self) -> Iterator[Range]:
        """The ranges, in order."""
        first = 0
        while first < self.total:
            last = min(first + self.pages, self.total)
            self.taken = True
            yield Range(first, last)
            if self.taken:
                first = last

    def came(self, size: int) -> None:
        """Take in how many bytes the last range had."""
        fitting = self.pages * self.wanted // max(size, 1)
        self.pages = max(1, min(fitting, 2 * self.pages, MOST_PAGES))

    def too_many(self, range: Range) -> None:
        """Give a part of the last range once more."""
        self.pages = max(1, (range.last - range.first) // 4)
        self.taken = False


def page_ranges(facts: Facts, wanted: int) -> Exchange[PageRanges]:
    """The ranges of a table's pages; rows that come to later pages are not in them."""
    query = source.statement("table_pages").encode()
    rows = yield from look(query, {"table_id": facts.table_id}, binary=True)
    return PageRanges((rows[0]["pages"] if rows else None) or 0, wanted, FIRST_PAGES)
