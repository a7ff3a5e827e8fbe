"""Builds the picked options on a copy of the rows, and measures every setting."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from mrl_pg.build.progress import watch
from mrl_pg.exchange.progress import OnProgress, Progress
from mrl_pg.kinds import KINDS
from mrl_pg.recall.nested import Nested
from mrl_pg.tune.budget import Budget
from mrl_pg.tune.option import Goal, Option
from mrl_pg.tune.predict.better_graph import LADDER, better, spare
from mrl_pg.tune.predict.index_size import index_bytes
from mrl_pg.tune.queries import Queries
from mrl_pg.tune.request import silent
from mrl_pg.tune.rows.sample_table import SampleTable
from mrl_pg.tune.rows.table import TableFacts
from mrl_pg.tune.trial import run_settings as trial
from mrl_pg.tune.trial import storage as storages
from mrl_pg.tune.trial.memory import Memory
from mrl_pg.tune.trial.noise import Noise
from mrl_pg.tune.trial.point import Point
from mrl_pg.tune.trial.scratch import Scratch, TrialIndex, rival_name
from mrl_pg.tune.trial.storage import Storage

BUILD_SHARE = 0.6
"""The share of the time that is left, if it is limited, for building indexes."""

TIME_UP = "the time was up"


@dataclass(frozen=True, slots=True)
class Trials:
    """What was built and measured; `storage` is None if full vectors are in the row.

    `left_out` says what was not, because the time was up. `better` is the option with a
    graph of its own, if one was to be tried. `memory` is None unless it was given.
    """

    built: tuple[TrialIndex, ...] = ()
    points: tuple[Point, ...] = ()
    storage: Storage | None = None
    noise: Noise | None = None
    left_out: str = ""
    better: Option | None = None
    memory: Memory | None = None


def try_options(
    place: Scratch,
    column: str,
    sample: SampleTable,
    queries: Queries,
    truth: Nested,
    picked: Sequence[Option],
    better_graph: bool,
    rival: bool,
    storage: bool | None,
    budget: Budget,
    progress: OnProgress,
) -> Trials:
    """Build options on a copy and measure their settings, the best in the row, too.

    With `better_graph` the first option is built once more, last of all, when it is
    known how long the others took.
    When the time is up, the result is what was measured up to then.
    """
    # which graph it will have changes nothing in its column
    forms = [*picked, replace(picked[0], graph=LADDER[0])] if better_graph else picked
    out = storages.concerns(place.table, forms)
    # with the short columns of all options, the server might move full vectors to TOAST
    # that it would keep in the row with a single short column
    place = place if out else replace(place, storage="plain")
    progress(Progress(f"copying {truth.rows:,} rows"))
    place.copy(sample, forms)
    # first, because it says most about a small table if the time is short
    exact = trial.exact(place.conn, place.bare(), queries, truth, place.goal.k)
    rival = rival and place.facts.full_dims <= KINDS["halfvec"].most_dims
    built, settings, better = _build(
        place, picked, better_graph, rival, truth, budget, progress
    )
    advance = _advance(progress, "measuring")
    done = trial.measure(settings, queries, truth, place.goal, budget, advance)
    points = [*done.points, exact]
    wanted = len(picked) + rival + (better is not None)
    said = f"{len(built)} of {wanted} indexes" if len(built) < wanted else ""
    both = (
        _both(place, column, queries, truth, points, storage, budget, progress)
        if out
        else None
    )
    left_out = ", ".join(part for part in (said, done.left_out) if part)
    return Trials(tuple(built), tuple(points), both, done.noise, left_out, better)


def _build(
    place: Scratch,
    picked: Sequence[Option],
    better_graph: bool,
    rival: bool,
    truth: Nested,
    budget: Budget,
    progress: OnProgress,
) -> tuple[list[TrialIndex], list[trial.Setting], Option | None]:
    """Build indexes, and list the settings of each that was built in time.

    The last of the result is the option with a better graph, if there is one.
    """
    time = budget.part(BUILD_SHARE)
    built: list[TrialIndex] = []
    settings: list[trial.Setting] = []

    def build(
        name: str,
        make: Callable[[], TrialIndex],
        to_measure: Callable[[], list[trial.Setting]],
    ) -> None:
        if time.up:
            return
        with _telling(place, f"building {name}", progress):
            index = place.build_within(time, make)
        if index is not None:
            built.append(index)
            settings.extend(to_measure())

    def build_option(option: Option) -> None:
        build(
            option.name,
            partial(place.build, option),
            partial(trial.of_option, place, option, truth.rows),
        )

    for option in picked:
        build_option(option)
    if rival:
        single = place.rival()
        build(
            rival_name(place.table),
            partial(place.build_rival, single),
            partial(trial.of_rival, place, single),
        )
    other = None
    if better_graph:
        seconds = {index.name: index.seconds for index in built}
        times = spare(
            picked[0],
            place.table,
            place.goal,
            own=seconds.get(picked[0].name),
            rival=seconds.get(rival_name(place.table)),
        )
        other = better(picked[0], place.table, place.goal, times)
        if other is not None:
            build_option(other)
    return built, settings, other


def _both(
    place: Scratch,
    column: str,
    queries: Queries,
    truth: Nested,
    points: Sequence[Point],
    wanted: bool | None,
    budget: Budget,
    progress: OnProgress,
) -> Storage:
    """Time the best settings again, with full vectors in TOAST and in the row."""
    tried = storages.contenders(points, place.goal, place.table)
    why = storages.refusal(place.table, tried, truth.rows, place.goal, wanted)
    if not why and not place.toast_bytes():
        why = "without the table's other columns, the copy has them in the row"
    if not why and budget.up:
        why = TIME_UP
    costs = storages.unmeasured(place.table, column, why)
    if why:
        return costs
    options = {point.option.name: point.option for point in tried if point.option}
    progress(Progress(f"copying {truth.rows:,} rows with full vectors in the row"))
    other = place.in_row(list(options.values()))
    for option in options.values():
        with _telling(place, f"building {option.name} on the second copy", progress):
            made = other.build_within(budget, partial(other.build, option))
        if made is None:
            return replace(costs, skipped=TIME_UP)
    settings = [
        trial.two_passes(
            where, point.option, point.candidates, point.ef_search, point.rerank
        )
        for point in tried
        if point.option and point.candidates and point.ef_search
        for where in (place, other)
    ]
    trial.warm(settings, queries)
    advance = _advance(progress, "measuring both copies")
    times = trial.timed(settings, queries, truth, place.goal, budget, advance)
    pairs = [
        storages.pair(toast, plain, in_toast, in_row)
        for (toast, in_toast), (plain, in_row) in zip(
            times[::2], times[1::2], strict=True
        )
    ]
    return replace(costs, pairs=tuple(pairs))


def _telling(
    place: Scratch, stage: str, progress: OnProgress
) -> AbstractContextManager[None]:
    """Tells of a build and how far it is, which another connection watches."""
    progress(Progress(stage))
    if progress is silent:
        return nullcontext()
    return watch(
        place.conn, lambda seen: progress(replace(seen, stage=f"{stage}: {seen.stage}"))
    )


def _advance(progress: OnProgress, text: str) -> Callable[[int, int], Any]:
    return lambda done, total: progress(Progress(text, done, total))


def rival_fits(table: TableFacts, goal: Goal) -> bool:
    """Whether an index over full vectors as `halfvec` fits the memory."""
    size = index_bytes("halfvec", table.full_dims, table.rows, goal.m)
    return size <= table.room
