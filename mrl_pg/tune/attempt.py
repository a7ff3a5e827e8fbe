"""Builds what could win on a copy of the rows, and measures every setting."""

from collections.abc import Sequence

from mrl_pg.layout import INDEX_LIMITS
from mrl_pg.recall.nested import Nested
from mrl_pg.tune import trial
from mrl_pg.tune.option import Goal, Option
from mrl_pg.tune.point import Point
from mrl_pg.tune.queries import Queries
from mrl_pg.tune.scratch import Built, Scratch, rival_name
from mrl_pg.tune.size import index_bytes
from mrl_pg.tune.stage import Stage, Tell
from mrl_pg.tune.stream import Sample
from mrl_pg.tune.table import TableFacts


def attempt(
    place: Scratch,
    column: str,
    sample: Sample,
    asked: Queries,
    found: Nested,
    picked: Sequence[Option],
    rival: bool,
    tell: Tell,
) -> tuple[list[Built], list[Point]]:
    """Build options on the copy and measure every setting."""
    tell(Stage(f"copying {found.rows:,} rows"))
    place.copy(column, sample, asked, picked)
    built: list[Built] = []
    settings: list[trial.Setting] = []
    for option in picked:
        tell(Stage(f"building {option.name}"))
        built.append(place.build(option))
        settings += trial.of_option(place, option, found.rows)
    if rival and place.facts.full_dims <= INDEX_LIMITS["halfvec"]:
        tell(Stage(f"building {rival_name(place.table)}"))
        single = place.rival()
        built.append(place.build_rival(single))
        settings += trial.of_rival(place, single)
    points = trial.measure(
        settings,
        asked,
        found,
        place.goal,
        lambda done, total: tell(Stage("measuring", done, total)),
    )
    return built, [*points, trial.exact(place, asked, found)]


def rival_fits(table: TableFacts, goal: Goal) -> bool:
    """Whether an index over full vectors, as halves, stays in the server's memory."""
    size = index_bytes("halfvec", table.full_dims, table.rows, goal.m)
    return size <= table.cache_bytes
