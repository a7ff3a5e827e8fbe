"""What tune asks of rows that stand in for queries, because rows are easier to find.

A recall of .9 that was measured on rows was .849 on real queries
(docs/measured/recall.md). Calibrations ask the same of rows: `mrl._margin` in SQL.
"""

from dataclasses import replace

from mrl_pg.tune.option import Goal

ROW_MISSES = 0.5
"""The share of the misses that rows may have, of those that a search may have."""

LEAST_EF_SEARCH = 80
"""The smallest ef_search to try. With less, the graph misses more of real queries than
of rows."""


def for_rows(goal: Goal) -> Goal:
    """The goal for queries that are rows."""
    return replace(goal, misses=ROW_MISSES, least_ef=LEAST_EF_SEARCH)
