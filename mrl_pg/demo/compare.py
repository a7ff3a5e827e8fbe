"""Measures the recall and the time of several searches in one run."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mrl_pg.kinds import Distance
from mrl_pg.recall.score import Recall, recall_at_k, summarise
from mrl_pg.recall.truth import Truth, distances

Search: TypeAlias = Callable[[NDArray[np.float32]], Sequence[int]]
"""Takes a query and returns positions in `rows`, nearest first."""


@dataclass(frozen=True, slots=True)
class Measured:
    """The recall of a search over all queries, and its milliseconds per query."""

    label: str
    recall: Recall
    median_ms: float
    p95_ms: float
    mean_ms: float


def measure(
    searches: dict[str, Search],
    rows: NDArray[np.floating],
    queries: NDArray[np.float32],
    truth: Truth,
    *,
    distance: Distance = "cosine",
    rounds: int = 1,
    advance: Callable[[], Any] = lambda: None,
) -> list[Measured]:
    """Measure every search with every query.

    The first search changes from query to query, so that a machine that slows down
    slows all searches alike. Each search first runs all queries once untimed, to plan
    the search, to warm the caches and to compute recall. `advance` is called after each
    query of each search, also in the warm-up.
    """
    recalls: dict[str, list[float]] = {label: [] for label in searches}
    seconds: dict[str, list[float]] = {label: [] for label in searches}
    for label, search in searches.items():
        for query, edge in zip(queries, truth.distances, strict=True):
            places = np.asarray(search(query), dtype=np.int64)
            near = np.asarray(rows[np.sort(places)], dtype=np.float32)
            exact = distances(near, query[np.newaxis], distance)[0]
            recalls[label].append(recall_at_k(exact.tolist(), edge))
            advance()
    labels = list(searches)
    for turn in range(rounds):
        for i, query in enumerate(queries):
            first = (i + turn) % len(labels)
            for label in labels[first:] + labels[:first]:
                start = time.perf_counter()
                searches[label](query)
                seconds[label].append(time.perf_counter() - start)
                advance()
    return [
        Measured(
            label,
            summarise(recalls[label]),
            *(1000 * float(value) for value in _times(seconds[label])),
        )
        for label in labels
    ]


def _times(seconds: Sequence[float]) -> tuple[float, float, float]:
    array = np.asarray(seconds)
    return float(np.median(array)), float(np.quantile(array, 0.95)), float(array.mean())
