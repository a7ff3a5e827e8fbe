"""Builds the picked options on a copy of the rows, and measures every setting."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mrl_pg.exchange.progress import OnProgress, Progress
from mrl_pg.kinds import KINDS
from mrl_pg.recall.nested import Nested
from mrl_pg.tune.option import Goal, Option
from mrl_pg.tune.predict.index_size import index_bytes
from mrl_pg.tune.queries import Queries
from mrl_pg.tune.rows.sample_table import SampleTable
from mrl_pg.tune.rows.table import TableFacts
from mrl_pg.tune.trial import run_settings as trial
from mrl_pg.tune.trial import storage as storages
from mrl_pg.tune.trial.point import Point
from mrl_pg.tune.trial.scratch import Scratch, TrialIndex, rival_name
from mrl_pg.tune.trial.storage import Storage


@dataclass(frozen=True, slots=True)
class Trials:
    """What was built and measured; `storage` is None if full vectors are in the row."""

    built: tuple[TrialIndex, ...] = ()
    points: tuple[Point, ...] = ()
    storage: Storage | None = None


def try_options(
    place: Scratch,
    column: str,
    sample: SampleTable,
    queries: Queries,
    truth: Nested,
    picked: Sequence[Option],
    rival: bool,
    storage: bool | None,
    progress: OnProgress,
) -> Trials:
    """Build options on a copy and measure their settings, the best in the row, too."""
    out = storages.concerns(place.table, picked)
    # with the short columns of all options, the server might move full vectors to TOAST
    # that it would keep in the row with a single short column
    place = place if out else replace(place, storage="plain")
    progress(Progress(f"copying {truth.rows:,} rows"))
    place.copy(sample, picked)
    built: list[TrialIndex] = []
    settings: list[trial.Setting] = []
    for option in picked:
        progress(Progress(f"building {option.name}"))
        built.append(place.build(option))
        settings += trial.of_option(place, option, truth.rows)
    if rival and place.facts.full_dims <= KINDS["halfvec"].most_dims:
        progress(Progress(f"building {rival_name(place.table)}"))
        single = place.rival()
        built.append(place.build_rival(single))
        settings += trial.of_rival(place, single)
    advance = _advance(progress, "measuring")
    points = trial.measure(settings, queries, truth, place.goal, advance)
    points.append(trial.exact(place, queries, truth))
    both = (
        _both(place, column, queries, truth, points, storage, progress) if out else None
    )
    return Trials(tuple(built), tuple(points), both)


def _both(
    place: Scratch,
    column: str,
    queries: Queries,
    truth: Nested,
    points: Sequence[Point],
    wanted: bool | None,
    progress: OnProgress,
) -> Storage:
    """Time the best settings again, with full vectors in TOAST and in the row."""
    tried = storages.contenders(points, place.goal, place.table)
    why = storages.refusal(place.table, tried, truth.rows, place.goal, wanted)
    if not why and not place.toast_bytes():
        why = "without the table's other columns, the copy has them in the row"
    costs = storages.unmeasured(place.table, column, why)
    if why:
        return costs
    options = {point.option.name: point.option for point in tried if point.option}
    progress(Progress(f"copying {truth.rows:,} rows with full vectors in the row"))
    other = place.in_row(list(options.values()))
    for option in options.values():
        progress(Progress(f"building {option.name} on the second copy"))
        other.build(option)
    settings = [
        trial.two_passes(where, point.option, point.candidates, point.ef_search)
        for point in tried
        if point.option and point.candidates and point.ef_search
        for where in (place, other)
    ]
    trial.warm(settings, queries)
    advance = _advance(progress, "measuring both copies")
    times = trial.timed(settings, queries, truth, place.goal, advance)
    pairs = [
        storages.pair(toast, plain, in_toast, in_row)
        for (toast, in_toast), (plain, in_row) in zip(
            times[::2], times[1::2], strict=True
        )
    ]
    return replace(costs, pairs=tuple(pairs))


def _advance(progress: OnProgress, text: str) -> Callable[[int, int], Any]:
    return lambda done, total: progress(Progress(text, done, total))


def rival_fits(table: TableFacts, goal: Goal) -> bool:
    """Whether an index over full vectors as `halfvec` fits the server's memory."""
    size = index_bytes("halfvec", table.full_dims, table.rows, goal.m)
    return size <= table.cache_bytes
