"""Guesses at times, to compare by; of builds, scaled by what was built."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from mrl_pg.kinds import Kind
from mrl_pg.recall.curve import MOST_CANDIDATES
from mrl_pg.tune.option import Goal, Option
from mrl_pg.tune.rows.table import TableFacts

WALK_MS = {"vector": 0.022, "halfvec": 0.022, "bit": 0.013}
"""First pass, for each of `ef_search`: a guess from 986,009 rows in memory, where it
was the same for 256 to 1536 dimensions."""

GRAPH_EF = 8.0
"""ef_search times the share missed, for ef_construction 64: a guess from 100,000
sentences, where .95, .97 and .98 took some 150, 250 and 450, whatever the size."""

RERANK_MS = {True: 0.0052, False: 0.0023}
"""Second pass, for each candidate of 6 kB, in TOAST or in the row: a guess, too."""

RERANK_BYTES = 6152
BUILD_US = {"vector": 90.0, "halfvec": 88.0, "bit": 120.0}
"""Build time a row, for 100,000 rows, m 16, ef_construction 64, 2 cores, in memory; it
grows with their logarithm. A guess until one has been built on these rows."""

BUILD_US_MORE = {"vector": 0.33, "halfvec": 0.28, "bit": 0.0}
"""And for each dimension."""


def search_ms(kind: Kind, candidates: int, table: TableFacts, goal: Goal) -> float:
    """A guess at the time of one search in memory; good for comparing, not to quote."""
    rerank = RERANK_MS[table.in_toast] * table.full_bytes / RERANK_BYTES
    return max(candidates, graph_ef(goal)) * WALK_MS[kind] + candidates * rerank


def graph_ef(goal: Goal) -> int:
    """A guess at the ef_search below which HNSW itself misses too many."""
    ef = GRAPH_EF * 64 / goal.ef_construction / (1 - goal.recall)
    return round(min(max(ef, 40), MOST_CANDIDATES))


def build_seconds(kind: Kind, dims: int, rows: int, goal: Goal) -> float:
    """A guess at the time of the build: it fits its memory, two cores build."""
    graph = goal.ef_construction / 64 * math.sqrt(goal.m / 16)
    a_row = BUILD_US[kind] + BUILD_US_MORE[kind] * dims
    return rows * a_row * graph * math.log10(rows) / 5 / 1e6


def scaled(
    options: Sequence[Option], built: Mapping[str, float], rows: int, goal: Goal
) -> tuple[Option, ...]:
    """Options with build times as those say that were built.

    `built`: seconds, by the options' names, on a copy of `rows` rows. Of each kind by
    its own, of one that was not built by all the others.
    """
    by_kind: dict[Kind, list[Option]] = {}
    for option in options:
        if built.get(option.name):
            by_kind.setdefault(option.kind, []).append(option)
    everything = [option for same in by_kind.values() for option in same]
    if not everything:
        return tuple(options)
    found = []
    for option in options:
        same = by_kind.get(option.kind, everything)
        ratios = [
            built[one.name] / build_seconds(one.kind, one.dims, rows, goal)
            for one in same
        ]
        scale = math.exp(float(np.mean(np.log(ratios))))
        found.append(
            replace(
                option,
                build_seconds=scale * option.build_seconds,
                build_scaled_by=tuple(one.name for one in same),
            )
        )
    return tuple(found)
