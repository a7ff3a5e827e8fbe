"""Builds what could win on a copy of the rows, and measures every setting."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mrl_pg.exchange.progress import OnProgress, Progress
from mrl_pg.kinds import KINDS
from mrl_pg.recall.nested import Nested
from mrl_pg.tune.option import Goal, Option
from mrl_pg.tune.predict.index_size import index_bytes
from mrl_pg.tune.queries import Queries
from mrl_pg.tune.rows.stream import Sample
from mrl_pg.tune.rows.table import TableFacts
from mrl_pg.tune.trial import run_settings as trial
from mrl_pg.tune.trial import storage as storages
from mrl_pg.tune.trial.point import Point
from mrl_pg.tune.trial.scratch import Scratch, TrialIndex, rival_name
from mrl_pg.tune.trial.storage import Storage


@dataclass(frozen=True, slots=True)
class Trials:
    """What was built and measured; `storage` is None where it is no question."""

    built: tuple[TrialIndex, ...] = ()
    points: tuple[Point, ...] = ()
    storage: Storage | None = None


def try_options(
    place: Scratch,
    column: str,
    sample: Sample,
    asked: Queries,
    found: Nested,
    picked: Sequence[Option],
    rival: bool,
    storage: bool | None,
    progress: OnProgress,
) -> Trials:
    """Build options on the copy and measure every setting, the best in the row, too."""
    out = storages.concerns(place.table, picked)
    # beside the short columns of all options the server might move vectors out that it
    # keeps in the row beside one
    place = place if out else replace(place, storage="plain")
    progress(Progress(f"copying {found.rows:,} rows"))
    place.copy(column, sample, asked, picked)
    built: list[TrialIndex] = []
    settings: list[trial.Setting] = []
    for option in picked:
        progress(Progress(f"building {option.name}"))
        built.append(place.build(option))
        settings += trial.of_option(place, option, found.rows)
    if rival and place.facts.full_dims <= KINDS["halfvec"].most_dims:
        progress(Progress(f"building {rival_name(place.table)}"))
        single = place.rival()
        built.append(place.build_rival(single))
        settings += trial.of_rival(place, single)
    watch = _watch(progress, "measuring")
    points = trial.measure(settings, asked, found, place.goal, watch)
    points.append(trial.exact(place, asked, found))
    both = (
        _both(place, column, asked, found, points, storage, progress) if out else None
    )
    return Trials(tuple(built), tuple(points), both)


def _both(
    place: Scratch,
    column: str,
    asked: Queries,
    found: Nested,
    points: Sequence[Point],
    wanted: bool | None,
    progress: OnProgress,
) -> Storage:
    """The best settings once more, with full vectors in TOAST and in the row."""
    tried = storages.contenders(points, place.goal, place.table)
    why = storages.refusal(place.table, tried, found.rows, place.goal, wanted)
    if not why and not place.toast_bytes():
        why = "without the table's other columns the copy has them in the row anyway"
    costs = storages.unmeasured(place.table, column, why)
    if why:
        return costs
    options = {point.option.name: point.option for point in tried if point.option}
    progress(Progress(f"copying {found.rows:,} rows, full vectors in the row"))
    other = place.in_row(list(options.values()))
    for option in options.values():
        progress(Progress(f"building {option.name} beside them"))
        other.build(option)
    settings = [
        trial.two_passes(where, point.option, point.candidates, point.ef_search)
        for point in tried
        if point.option and point.candidates and point.ef_search
        for where in (place, other)
    ]
    trial.warm(settings, asked)
    watch = _watch(progress, "measuring both ways")
    times = trial.timed(settings, asked, found, place.goal, watch)
    pairs = [
        storages.pair(toast, plain, in_toast, in_row)
        for (toast, in_toast), (plain, in_row) in zip(
            times[::2], times[1::2], strict=True
        )
    ]
    return replace(costs, pairs=tuple(pairs))


def _watch(progress: OnProgress, text: str) -> Callable[[int, int], Any]:
    return lambda done, total: progress(Progress(text, done, total))


def rival_fits(table: TableFacts, goal: Goal) -> bool:
    """Whether an index over full vectors, as halves, stays in the server's memory."""
    size = index_bytes("halfvec", table.full_dims, table.rows, goal.m)
    return size <= table.cache_bytes
