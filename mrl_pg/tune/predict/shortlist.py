"""Which size and kind could win, from curves and facts alone: nothing is built."""

import math
from collections.abc import Sequence

from mrl_pg.kinds import KINDS, Kind, Stored
from mrl_pg.recall.curve import MOST_CANDIDATES, Curve
from mrl_pg.tune.option import Goal, Option, smallest_alike
from mrl_pg.tune.predict.cost_model import build_seconds, search_ms
from mrl_pg.tune.predict.growth import GROWTH, Growth, grown
from mrl_pg.tune.predict.index_size import column_bytes, index_bytes
from mrl_pg.tune.rows.table import TableFacts

EVERY_KIND: tuple[Kind, ...] = tuple(KINDS)
STEPS = (10, 20, 40, 80, 160, 320, 640, MOST_CANDIDATES)
"""Numbers of candidates that a curve is shown at."""

FEWEST_BITS = 64
"""Fewer sign bits are alike in too many rows for a graph to tell them apart."""

SLOWER = (1.1, 1.3, 1.6, 2.0)
"""How much slower than the fastest a smaller index may be to be tried, step by step."""


def options(
    curves: Sequence[Curve],
    table: TableFacts,
    goal: Goal,
    *,
    kinds: Sequence[Kind] = EVERY_KIND,
    share: float = 1.0,
    growth: Growth | None = None,
) -> tuple[Option, ...]:
    """Every size and kind that an index can have, in the order of `curves`.

    `share` of the table's rows made the curves; candidates are for all of them, by
    `growth` where it was measured.
    """
    found = []
    for curve in curves:
        for kind in kinds:
            bits = KINDS[kind].stored == "bits"
            # the whole vector is no prefix; its signs are a short form of it
            short = (
                curve.dims >= min(FEWEST_BITS, table.full_dims)
                if bits
                else curve.dims < table.full_dims
            )
            if KINDS[kind].stored == curve.stored and short:
                if curve.dims <= KINDS[kind].most_dims:
                    more = (growth or {}).get(curve.stored, GROWTH)
                    found.append(_option(curve, kind, table, goal, share, more))
    return tuple(found)


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
    return Option(
        curve.dims,
        kind,
        curve.recall(MOST_CANDIDATES),
        candidates,
        sure and candidates is not None,
        index_bytes(kind, curve.dims, table.rows, goal.m),
        column_bytes(kind, curve.dims, table.rows, table.row_width),
        build_seconds(kind, curve.dims, table.rows, goal),
        None if candidates is None else search_ms(kind, candidates, table, goal),
        growth=growth,
    )


def needed(curve: Curve, goal: Goal) -> tuple[int | None, bool]:
    """Candidates for a goal, and whether the interval's lower end reaches it there.

    The mean has to reach `goal.prefix_recall`; where more candidates bring the lower
    end up to the target, they are taken, at most twice as many.
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


def could_win(found: Sequence[Option], most: int) -> tuple[Option, ...]:
    """At most so many options worth building, by prediction.

    Of each kind the smallest index among those about as fast as its fastest one; then
    the fastest of all, then smaller ones that are slower, as predicted times are
    guesses. `vector` counts only where halves of the same size were not looked at: they
    find the same.
    """
    able = [option for option in found if option.search_ms is not None]
    able = smallest_alike(able)
    kinds: dict[Stored, list[Option]] = {}
    for option in able:
        kinds.setdefault(option.stored, []).append(option)
    # where the guess at the walk is too long, a shorter list looks hardly faster
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
