"""Which size and kind could win, from curves and facts alone: nothing is built."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mrl_pg.errors import InvalidSetting
from mrl_pg.layout import INDEX_LIMITS, Distance, Kind
from mrl_pg.recall.curve import MOST_CANDIDATES, Curve
from mrl_pg.recall.score import Recall
from mrl_pg.tune.size import column_bytes, index_bytes
from mrl_pg.tune.table import TableFacts

KINDS: tuple[Kind, ...] = ("vector", "halfvec", "bit")
STEPS = (10, 20, 40, 80, 160, 320, 640, MOST_CANDIDATES)
"""Numbers of candidates that a curve is shown at."""

FEWEST_BITS = 64
"""Fewer sign bits are alike in too many rows for a graph to tell them apart."""

PREFIX_SHARE = 0.5
"""Share of the allowed loss that the prefix may have; HNSW has the rest."""

GROWTH = 0.15
"""How needed candidates grow with rows, see `grown`."""

WALK_MS = {"vector": 0.022, "halfvec": 0.022, "bit": 0.013}
"""First pass, for each of `ef_search`: a guess from 986,009 rows in memory, where it
was the same for 256 to 1536 dimensions."""

GRAPH_EF = 8.0
"""ef_search times the share missed, for ef_construction 64: a guess from 100,000
sentences, where .95, .97 and .98 took some 150, 250 and 450, whatever the size."""

SLOWER = (1.1, 1.3, 1.6, 2.0)
"""How much slower than the fastest a smaller index may be to be tried, step by step."""

RERANK_MS = {True: 0.0052, False: 0.0023}
"""Second pass, for each candidate of 6 kB, in TOAST or in the row: a guess, too."""

RERANK_BYTES = 6152
BUILD_US = {"vector": 90.0, "halfvec": 88.0, "bit": 120.0}
"""Build time a row, for 100,000 rows, m 16, ef_construction 64, 2 cores, in memory; it
grows with their logarithm. A guess until one has been built on these rows."""

BUILD_US_MORE = {"vector": 0.33, "halfvec": 0.28, "bit": 0.0}
"""And for each dimension."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What is asked for: recall at k of a table's column by a distance.

    `ef_construction` and `m` are the graph's, of every index that is tried.
    """

    k: int = 10
    recall: float = 0.99
    distance: Distance = "cosine"
    m: int = 16
    ef_construction: int = 64

    def __post_init__(self) -> None:
        """Raise InvalidSetting for what no search can be asked for."""
        if not 1 <= self.k <= MOST_CANDIDATES // 2:
            raise InvalidSetting(
                f"k={self.k} is outside 1 to {MOST_CANDIDATES // 2}: a first pass "
                f"hands over {MOST_CANDIDATES} candidates at most"
            )
        if not 0 < self.recall < 1:
            raise InvalidSetting(
                f"recall={self.recall} is not between 0 and 1: ask for some "
                "share such as 0.99; all of them only an exact search finds"
            )

    @property
    def prefix_recall(self) -> float:
        """What the prefix itself has to reach, so that HNSW may miss some, too."""
        return 1 - PREFIX_SHARE * (1 - self.recall)


@dataclass(frozen=True, slots=True)
class Option:
    """One size and kind, as predicted.

    `ceiling` is the recall if MOST_CANDIDATES were ranked again. `candidates` of the
    prefix's exact order reach the target with room for what HNSW misses; None: more
    than MOST_CANDIDATES. `sure`: the lower end of the interval reaches the target
    there. Bytes are of the whole table; seconds and ms are guesses.
    """

    dims: int
    kind: Kind
    ceiling: Recall
    candidates: int | None
    sure: bool
    index_bytes: int
    column_bytes: int
    build_seconds: float
    search_ms: float | None

    @property
    def name(self) -> str:
        """`halfvec(256)`."""
        return f"{self.kind}({self.dims})"

    def as_dict(self) -> dict[str, Any]:
        """All of it in what JSON knows."""
        return {"name": self.name, **asdict(self)}


def options(
    curves: Sequence[Curve],
    table: TableFacts,
    goal: Goal,
    *,
    kinds: Sequence[Kind] = KINDS,
    share: float = 1.0,
) -> tuple[Option, ...]:
    """Every size and kind that an index can have, in the order of `curves`.

    `share` of the table's rows made the curves; candidates are for all of them.
    """
    found = []
    for curve in curves:
        for kind in kinds:
            bits = kind == "bit"
            # the whole vector is no prefix; its signs are a short form of it
            short = (
                curve.dims >= min(FEWEST_BITS, table.full_dims)
                if bits
                else curve.dims < table.full_dims
            )
            if bits == (curve.stored == "bits") and short:
                if curve.dims <= INDEX_LIMITS[kind]:
                    found.append(_option(curve, kind, table, goal, share))
    return tuple(found)


def _option(
    curve: Curve, kind: Kind, table: TableFacts, goal: Goal, share: float
) -> Option:
    candidates, sure = needed(curve, goal)
    if candidates is not None:
        candidates = grown(candidates, goal.k, share)
        candidates = candidates if candidates <= MOST_CANDIDATES else None
    return Option(
        curve.dims,
        kind,
        curve.recall(MOST_CANDIDATES),
        candidates,
        sure and candidates is not None,
        index_bytes(kind, curve.dims, table.rows, goal.m),
        column_bytes(kind, curve.dims, table.rows, table.row_width),
        build_seconds(kind, curve.dims, table, goal),
        None if candidates is None else search_ms(kind, candidates, table, goal),
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


def grown(candidates: int, k: int, share: float) -> int:
    """Candidates for the whole table when a sample of it needed so many.

    By (candidates / k) ** 0.15 for each tenfold rows: benchmarks/tune.py.
    """
    more: float = (candidates / k) ** (-GROWTH * math.log10(share))
    return math.ceil(candidates * more)


def search_ms(kind: Kind, candidates: int, table: TableFacts, goal: Goal) -> float:
    """A guess at the time of one search in memory; good for comparing, not to quote."""
    rerank = RERANK_MS[table.in_toast] * table.full_bytes / RERANK_BYTES
    return max(candidates, graph_ef(goal)) * WALK_MS[kind] + candidates * rerank


def graph_ef(goal: Goal) -> int:
    """A guess at the ef_search below which HNSW itself misses too many."""
    ef = GRAPH_EF * 64 / goal.ef_construction / (1 - goal.recall)
    return round(min(max(ef, 40), MOST_CANDIDATES))


def build_seconds(kind: Kind, dims: int, table: TableFacts, goal: Goal) -> float:
    """A guess at the time of the build: it fits its memory, two cores build."""
    graph = goal.ef_construction / 64 * math.sqrt(goal.m / 16)
    a_row = BUILD_US[kind] + BUILD_US_MORE[kind] * dims
    return table.rows * a_row * graph * math.log10(table.rows) / 5 / 1e6


def could_win(found: Sequence[Option], most: int) -> tuple[Option, ...]:
    """At most so many options worth building, by prediction.

    Of each kind the smallest index among those about as fast as its fastest one; then
    smaller ones that are slower, as predicted times are guesses. `vector` counts only
    where halves of the same size were not looked at: they find the same.
    """
    able = [option for option in found if option.search_ms is not None]
    halves = {option.dims for option in able if option.kind == "halfvec"}
    kinds: dict[bool, list[Option]] = {}
    for option in able:
        if option.kind != "vector" or option.dims not in halves:
            kinds.setdefault(option.kind == "bit", []).append(option)
    picked: list[Option] = []
    for slower in SLOWER:
        heads = []
        for same in kinds.values():
            fastest = min(_ms(option) for option in same)
            near = [option for option in same if _ms(option) <= slower * fastest]
            heads.append(min(near, key=lambda option: option.index_bytes))
        for option in sorted(heads, key=_ms):
            if option not in picked and len(picked) < most:
                picked.append(option)
    return tuple(picked)


def _ms(option: Option) -> float:
    return math.inf if option.search_ms is None else option.search_ms
