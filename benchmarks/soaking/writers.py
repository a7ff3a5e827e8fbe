"""Writers of a table, who know what they committed and how long they waited."""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import psycopg

DIMS = 256

FIRST_KEY = 10_000_000
"""Rows below it are there from the start, and nobody changes them."""


def vector(seed: int) -> str:
    """The vector of a row as text, from the number that the row holds beside it."""
    scale = np.arange(1, DIMS + 1) ** -0.5
    made = np.random.default_rng(seed).normal(size=DIMS) * scale
    return str((made / np.linalg.norm(made)).round(5).tolist())


@dataclass(eq=False)
class Writer(threading.Thread):
    """Inserts, updates and deletes rows of its own, about a hundred a second."""

    url: str
    number: int
    done: threading.Event
    rows: dict[int, int] = field(default_factory=dict)
    """What is committed: the number that each row holds."""
    gone: set[int] = field(default_factory=set)
    unsure: set[int] = field(default_factory=set)
    """Rows of writes that broke off, which may have been committed or not."""
    lost: set[int] = field(default_factory=set)
    """Rows that were committed, and that a later write did not find."""
    waits: list[tuple[float, float]] = field(default_factory=list)
    """When each write began, and the seconds that it took."""
    writing: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """Become a thread."""
        super().__init__(daemon=True)

    def run(self) -> None:
        """Write until the event is set; connect again after every loss."""
        draw = random.Random(self.number)
        key = FIRST_KEY * self.number
        while not self.done.is_set():
            try:
                with psycopg.connect(self.url, autocommit=True) as conn:
                    while not self.done.is_set():
                        key += 1
                        with self.writing:
                            self._write(conn, draw, key)
                        time.sleep(0.01)
            except psycopg.OperationalError:
                time.sleep(0.2)

    def _write(
        self, conn: psycopg.Connection[Any], draw: random.Random, key: int
    ) -> None:
        kind = draw.choice(("insert", "update", "delete")) if self.rows else "insert"
        if kind != "insert":
            key = draw.choice(list(self.rows))
        seed = draw.randrange(1 << 30)
        text = vector(seed)
        doubtful = key in self.unsure
        self.unsure.add(key)
        start = time.monotonic()
        if kind == "insert":
            done = conn.execute(
                "insert into docs (id, note, embedding) values (%s, %s, %s::vector)",
                [key, seed, text],
            )
        elif kind == "update":
            done = conn.execute(
                "update docs set note = %s, embedding = %s::vector where id = %s",
                [seed, text, key],
            )
        else:
            done = conn.execute("delete from docs where id = %s", [key])
        self.waits.append((start, time.monotonic() - start))
        # committed: what broke off before this line may have been, or not
        self.unsure.discard(key)
        if done.rowcount != 1 and not doubtful:
            self.lost.add(key)
        if kind == "delete" or done.rowcount != 1:
            del self.rows[key]
            self.gone.add(key)
        else:
            self.rows[key] = seed


@contextmanager
def writing(url: str, count: int = 4) -> Iterator[list[Writer]]:
    """Writers that work during the block."""
    done = threading.Event()
    writers = [Writer(url, number, done) for number in range(1, count + 1)]
    for writer in writers:
        writer.start()
    try:
        yield writers
    finally:
        done.set()
        for writer in writers:
            writer.join()


@contextmanager
def paused(writers: list[Writer]) -> Iterator[None]:
    """Nobody writes during the block."""
    with ExitStack() as stack:
        for writer in writers:
            stack.enter_context(writer.writing)
        yield


def longest(writers: list[Writer], start: float, end: float) -> float:
    """The longest wait of a writer that began between two moments, in milliseconds."""
    waits = [took for w in writers for at, took in w.waits if start <= at <= end]
    return 1000 * max(waits, default=0)
