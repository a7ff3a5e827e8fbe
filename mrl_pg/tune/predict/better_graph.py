"""Picks a better graph for an index, which costs no more to build than its rival."""

from dataclasses import replace

from mrl_pg.kinds import KINDS
from mrl_pg.layout import GRAPHS, Graph
from mrl_pg.tune.option import Goal, Option
from mrl_pg.tune.predict.cost_model import build_seconds, search_ms
from mrl_pg.tune.predict.index_size import index_bytes
from mrl_pg.tune.rows.table import TableFacts

LADDER = (GRAPHS["better"], Graph(32, 128), Graph(24, 128), Graph(24, 96))
"""Graphs to choose from, the slowest to build first."""

FEWEST_ROWS = 10_000
"""With fewer rows, the usual graph misses hardly anything."""


def better(option: Option, table: TableFacts, goal: Goal) -> Option | None:
    """The option with the best graph that is built within the time of one full pass.

    What a short index saves of building time is spent on its graph: the build may take
    as long, by prediction, as that of an index over full vectors with the graph of the
    goal. None if no graph of LADDER is that fast to build, or better than the goal's.
    """
    rival = min(table.full_dims, KINDS["halfvec"].most_dims)
    most = build_seconds("halfvec", rival, table.rows, goal)
    for graph in LADDER:
        if graph.m < goal.m or graph.ef_construction <= goal.ef_construction:
            continue
        own = goal.with_graph(graph)
        seconds = build_seconds(option.kind, option.dims, table.rows, own)
        if seconds <= most:
            return replace(
                option,
                graph=graph,
                index_bytes=index_bytes(option.kind, option.dims, table.rows, graph.m),
                build_seconds=seconds,
                search_ms=None
                if option.candidates is None
                else search_ms(option.kind, option.candidates, table, own),
            )
    return None
