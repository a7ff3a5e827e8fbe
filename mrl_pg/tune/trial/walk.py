"""Counts the pages of an index that the first pass of a search touches."""

import json
import statistics
from typing import Any

from mrl_pg.exchange import cursors
from mrl_pg.tune.queries import Queries
from mrl_pg.tune.trial.point import Point
from mrl_pg.tune.trial.scratch import Scratch

QUERIES = 5
"""Queries to count, because they differ little."""

EXPLAIN = b"explain (analyze, buffers, timing off, format json) "


def walked(place: Scratch, point: Point, queries: Queries) -> float | None:
    """The median pages of the index that a setting of a short index touches."""
    if point.option is None or point.candidates is None or point.ef_search is None:
        return None
    index = place.index(point.option)
    counts = []
    for query in queries.vectors[:QUERIES]:
        plan = index.plan(
            place.conn,
            place.asked(point.option, query),
            k=place.goal.k,
            candidates=point.candidates,
            ef_search=point.ef_search,
            rerank=point.rerank,
        )
        cursor = cursors.tuples(place.conn).execute(
            EXPLAIN + plan.statement, plan.params
        )
        answer = cursor.fetchall()[0][0]
        root = (json.loads(answer) if isinstance(answer, str) else answer)[0]["Plan"]
        node = _scan(root, index.name)
        if node is None:
            return None
        touched = node["Shared Hit Blocks"] + node["Shared Read Blocks"]
        # the scan also takes a page of the table for each row that it returns
        counts.append(max(0, touched - node["Actual Rows"]))
    return float(statistics.median(counts)) if counts else None


def _scan(node: dict[str, Any], name: str) -> dict[str, Any] | None:
    """The node of a plan that scans an index."""
    if node.get("Index Name") == name:
        return node
    for child in node.get("Plans", ()):
        found = _scan(child, name)
        if found is not None:
            return found
    return None
