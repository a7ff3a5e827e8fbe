"""Fronts of several contenders, measured in rounds that take turns."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from mrl_pg.bench.asked import Asked
from mrl_pg.bench.contender import BenchClient, Contender
from mrl_pg.bench.front import BenchEffort, FrontPoint, on_front
from mrl_pg.bench.timing import (
    Turns,
    Window,
    milliseconds,
    search_together,
    warm_up,
)
from mrl_pg.recall.score import Recall

SLACK = 0.25
"""An effort is measured unless another finds more and is a quarter faster, because the
first look is too short to tell what is closer."""

ENOUGH = 0.99
"""Once an effort finds so much, none that walks further is tried."""

LOOK = 40
"""Queries of the first look, which only chooses efforts."""

ANSWERED = 200
"""Queries whose answers tell a recall; windows ask all queries."""

KEPT = 6
"""Most efforts of a contender that are measured in rounds."""

Step: TypeAlias = Callable[[str], object]
"""Called before each piece of work, with what it is."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How long to measure: rounds, and seconds of each window."""

    rounds: int = 3
    seconds: float = 1.0


@dataclass(frozen=True, slots=True)
class _Tried:
    """An effort that a first look found worth measuring."""

    effort: BenchEffort
    recall: Recall
    scanned: bool | None


def fronts(
    contenders: Sequence[Contender],
    asked: Asked,
    pace: Pace,
    step: Step,
    target: float | None = None,
) -> dict[str, tuple[FrontPoint, ...]]:
    """The front of each contender, by name.

    A first look runs some queries with every effort, to choose those that are worth
    more; with a `target`, only those near it. These then answer many queries, which
    tells the recalls, and run until they are warm. Then come the rounds. In each, every
    contender has a window for each effort, and another contender begins.
    """
    with ExitStack() as stack:
        clients = {
            contender.name: stack.enter_context(contender.clients(1))[0]
            for contender in contenders
        }
        tried = {}
        for contender in contenders:
            step(f"first look at {contender.name}")
            client = clients[contender.name]
            some = asked.first(LOOK)
            looked = first_look(client, contender.efforts(asked.k), some)
            tried[contender.name] = [
                _Tried(each.effort, recall_of(client, each.effort, asked), each.scanned)
                for each in near(looked, target)
            ]
        windows: dict[tuple[str, BenchEffort], list[Window]] = {}
        warm: dict[tuple[str, BenchEffort], bool] = {}
        turns: dict[tuple[str, BenchEffort], Turns] = {}
        for turn in range(pace.rounds):
            for name in rotated([*tried], turn):
                step(f"round {turn + 1} of {pace.rounds}: {name}")
                for each in tried[name]:
                    key = name, each.effort
                    search = clients[name].searcher(each.effort, asked.k, asked.percent)
                    turns.setdefault(key, Turns(search, asked.queries))
                    # the client may have searched with another effort meanwhile
                    turns[key].search = search
                    run = partial(turns[key].window, pace.seconds)
                    if turn == 0:
                        warm[key] = warm_up(run)
                    windows.setdefault(key, []).append(run())
    return {
        name: tuple(
            point_of(each, windows[name, each.effort], warm[name, each.effort])
            for each in some
        )
        for name, some in tried.items()
    }


def point_of(
    tried: _Tried | FrontPoint, windows: Sequence[Window], warm: bool
) -> FrontPoint:
    """What the windows of an effort say."""
    return FrontPoint(
        tried.effort,
        tried.recall,
        tuple(window.rate for window in windows),
        *milliseconds(windows),
        warm,
        tried.scanned,
    )


def first_look(
    client: BenchClient, efforts: Sequence[BenchEffort], asked: Asked
) -> list[_Tried]:
    """The efforts on the front of a short look, the least first."""
    looked: list[tuple[_Tried, float]] = []
    enough = 0
    for effort in efforts:
        # more walked rows find no more
        if enough and effort.walked > enough:
            break
        search = client.searcher(effort, asked.k, asked.percent)
        scanned = client.scans(search, asked.queries[0])
        start = time.perf_counter()
        answers = [search(query) for query in asked.queries]
        rate = len(answers) / (time.perf_counter() - start)
        recall = asked.recall(answers)
        looked.append((_Tried(effort, recall, scanned), rate))
        if recall.mean >= ENOUGH:
            enough = enough or effort.walked
    pairs = [(each.recall.mean, rate) for each, rate in looked]
    stays = on_front(pairs, SLACK)
    front = [each for (each, _), stay in zip(looked, stays, strict=True) if stay]
    return thinned(sorted(front, key=lambda each: each.recall.mean))


def recall_of(client: BenchClient, effort: BenchEffort, asked: Asked) -> Recall:
    """What a search finds, over many queries."""
    some = asked.first(ANSWERED)
    search = client.searcher(effort, asked.k, asked.percent)
    return some.recall([search(query) for query in some.queries])


def thinned(tried: Sequence[_Tried]) -> list[_Tried]:
    """At most KEPT of them: the ends, and others that are evenly spread."""
    if len(tried) <= KEPT:
        return [*tried]
    last = len(tried) - 1
    return [tried[round(i * last / (KEPT - 1))] for i in range(KEPT)]


def near(tried: Sequence[_Tried], target: float | None) -> list[_Tried]:
    """Those at both sides of a target, two below it and two above; all without one."""
    if target is None:
        return [*tried]
    below = [each for each in tried if each.recall.mean < target]
    above = [each for each in tried if each.recall.mean >= target]
    return [*below[-2:], *above[:2]]


def rotated(names: Sequence[str], turn: int) -> list[str]:
    """The names in turn, so that another one begins each round."""
    first = turn % len(names) if names else 0
    return [*names[first:], *names[:first]]


@dataclass(frozen=True, slots=True)
class ClientsPoint:
    """Searches per second of several clients together, and how long each took."""

    clients: int
    effort: BenchEffort
    recall: float
    rates: tuple[float, ...]
    p50_ms: float
    p95_ms: float
    p99_ms: float


def with_clients(
    contenders: Sequence[Contender],
    chosen: dict[str, FrontPoint],
    counts: Sequence[int],
    asked: Asked,
    pace: Pace,
    step: Step,
) -> dict[str, tuple[ClientsPoint, ...]]:
    """The effort chosen for each contender, with as many clients at once."""
    windows: dict[tuple[str, int], list[Window]] = {}
    able = [contender for contender in contenders if contender.name in chosen]
    with ExitStack() as stack:
        clients = {
            contender.name: stack.enter_context(contender.clients(max(counts)))
            for contender in able
        }
        for turn in range(pace.rounds):
            for name in rotated([*clients], turn):
                step(f"clients, round {turn + 1} of {pace.rounds}: {name}")
                effort = chosen[name].effort
                searches = [each.searcher(effort, asked.k) for each in clients[name]]
                for count in counts:
                    run = partial(
                        search_together, searches[:count], asked.queries, pace.seconds
                    )
                    if turn == 0:
                        # each connection plans its statement, and reads the catalog
                        run()
                    windows.setdefault((name, count), []).append(run())
    return {
        name: tuple(
            ClientsPoint(
                count,
                chosen[name].effort,
                chosen[name].recall.mean,
                tuple(window.rate for window in windows[name, count]),
                *milliseconds(windows[name, count]),
            )
            for count in counts
        )
        for name in clients
    }
