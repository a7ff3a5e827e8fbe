"""Picks a better graph for a short index, within the time of a full index."""

from dataclasses import replace

from mrl_pg.kinds import KINDS
from mrl_pg.layout import GRAPHS, Graph
from mrl_pg.tune.option import Goal, Option
from mrl_pg.tune.predict.cost_model import build_seconds, timed
from mrl_pg.tune.predict.index_size import index_bytes
from mrl_pg.tune.rows.table import TableFacts

LADDER = (GRAPHS["better"], Graph(32, 128), Graph(24, 128), Graph(24, 96))
"""Graphs to choose from, the slowest to build first."""

FEWEST_ROWS = 10_000
"""With fewer rows, the usual graph misses hardly anything."""


def spare(
    option: Option,
    table: TableFacts,
    goal: Goal,
    *,
    own: float | None = None,
    rival: float | None = None,
) -> float:
    """How many times as long as an option's build one over full vectors takes.

    `own` and `rival` are the measured seconds of both builds. Without one of them, both
    are predicted.
    """
    if own and rival:
        return rival / own
    most = min(table.full_dims, KINDS["halfvec"].most_dims)
    return build_seconds("halfvec", most, table.rows, goal) / build_seconds(
        option.kind, option.dims, table.rows, goal
    )


def better(
    option: Option, table: TableFacts, goal: Goal, times: float
) -> Option | None:
    """The option with the best graph that takes at most so many times as long to build.

    None if no graph of LADDER is that fast to build, or better than the goal's.
    """
    usual = build_seconds(option.kind, option.dims, table.rows, goal)
    for graph in LADDER:
        if graph.m < goal.m or graph.ef_construction <= goal.ef_construction:
            continue
        own = goal.with_graph(graph)
        seconds = build_seconds(option.kind, option.dims, table.rows, own)
        if seconds <= times * usual:
            other = replace(
                option,
                graph=graph,
                index_bytes=index_bytes(option.kind, option.dims, table.rows, graph.m),
                build_seconds=seconds,
            )
            return timed(other, table, goal)
    return None
