"""Picks the sizes and kinds that could win, from curves and facts. Builds nothing."""

import math
from collections.abc import Sequence
from dataclasses import replace

from mrl_pg.kinds import KINDS, Kind, Stored
from mrl_pg.recall.curve import MOST_CANDIDATES, Curve
from mrl_pg.tune.option import Goal, Option, smallest_alike
from mrl_pg.tune.predict.cost_model import build_seconds, timed
from mrl_pg.tune.predict.growth import GROWTH, Growth, grown
from mrl_pg.tune.predict.index_size import column_bytes, index_bytes
from mrl_pg.tune.rows.table import TableFacts

EVERY_KIND: tuple[Kind, ...] = tuple(KINDS)
STEPS = (10, 20, 40, 80, 160, 320, 640, MOST_CANDIDATES)
"""Numbers of candidates at which JSON shows a curve."""

FEWEST_BITS = 64
"""The fewest sign bits, because with fewer bits too many rows have the same bits."""

SLOWER = (1.1, 1.3, 1.6, 2.0)
"""How many times slower than the fastest a smaller index may be, step by step."""


def options(
    curves: Sequence[Curve],
    table: TableFacts,
    goal: Goal,
    *,
    kinds: Sequence[Kind] = EVERY_KIND,
    share: float = 1.0,
    growth: Growth | None = None,
    rotated: bool = False,
) -> tuple[Option, ...]:
    """Every size and kind that an index can have, in the order of `curves`.

    The curves come from the share `share` of the table's rows. The candidates are for
    all rows, predicted by `growth` if it was measured. `rotated` curves are of rotated
    rows.
    """
    predicted = []
    for curve in curves:
        for kind in kinds:
            bits = KINDS[kind].stored == "bits"
            # the values of the whole vector are no short form, but its signs are
            short = (
                curve.dims >= min(FEWEST_BITS, table.full_dims)
                if bits
                else curve.dims < table.full_dims
            )
            if KINDS[kind].stored == curve.stored and short:
                if curve.dims <= KINDS[kind].most_dims:
                    more = (growth or {}).get(curve.stored, GROWTH)
                    option = _option(curve, kind, table, goal, share, more)
                    predicted.append(replace(option, rotated=rotated))
    return tuple(predicted)


def _option(
    curve: Curve,
    kind: Kind,
    table: TableFacts,
    goal: Goal,
    share: float,
    growth: float,
) -> Option:
    candidates, sure = needed(curve, goal)
    if candidates is not None:
        candidates = grown(candidates, goal.k, share, growth)
        candidates = candidates if candidates <= MOST_CANDIDATES else None
    option = Option(
        curve.dims,
        kind,
        curve.recall(MOST_CANDIDATES),
        candidates,
        sure and candidates is not None,
        index_bytes(kind, curve.dims, table.rows, goal.m),
        column_bytes(kind, curve.dims, table.rows, table.row_width),
        build_seconds(kind, curve.dims, table.rows, goal),
        None,
        growth=growth,
    )
    return timed(option, table, goal)


def needed(curve: Curve, goal: Goal) -> tuple[int | None, bool]:
    """Candidates for a goal, and whether the interval's lower end reaches the target.

    The mean must reach `goal.prefix_recall`. If up to twice as many candidates bring
    the lower end of the interval up to the target, the result is the fewest that do.
    """
    fewest = curve.candidates_for(goal.prefix_recall)
    if fewest is None:
        return None, False
    most = min(2 * fewest, MOST_CANDIDATES)
    if curve.recall(most).low < goal.recall:
        return fewest, False
    low, high = fewest, most
    while low < high:
        middle = (low + high) // 2
        if curve.recall(middle).low >= goal.recall:
            high = middle
        else:
            low = middle + 1
    return low, True


def could_win(predicted: Sequence[Option], most: int) -> tuple[Option, ...]:
    """At most `most` options that are worth building, by prediction.

    First, among the options by values, those by values of rotated rows, and those by
    signs, the smallest index that is about as fast as the fastest. Then the fastest
    option of all, then smaller and slower options, because predicted times are rough
    guesses. `vector` counts only if `halfvec` of the same size is not an option,
    because both find the same rows.
    """
    able = [option for option in predicted if option.search_ms is not None]
    able = smallest_alike(able)
    kinds: dict[tuple[Stored, bool], list[Option]] = {}
    for option in able:
        kinds.setdefault((option.stored, option.rotated), []).append(option)
    # a guess that is too long for the graph hides how much faster fewer candidates are,
    # so try the fastest option, too
    first = sorted(able, key=_ms)[:1]
    picked: list[Option] = []
    for slower in SLOWER:
        heads = []
        for same in kinds.values():
            fastest = min(_ms(option) for option in same)
            near = [option for option in same if _ms(option) <= slower * fastest]
            heads.append(min(near, key=lambda option: option.index_bytes))
        for option in [*sorted(heads, key=_ms), *first]:
            if option not in picked and len(picked) < most:
                picked.append(option)
    return tuple(picked)


def _ms(option: Option) -> float:
    return math.inf if option.search_ms is None else option.search_ms
