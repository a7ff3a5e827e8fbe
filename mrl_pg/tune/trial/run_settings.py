"""Measures recall and time of every setting of every index that was built."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mrl_pg.exchange import Conn
from mrl_pg.index import MatryoshkaIndex
from mrl_pg.recall.nested import Nested
from mrl_pg.recall.score import recall_at_k
from mrl_pg.search.options import MAX_EF_SEARCH
from mrl_pg.tune.budget import Budget
from mrl_pg.tune.option import Goal, Option
from mrl_pg.tune.queries import Queries
from mrl_pg.tune.transactions import set_session
from mrl_pg.tune.trial.noise import REPEATED, Noise, noise
from mrl_pg.tune.trial.point import Point, point
from mrl_pg.tune.trial.scratch import Scratch, rival_name
from mrl_pg.tune.trial.single_pass import SinglePass

Vector: TypeAlias = "NDArray[np.float32]"

EXACT = 20
EXACT_SECONDS = 5.0
FEWEST_EXACT = 5
"""An exact search reads every row, so at most EXACT queries are timed. After
EXACT_SECONDS it stops, but not before FEWEST_EXACT queries."""

SINGLE_EF = (40, 80, 160, 320, 640)
"""Values of ef_search to try for one pass over full vectors."""

WARM = 50
"""Queries that each setting answers before timing, to plan it and to fill caches."""

WARM_SHARE = 0.4
"""The share of the time that is left, if it is limited, for warming up."""

FEWEST_QUERIES = 20
"""Queries that are asked although the time is up."""

READ_PARTS = (0.5, 1, 2)
"""Candidates to try, as parts of those that were predicted to be needed."""

WALK_PARTS = (1, 2, 4)
"""Values of `ef_search` to try, as multiples of the candidates."""

RERANK_PARTS = (0.25, 0.5, 1)
"""Rows to read in full, as parts of the predicted candidates. By bits and the query the
first half of them held as much as all of them by bits: see docs/measured/rerank.md."""

ENOUGH = 0.25
"""A setting that loses at most this share of the allowed loss needs no more effort."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A search to measure. `ready` is called before each search and is not timed.

    `search` is timed. `far` gives the true distances of the rows that it returned.
    """

    point: tuple[str, int | None, int | None, Option | None]
    ready: Callable[[], Any]
    search: Callable[[Vector], Any]
    far: Callable[[Vector, Any], Sequence[float]]
    rerank: int | None = None


def of_option(scratch: Scratch, option: Option, most: int) -> list[Setting]:
    """The settings of a short index to try, on a table of `most` rows."""
    return [
        two_passes(scratch, option, count, ef, rerank)
        for count, ef, rerank in efforts(option, scratch.goal, most)
    ]


def efforts(option: Option, goal: Goal, most: int) -> list[tuple[int, int, int | None]]:
    """Candidates, ef_search and rerank to try, on a table of `most` rows.

    Of sign bits also searches that walk as far, and read only the best rows.
    """
    predicted = option.candidates or MAX_EF_SEARCH

    def counts(*parts: float) -> list[int]:
        some = {max(goal.k, round(predicted * part)) for part in parts}
        return sorted({min(count, MAX_EF_SEARCH, most) for count in some})

    def wide(count: float) -> int:
        return round(min(max(count, goal.least_ef), MAX_EF_SEARCH))

    walks: list[tuple[int, int, int | None]] = [
        (count, ef, None)
        for count in counts(*READ_PARTS)
        for ef in sorted({wide(part * count) for part in WALK_PARTS})
    ]
    if option.stored == "bits":
        walks += [
            (min(ef, most), ef, reads)
            for ef in sorted({wide(predicted * part) for part in WALK_PARTS})
            for reads in counts(*RERANK_PARTS)
            if reads < min(ef, most)
        ]
    return walks


def two_passes(
    scratch: Scratch,
    option: Option,
    count: int,
    ef: int,
    rerank: int | None = None,
) -> Setting:
    """The setting of a short index with `count` candidates and ef_search `ef`."""
    index, k = scratch.index(option), scratch.goal.k

    def search(query: Vector) -> Any:
        asked = scratch.asked(option, query)
        return index.search(
            scratch.conn, asked, k=k, candidates=count, ef_search=ef, rerank=rerank
        )

    return Setting(
        (option.name, count, ef, option),
        lambda: None,
        search,
        lambda query, hits: [hit.distance for hit in hits],
        rerank,
    )


def of_rival(scratch: Scratch, rival: SinglePass) -> list[Setting]:
    """One pass over full vectors at each ef_search."""
    conn, k = scratch.conn, scratch.goal.k
    search = rival.searcher(conn, k)
    bare = scratch.bare()

    def far(query: Vector, answer: Any) -> list[float]:
        # distances of halfvec are not exactly the true distances
        keys = {"keys": [row[0] for row in answer]}
        filter = "id operator(pg_catalog.=) any(%(keys)s)"
        exact = bare.search(conn, query, k=k, filter=filter, params=keys, exact=True)
        return [hit.distance for hit in exact]

    def ready(ef: int) -> Callable[[], Any]:
        return lambda: set_session(conn, "hnsw.ef_search", str(ef))

    return [
        Setting((rival_name(scratch.table), None, ef, None), ready(ef), search, far)
        for ef in SINGLE_EF
        if ef >= max(k, scratch.goal.least_ef)
    ]


def exact(
    conn: Conn, bare: MatryoshkaIndex, queries: Queries, truth: Nested, k: int
) -> Point:
    """The point of an exact search of a table, timed with a few queries."""
    times: list[float] = []
    recalls: list[float] = []
    for query, limit in zip(queries.vectors[:EXACT], truth.limits, strict=False):
        if len(times) >= FEWEST_EXACT and sum(times) > 1000 * EXACT_SECONDS:
            break
        start = time.perf_counter()
        hits = bare.search(conn, query, k=k, exact=True)
        times.append(1000 * (time.perf_counter() - start))
        far = [hit.distance for hit in hits]
        recalls.append(_recall(far, limit, k))
    return point("exact search", None, None, None, recalls=recalls, times=times, k=k)


@dataclass(frozen=True, slots=True)
class Measurement:
    """The points of settings, and how unsure their times are.

    `left_out` settings and queries were not measured, because the time was up.
    """

    points: list[Point]
    noise: Noise | None
    left_out: str


def measure(
    settings: Sequence[Setting],
    queries: Queries,
    truth: Nested,
    goal: Goal,
    budget: Budget,
    advance: Callable[[int, int], Any],
) -> Measurement:
    """The points of the settings that are worth measuring, with every query.

    First each setting answers WARM queries, which show the settings to leave out. Last
    each repeats REPEATED queries, which shows the noise. `advance` is called with the
    number of queries done, and of all queries.
    """
    useful, tried = _worth(settings, queries, truth, goal, budget.part(WARM_SHARE))
    times = timed(useful, queries, truth, goal, budget, advance)
    points = [measured for measured, _ in times]
    counted = points[0].recall.queries if points else 0
    said = []
    if tried < len(settings):
        said.append(f"{tried} of {len(settings)} settings")
    if counted < len(queries.vectors):
        said.append(f"{counted} of {len(queries.vectors)} queries")
    repeated = _noise(useful, queries, [each for _, each in times])
    return Measurement(points, repeated, " with ".join(said))


def _noise(
    settings: Sequence[Setting], queries: Queries, times: Sequence[Sequence[float]]
) -> Noise | None:
    """Repeat some searches of each setting, in turn, and compare the times."""
    first: list[float] = []
    again: list[float] = []
    counted = min(map(len, times), default=0)
    for i, query in enumerate(queries.vectors[: min(REPEATED, counted)]):
        for setting, before in zip(settings, times, strict=True):
            setting.ready()
            start = time.perf_counter()
            setting.search(query)
            again.append(1000 * (time.perf_counter() - start))
            first.append(before[i])
    return noise(first, again)


def timed(
    settings: Sequence[Setting],
    queries: Queries,
    truth: Nested,
    goal: Goal,
    budget: Budget,
    advance: Callable[[int, int], Any],
) -> list[tuple[Point, list[float]]]:
    """The point and the times of every setting, with every query.

    The first setting changes from query to query, so that a machine that slows down
    slows all settings alike. When the time is up, no more queries are asked, but at
    least FEWEST_QUERIES are.
    """
    total = len(queries.vectors)
    recalls: list[list[float]] = [[] for _ in settings]
    times: list[list[float]] = [[] for _ in settings]
    for i, query in enumerate(queries.vectors):
        if budget.up and i >= FEWEST_QUERIES:
            break
        for turn in range(len(settings)):
            which = (i + turn) % len(settings)
            setting = settings[which]
            setting.ready()
            start = time.perf_counter()
            answer = setting.search(query)
            times[which].append(1000 * (time.perf_counter() - start))
            far = setting.far(query, answer)
            recalls[which].append(_recall(far, truth.limits[i], goal.k))
        advance(i + 1, total)
    return [
        (
            point(
                *setting.point,
                recalls=recall,
                times=took,
                k=goal.k,
                rerank=setting.rerank,
            ),
            took,
        )
        for setting, recall, took in zip(settings, recalls, times, strict=True)
    ]


def warm(settings: Sequence[Setting], queries: Queries) -> None:
    """Let settings answer WARM queries before they are timed."""
    for setting in settings:
        setting.ready()
        for query in queries.vectors[:WARM]:
            setting.search(query)


def _worth(
    settings: Sequence[Setting],
    queries: Queries,
    truth: Nested,
    goal: Goal,
    budget: Budget,
) -> tuple[list[Setting], int]:
    """The settings that do not do more work than a setting that loses little enough.

    Also how many settings were looked at before the time was up, at least one.
    """
    enough = 1 - ENOUGH * (1 - goal.wanted)
    useful: list[Setting] = []
    known: list[tuple[str, bool, int, int, int]] = []
    for number, setting in enumerate(settings):
        if budget.up and useful:
            return useful, number
        name, candidates, ef, _ = setting.point
        # choosing rows may take longer than reading all, so these are apart
        work = candidates or 0, ef or 0, setting.rerank or 0
        same = name, setting.rerank is None
        if any(
            (n, every) == same and c <= work[0] and e <= work[1] and r <= work[2]
            for n, every, c, e, r in known
        ):
            continue
        setting.ready()
        recalls = [
            _recall(setting.far(query, setting.search(query)), limit, goal.k)
            for query, limit in zip(queries.vectors[:WARM], truth.limits, strict=False)
        ]
        if float(np.mean(recalls)) >= enough:
            known.append((*same, *work))
        useful.append(setting)
    return useful, len(settings)


def _recall(far: Sequence[float], limit: float, k: int) -> float:
    # the limit includes the tolerance already
    return recall_at_k(far, np.full(k, limit), 0)
