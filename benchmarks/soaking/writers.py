"""Writers of a table, who know what they committed and how long they waited."""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg

from soaking.table import COLUMNS, FIRST_KEY, text
from soaking.watcher import WRITER


@dataclass(eq=False)
class Writer(threading.Thread):
    """Inserts, updates and deletes rows of its own, some thirty a second."""

    url: str
    number: int
    done: threading.Event
    columns: tuple[str, ...] = COLUMNS[:1]
    """The columns of full vectors that are written."""
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
                with psycopg.connect(
                    self.url, autocommit=True, application_name=WRITER
                ) as conn:
                    while not self.done.is_set():
                        key += 1
                        with self.writing:
                            self._write(conn, draw, key)
                        time.sleep(0.03)
            except psycopg.OperationalError:
                time.sleep(0.2)

    def _write(
        self, conn: psycopg.Connection[Any], draw: random.Random, key: int
    ) -> None:
        kind = draw.choice(("insert", "update", "delete")) if self.rows else "insert"
        if kind != "insert":
            key = draw.choice(list(self.rows))
        seed = draw.randrange(1 << 30)
        texts = [text(seed, column) for column in self.columns]
        doubtful = key in self.unsure
        self.unsure.add(key)
        start = time.monotonic()
        if kind == "insert":
            names = ", ".join(("id", "note", *self.columns))
            slots = ", ".join(("%s", "%s", *("%s::vector" for _ in texts)))
            done = conn.execute(
                f"insert into docs ({names}) values ({slots})".encode(),
                [key, seed, *texts],
            )
        elif kind == "update":
            sets = ", ".join(f"{column} = %s::vector" for column in self.columns)
            done = conn.execute(
                f"update docs set note = %s, {sets} where id = %s".encode(),
                [seed, *texts, key],
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


def write_to(writers: list[Writer], *columns: str) -> None:
    """From now on write other columns of full vectors, in the rows that are written."""
    with paused(writers):
        for writer in writers:
            writer.columns = columns


def catch_up(url: str, column: str) -> None:
    """Write a column of full vectors in all rows that writers made, as they would."""
    with psycopg.connect(url, autocommit=True) as conn:
        made = conn.execute(
            "select id, note from docs where id >= %s", [FIRST_KEY]
        ).fetchall()
        for key, note in made:
            conn.execute(
                f"update docs set {column} = %s::vector "
                "where id = %s and note = %s".encode(),
                [text(note, column), key, note],
            )


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
