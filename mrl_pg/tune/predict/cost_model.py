"""Rough guesses at times, to compare options; builds that were measured scale them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from mrl_pg.kinds import Kind
from mrl_pg.recall.curve import MOST_CANDIDATES
from mrl_pg.tune.option import Goal, Option
from mrl_pg.tune.predict.memory import pages, two_passes, walk_pages
from mrl_pg.tune.rows.table import TableFacts

WALK_MS = {"vector": 0.022, "halfvec": 0.022, "bit": 0.013}
"""Milliseconds of the first pass for each 1 of `ef_search`. A guess, from 986,009 rows
in memory, where it was the same for 256 to 1536 dimensions."""

GRAPH_EF = 8.0
"""The product of ef_search and the share of rows missed, with ef_construction 64. A
guess, from 100,000 sentences, where recall .95, .97 and .98 took an ef_search of about
150, 250 and 450 at every size."""

RERANK_MS = {True: 0.0052, False: 0.0023}
"""Milliseconds of the second pass for each candidate of 6 kB, if full vectors are in
TOAST (True) or in the row (False). A guess, too."""

RERANK_BYTES = 6152
BUILD_US = {"vector": 90.0, "halfvec": 88.0, "bit": 120.0}
"""Build time per row in microseconds, for 100,000 rows, m 16, ef_construction 64, two
cores, in memory. It grows with the logarithm of the rows. A guess, until an index was
built on these rows."""

BUILD_US_MORE = {"vector": 0.33, "halfvec": 0.28, "bit": 0.0}
"""Microseconds to add to BUILD_US for each dimension."""


def timed(option: Option, table: TableFacts, goal: Goal) -> Option:
    """The option with a guess at its time, with the memory that the table has."""
    if option.candidates is None:
        return replace(option, search_ms=None, from_disk=None)
    goal = goal.with_graph(option.graph)
    ms = search_ms(option.kind, option.candidates, table, goal)
    if table.memory_bytes is None:
        return replace(option, search_ms=ms)
    ef = max(option.candidates, graph_ef(goal))
    parts = two_passes(
        table,
        index_bytes=option.index_bytes,
        column_bytes=option.column_bytes,
        walk=walk_pages(ef, goal.m),
        candidates=option.candidates,
    )
    read = pages(parts, table.memory_bytes)
    return replace(option, search_ms=ms + read.ms, from_disk=read.share)


def search_ms(kind: Kind, candidates: int, table: TableFacts, goal: Goal) -> float:
    """A guess at the time of a search in memory, only for comparing options."""
    rerank = RERANK_MS[table.in_toast] * table.full_bytes / RERANK_BYTES
    return max(candidates, graph_ef(goal)) * WALK_MS[kind] + candidates * rerank


def graph_ef(goal: Goal) -> int:
    """A guess at the smallest ef_search with which HNSW does not miss too many rows."""
    ef = GRAPH_EF * 64 / goal.ef_construction / (1 - goal.recall)
    return round(min(max(ef, 40, goal.least_ef), MOST_CANDIDATES))


def build_seconds(kind: Kind, dims: int, rows: int, goal: Goal) -> float:
    """A guess at the time of a build by two cores, if the graph fits in memory."""
    graph = goal.ef_construction / 64 * math.sqrt(goal.m / 16)
    a_row = BUILD_US[kind] + BUILD_US_MORE[kind] * dims
    return rows * a_row * graph * math.log10(rows) / 5 / 1e6


def scaled(
    options: Sequence[Option], built: Mapping[str, float], rows: int, goal: Goal
) -> tuple[Option, ...]:
    """The options, with build times scaled by the measured times of some builds.

    `built` has the seconds of each build on a copy of `rows` rows, by option name. The
    builds of a kind scale the options of that kind. If a kind was not built, all
    builds scale its options.
    """
    by_kind: dict[Kind, list[Option]] = {}
    for option in options:
        if built.get(option.name):
            by_kind.setdefault(option.kind, []).append(option)
    everything = [option for same in by_kind.values() for option in same]
    if not everything:
        return tuple(options)
    rescaled = []
    for option in options:
        same = by_kind.get(option.kind, everything)
        ratios = [
            built[known.name]
            / build_seconds(known.kind, known.dims, rows, goal.with_graph(known.graph))
            for known in same
        ]
        scale = math.exp(float(np.mean(np.log(ratios))))
        rescaled.append(
            replace(
                option,
                build_seconds=scale * option.build_seconds,
                build_scaled_by=tuple(known.name for known in same),
            )
        )
    return tuple(rescaled)
