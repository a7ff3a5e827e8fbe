"""A reader who searches all the time, and may never get a wrong answer or an error."""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg

from mrl_pg import MatryoshkaColumn
from mrl_pg.errors import IndexMismatch, IndexNotFound
from soaking.table import COLUMNS, seed_of, values
from soaking.writers import Writer

ENOUGH = 0.97
"""The share of the searches that has to find the row whose vector is the query."""


@dataclass(eq=False)
class Reader(threading.Thread):
    """Searches for rows that were there from the start, by their own vectors."""

    url: str
    rows: int
    writers: list[Writer]
    done: threading.Event
    searches: int = 0
    found: int = 0
    """Searches that found the row that they were for."""
    without: int = 0
    """Searches that found no index to use."""
    must: bool = False
    """Whether there is a usable index all the time."""
    during: str = ""
    """What is running now, set by whoever runs it."""
    failed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Become a thread."""
        super().__init__(daemon=True)

    def run(self) -> None:
        """Search until the event is set; connect again after every loss."""
        draw = random.Random(0)
        while not self.done.is_set():
            try:
                with psycopg.connect(
                    self.url, autocommit=True, application_name="soak reader"
                ) as conn:
                    while not self.done.wait(0.05):
                        self._search(conn, 1 + draw.randrange(self.rows))
            except psycopg.OperationalError:
                time.sleep(0.2)
            except Exception as error:
                self.failed.append(f"{self.during}: a search failed: {error!r}")

    def _search(self, conn: psycopg.Connection[Any], key: int) -> None:
        must = self.must
        # whoever changes what is written waits for it
        with self.writers[0].writing:
            query = {c: values(seed_of(key, None), c) for c in COLUMNS}
            column = MatryoshkaColumn("docs", self.writers[0].columns[0])
            try:
                keys = column.search(conn, query, k=10).keys
            # a column whose trigger is disabled by hand is no short column
            except (IndexNotFound, IndexMismatch) as error:
                self.without += 1
                if must and self.must:
                    self.failed.append(f"{self.during}: there is an index: {error!r}")
                return
        self.searches += 1
        self.found += key in keys

    def check(self) -> None:
        """Raise SystemExit if a search failed, or too many missed their row."""
        if self.failed:
            raise SystemExit("\n".join(self.failed[:3]))
        if self.searches > 100 and self.found < ENOUGH * self.searches:
            raise SystemExit(f"{self.found} of {self.searches} searches found the row")


@contextmanager
def reading(url: str, rows: int, writers: list[Writer]) -> Iterator[Reader]:
    """A reader who searches during the block."""
    done = threading.Event()
    reader = Reader(url, rows, writers, done)
    reader.start()
    try:
        yield reader
    finally:
        done.set()
        reader.join()
