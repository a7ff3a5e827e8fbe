"""Windows of time in which one or more clients search, one query after the other."""

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Vector: TypeAlias = NDArray[np.float32]
Searcher: TypeAlias = Callable[[Vector], Sequence[int]]
"""Takes a query, and returns the numbers of rows, nearest first."""

AGREE = 0.05
"""Two windows whose rates differ by no more than this share are warm."""

TRIES = 5
LEAST = 10
"""Fewest searches of a window, however slow they are."""


@dataclass(frozen=True, slots=True)
class Window:
    """The seconds of each search in a window, and of the window as a whole."""

    latencies: tuple[float, ...]
    seconds: float

    @property
    def rate(self) -> float:
        """Searches per second."""
        return len(self.latencies) / self.seconds


def milliseconds(windows: Sequence[Window]) -> tuple[float, float, float]:
    """The 50th, 95th and 99th percentile of all searches of the windows."""
    every = np.concatenate([window.latencies for window in windows])
    p50, p95, p99 = np.quantile(every, (0.5, 0.95, 0.99)) * 1000
    return float(p50), float(p95), float(p99)


def search_for(
    search: Searcher, queries: Sequence[Vector], seconds: float, first: int = 0
) -> Window:
    """A window of one client: queries in turn, from `first` on, for so many seconds."""
    took: list[float] = []
    start = now = time.perf_counter()
    for query in itertools.islice(itertools.cycle(queries), first, None):
        search(query)
        end = time.perf_counter()
        took.append(end - now)
        now = end
        if now - start >= seconds and len(took) >= LEAST:
            break
    return Window(tuple(took), now - start)


@dataclass(slots=True)
class Turns:
    """Windows of one client, each of which goes on where the last one ended.

    With little memory, a window that asks the same queries again finds in memory what
    the last one read, and is faster than any search that nobody asked before.
    """

    search: Searcher
    queries: Sequence[Vector]
    next: int = 0

    def window(self, seconds: float) -> Window:
        """The next queries, for so many seconds."""
        found = search_for(self.search, self.queries, seconds, self.next)
        self.next = (self.next + len(found.latencies)) % len(self.queries)
        return found

    def once(self, seconds: float) -> None:
        """Every query once, or as many as so many seconds allow."""
        end = time.perf_counter() + seconds
        for _ in self.queries:
            self.search(self.queries[self.next])
            self.next = (self.next + 1) % len(self.queries)
            if time.perf_counter() > end:
                break


def search_together(
    searches: Sequence[Searcher], queries: Sequence[Vector], seconds: float
) -> Window:
    """A window of several clients at once, each in a thread, with other queries.

    The rate is of all searches that ended before the first client stopped.
    """
    if len(searches) == 1:
        return search_for(searches[0], queries, seconds)
    windows: list[Window | None] = [None] * len(searches)
    failures: list[BaseException] = []
    gate = threading.Barrier(len(searches))

    def work(i: int) -> None:
        try:
            gate.wait()
            first = i * len(queries) // len(searches)
            windows[i] = search_for(searches[i], queries, seconds, first)
        except BaseException as error:
            gate.abort()
            failures.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(searches))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    done = [window for window in windows if window is not None]
    shortest = min(window.seconds for window in done)
    counted = [within(window, shortest) for window in done]
    return Window(tuple(itertools.chain(*counted)), shortest)


def within(window: Window, seconds: float) -> tuple[float, ...]:
    """Latencies of the searches that ended in the first seconds of a window."""
    ends = np.cumsum(window.latencies)
    # a hair more, because the sum of the latencies is rounded
    return window.latencies[: int(np.searchsorted(ends, seconds + 1e-9, side="right"))]


def agree(one: float, other: float, tolerance: float = AGREE) -> bool:
    """Whether two rates differ by at most a share of the larger one."""
    return abs(one - other) <= tolerance * max(one, other)


def warm_up(run: Callable[[], Any], tries: int = TRIES) -> bool:
    """Run windows until two in a row agree; False if they never do."""
    last = run().rate
    for _ in range(tries - 1):
        rate = run().rate
        if agree(last, rate):
            return True
        last = rate
    return False
