"""What an index costs those who write, and what updates leave of its searches.

All of it happens in a transaction that is rolled back, with all other indexes of the
table dropped in it. So each index is maintained alone, and every contender finds the
table as it was.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mrl_pg.bench.asked import Asked, ask
from mrl_pg.bench.corpus import Corpus, Floats
from mrl_pg.bench.front import BenchEffort, FrontPoint
from mrl_pg.bench.measure import Pace
from mrl_pg.bench.on_server import ServerClient, named, regclass
from mrl_pg.bench.timing import LEAST, Turns, Window, milliseconds, warm_up
from mrl_pg.build import definitions
from mrl_pg.catalog import slots
from mrl_pg.exchange import cursors
from mrl_pg.exchange.vectors import QueryVector
from mrl_pg.vectors import wire


@dataclass(frozen=True, slots=True)
class Writes:
    """Rows per second, each sent by itself in one transaction, and how many."""

    rows: int
    per_second: float


@contextmanager
def alone(client: ServerClient, table: str) -> Iterator[None]:
    """A transaction in which the table has no other index; it is rolled back."""
    statement = slots.statement(
        "bench_other_indexes", table=regclass(table), index=regclass(client.index)
    )
    with client.conn.transaction(force_rollback=True):
        others = cursors.tuples(client.conn).execute(statement).fetchall()
        for (name,) in others:
            client.conn.execute(definitions.drop_index(named(name)))
        yield


def inserts(client: ServerClient, table: str, corpus: Corpus, seconds: float) -> Writes:
    """Insert rows that are near those there are, for so many seconds."""
    rng = np.random.default_rng(3)
    vectors = jittered(corpus.rows[rng.integers(len(corpus.rows), size=2000)], rng)
    statement = slots.statement(
        "bench_insert", table=named(table), query=client.site.query()
    )
    with alone(client, table):
        return _write(client, statement.as_string(), vectors, len(corpus.rows), seconds)


def _write(
    client: ServerClient, text: str, vectors: Floats, first: int, seconds: float
) -> Writes:
    start, done = time.perf_counter(), 0
    for vector in vectors:
        data = {"query": QueryVector(wire(vector, "vector"), "vector")}
        values = {"id": first + done, **data}
        client.cursor.execute(text.encode(), values, prepare=True)
        done += 1
        if done >= LEAST and time.perf_counter() - start > seconds:
            break
    return Writes(done, done / (time.perf_counter() - start))


def jittered(vectors: Floats, rng: np.random.Generator) -> Floats:
    """New vectors near old ones: an eleventh of their length is noise."""
    noise = rng.normal(size=vectors.shape).astype(np.float32)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    noise *= 0.1 * lengths / np.linalg.norm(noise, axis=1, keepdims=True)
    mixed: Floats = vectors + noise
    mixed *= lengths / np.linalg.norm(mixed, axis=1, keepdims=True)
    return mixed


@dataclass(frozen=True, slots=True, eq=False)
class Swap:
    """An update: which rows get the vector of which other row, and the answers then."""

    rows: NDArray[np.int64]
    vectors: Floats
    asked: Asked


def drawn(corpus: Corpus, share: float, seed: int) -> NDArray[np.int64]:
    """A share of the rows, drawn at random."""
    order = np.random.default_rng(seed + 2).permutation(len(corpus.rows))
    chosen: NDArray[np.int64] = np.sort(order[: int(share * len(order))])
    return chosen


def swap(corpus: Corpus, share: float, k: int, seed: int) -> Swap:
    """Rows drawn at random exchange their vectors, so that all stay real ones."""
    chosen = drawn(corpus, share, seed)
    vectors = corpus.rows[np.roll(chosen, 1)]
    rows = corpus.rows.copy()
    rows[chosen] = vectors
    return Swap(chosen, vectors, ask(corpus, k, rows=rows))


@dataclass(frozen=True, slots=True, eq=False)
class Removal:
    """A deletion: which rows, and the answers then."""

    rows: NDArray[np.int64]
    asked: Asked


def removal(corpus: Corpus, share: float, k: int, seed: int) -> Removal:
    """Rows drawn at random go."""
    gone = drawn(corpus, share, seed)
    return Removal(gone, ask(corpus, k, gone=gone))


@dataclass(frozen=True, slots=True)
class Changed:
    """An effort after changes that no vacuum followed, and the changes per second.

    `before` is the rate of the same effort before the changes.
    """

    writes: Writes
    point: FrontPoint
    before: float


def updated(
    client: ServerClient, table: str, effort: BenchEffort, change: Swap, pace: Pace
) -> Changed:
    """Update rows, and search with the same effort before and after."""
    statement = slots.statement(
        "bench_update", table=named(table), query=client.site.query()
    ).as_string()

    def write() -> int:
        for row, vector in zip(change.rows, change.vectors, strict=True):
            data = {"query": QueryVector(wire(vector, "vector"), "vector")}
            values = {"id": int(row), **data}
            client.cursor.execute(statement.encode(), values, prepare=True)
        return len(change.rows)

    return _changed(client, table, effort, change.asked, pace, write)


def deleted(
    client: ServerClient, table: str, effort: BenchEffort, change: Removal, pace: Pace
) -> Changed:
    """Delete rows, and search with the same effort before and after."""
    statement = slots.statement("bench_delete", table=named(table))

    def write() -> int:
        ids = {"ids": change.rows.tolist()}
        return cursors.tuples(client.conn).execute(statement, ids).rowcount

    return _changed(client, table, effort, change.asked, pace, write)


def _changed(
    client: ServerClient,
    table: str,
    effort: BenchEffort,
    asked: Asked,
    pace: Pace,
    write: Callable[[], int],
) -> Changed:
    with alone(client, table):
        before = _windows(client, effort, asked, pace)[1]
        start = time.perf_counter()
        rows = write()
        took = time.perf_counter() - start
        search = client.searcher(effort, asked.k)
        recall = asked.recall([search(query) for query in asked.queries])
        warm, windows = _windows(client, effort, asked, pace)
    point = FrontPoint(
        effort,
        recall,
        tuple(window.rate for window in windows),
        *milliseconds(windows),
        warm,
    )
    usual = sorted(window.rate for window in before)[len(before) // 2]
    return Changed(Writes(rows, rows / took), point, usual)


def _windows(
    client: ServerClient, effort: BenchEffort, asked: Asked, pace: Pace
) -> tuple[bool, list[Window]]:
    turns = Turns(client.searcher(effort, asked.k), asked.queries)

    def run() -> Window:
        return turns.window(pace.seconds)

    return warm_up(run), [run() for _ in range(pace.rounds)]
