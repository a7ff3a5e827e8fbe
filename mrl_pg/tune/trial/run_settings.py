"""Runs every setting of every index that was built: its recall and its time."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mrl_pg.build import settings
from mrl_pg.exchange import cursors
from mrl_pg.recall.nested import Nested
from mrl_pg.recall.score import recall_at_k
from mrl_pg.search.options import MAX_EF_SEARCH
from mrl_pg.tune.option import Goal, Option
from mrl_pg.tune.queries import Queries
from mrl_pg.tune.trial.point import Point, point
from mrl_pg.tune.trial.scratch import Scratch, rival_name
from mrl_pg.tune.trial.single_pass import SinglePass

Vector: TypeAlias = "NDArray[np.float32]"

EXACT = 20
EXACT_SECONDS = 5.0
FEWEST_EXACT = 5
"""An exact search reads every row: so many queries are timed, fewer when they take so
long, but not fewer than the last."""

SINGLE_EF = (40, 80, 160, 320, 640)
"""ef_search of one pass over full vectors."""

WARM = 50
"""Queries that each setting answers before any counts: they plan it, fill caches."""

ENOUGH = 0.25
"""Share of the allowed loss that is left when doing more is a waste."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A search to measure: `ready` is called before, untimed; then `search`, timed.

    `far` gives the true distances of what the search answered.
    """

    point: tuple[str, int | None, int | None, Option | None]
    ready: Callable[[], Any]
    search: Callable[[Vector], Any]
    far: Callable[[Vector, Any], Sequence[float]]


def of_option(scratch: Scratch, option: Option, most: int) -> list[Setting]:
    """Candidates by ef_search of one short index; `most` rows are there."""
    k = scratch.goal.k
    predicted = option.candidates or MAX_EF_SEARCH
    counts = {max(k, round(predicted * part)) for part in (0.5, 1, 2)}
    return [
        two_passes(scratch, option, count, ef)
        for count in sorted({min(count, MAX_EF_SEARCH, most) for count in counts})
        for ef in sorted({min(part * count, MAX_EF_SEARCH) for part in (1, 2, 4)})
    ]


def two_passes(scratch: Scratch, option: Option, count: int, ef: int) -> Setting:
    """One setting of a short index."""
    index, k = scratch.index(option), scratch.goal.k

    def search(query: Vector) -> Any:
        return index.search(scratch.conn, query, k=k, candidates=count, ef_search=ef)

    return Setting(
        (option.name, count, ef, option),
        lambda: None,
        search,
        lambda query, found: [hit.distance for hit in found],
    )


def of_rival(scratch: Scratch, rival: SinglePass) -> list[Setting]:
    """One pass over full vectors at each ef_search."""
    conn, k = scratch.conn, scratch.goal.k
    search = rival.searcher(conn, k)
    bare = scratch.bare()

    def far(query: Vector, found: Any) -> list[float]:
        # by halves they are not quite the true ones
        keys = {"keys": [row[0] for row in found]}
        filter = "id operator(pg_catalog.=) any(%(keys)s)"
        exact = bare.search(conn, query, k=k, filter=filter, params=keys, exact=True)
        return [hit.distance for hit in exact]

    def ready(ef: int) -> Callable[[], Any]:
        names = {"name": "hnsw.ef_search", "value": str(ef)}
        return lambda: cursors.tuples(conn).execute(settings.SET, names)

    return [
        Setting((rival_name(scratch.table), None, ef, None), ready(ef), search, far)
        for ef in SINGLE_EF
        if ef >= k
    ]


def exact(scratch: Scratch, queries: Queries, truth: Nested) -> Point:
    """An exact search of the copy, timed on a few queries."""
    bare, k = scratch.bare(), scratch.goal.k
    times: list[float] = []
    recalls: list[float] = []
    for query, limit in zip(queries.vectors[:EXACT], truth.limits, strict=False):
        if len(times) >= FEWEST_EXACT and sum(times) > 1000 * EXACT_SECONDS:
            break
        start = time.perf_counter()
        found = bare.search(scratch.conn, query, k=k, exact=True)
        times.append(1000 * (time.perf_counter() - start))
        far = [hit.distance for hit in found]
        recalls.append(_recall(far, limit, k))
    return point("exact search", None, None, None, recalls=recalls, times=times, k=k)


def measure(
    asked: Sequence[Setting],
    queries: Queries,
    truth: Nested,
    goal: Goal,
    advance: Callable[[int, int], Any],
) -> list[Point]:
    """Every setting worth it on every query.

    First each answers WARM queries; what they show to be a waste is left out.
    `advance` is told how many queries of how many are answered.
    """
    kept = _worth(asked, queries, truth, goal)
    return [one for one, _ in timed(kept, queries, truth, goal, advance)]


def timed(
    asked: Sequence[Setting],
    queries: Queries,
    truth: Nested,
    goal: Goal,
    advance: Callable[[int, int], Any],
) -> list[tuple[Point, list[float]]]:
    """Every setting on every query, in an order that turns with each query.

    So that a machine that slows down slows them all. With each its times.
    """
    total = len(queries.vectors)
    recalls: list[list[float]] = [[] for _ in asked]
    times: list[list[float]] = [[] for _ in asked]
    for i, query in enumerate(queries.vectors):
        for turn in range(len(asked)):
            which = (i + turn) % len(asked)
            setting = asked[which]
            setting.ready()
            start = time.perf_counter()
            found = setting.search(query)
            times[which].append(1000 * (time.perf_counter() - start))
            far = setting.far(query, found)
            recalls[which].append(_recall(far, truth.limits[i], goal.k))
        advance(i + 1, total)
    return [
        (point(*setting.point, recalls=recall, times=took, k=goal.k), took)
        for setting, recall, took in zip(asked, recalls, times, strict=True)
    ]


def warm(asked: Sequence[Setting], queries: Queries) -> None:
    """Let settings answer some queries before any counts."""
    for setting in asked:
        setting.ready()
        for query in queries.vectors[:WARM]:
            setting.search(query)


def _worth(
    asked: Sequence[Setting], queries: Queries, truth: Nested, goal: Goal
) -> list[Setting]:
    """All but those that only do more than one that already finds nearly all."""
    enough = 1 - ENOUGH * (1 - goal.recall)
    kept: list[Setting] = []
    known: list[tuple[str, int, int]] = []
    for setting in asked:
        name, candidates, ef, _ = setting.point
        wide = candidates or 0, ef or 0
        if any(n == name and c <= wide[0] and e <= wide[1] for n, c, e in known):
            continue
        setting.ready()
        found = [
            _recall(setting.far(query, setting.search(query)), limit, goal.k)
            for query, limit in zip(queries.vectors[:WARM], truth.limits, strict=False)
        ]
        if float(np.mean(found)) >= enough:
            known.append((name, *wide))
        kept.append(setting)
    return kept


def _recall(far: Sequence[float], limit: float, k: int) -> float:
    # the limit has the tolerance in it
    return recall_at_k(far, np.full(k, limit), 0)
