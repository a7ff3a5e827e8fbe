"""Calibrates in batches: what `mrl.calibrate` does, a statement for each batch."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from mrl_pg import source
from mrl_pg.calibration import batches, measuring
from mrl_pg.calibration.batches import MeasuredQuery
from mrl_pg.catalog.facts import Facts
from mrl_pg.exchange import Exchange, Row, Send, look
from mrl_pg.exchange.progress import OnProgress, Progress

COMPARED = 32
"""Queries that a statement compares with every row. More would read rows less often."""

SEARCHED = 20
"""Queries that a statement searches for, some with two searches."""


def calibrate_in_batches(
    facts: Facts, values: dict[str, Any], progress: OnProgress | None
) -> Exchange[list[Row]]:
    """The rows that `mrl.calibrate` returns."""
    tell = progress or (lambda _: None)
    queries = yield from batches.draw("draw_calibration", facts, values)
    values["rows_as_queries"] = any(query.place for query in queries)
    first = values | _of(queries[:1])
    (about,) = yield from look(measuring.statement("calibration_rows", facts), first)
    asked: list[MeasuredQuery] = []
    edges: list[float] = []
    totals: list[int] = []
    for start, some in _parts(queries, COMPARED):
        truth = measuring.statement("calibration_truth", facts)
        (row,) = yield from look(truth, values | _of(some), binary=True)
        for query, edge, total in zip(
            some, row["distances"], row["totals"], strict=True
        ):
            # some have no rows to find: the filter selects only them, or they are zeros
            if total:
                asked.append(query)
                edges.append(edge)
                totals.append(total)
        done = start + len(some)
        tell(Progress(f"exact answers of {done} queries", done, len(queries)))
    points: list[Any] = []
    for level in about["levels"]:
        walk = measuring.statement("calibration_walk", facts)
        found: dict[str, list[Any]] = {"near": [], "shortest": [], "longest": []}
        for start, some in _parts(asked, SEARCHED):
            batch = {
                **_of(some),
                "edges": edges[start : start + len(some)],
                "level": level,
                "timed": max(0, about["timed"] - start),
            }
            (row,) = yield from look(walk, values | batch, binary=True)
            for name, part in found.items():
                part += row[name]
            done = start + len(some)
            stage = f"{level} candidates measured on {done} queries"
            tell(Progress(stage, done, len(asked)))
        made = found | {"k": values["k"], "level": level, "totals": totals}
        judge = source.statement("calibration_points").encode()
        (row,) = yield Send(judge, made)
        points += json.loads(row["points"] or "[]")
        if not row["go_on"]:
            break
    measured = {
        "points": json.dumps(points),
        "query_count": len(asked),
        "edges": edges,
        "totals": totals,
    }
    keep = source.statement("keep_calibration").encode()
    rows: list[Row] = yield Send(keep, values | about | measured)
    return rows


def _parts(
    queries: Sequence[MeasuredQuery], size: int
) -> Iterator[tuple[int, Sequence[MeasuredQuery]]]:
    """Parts of at most `size` queries, each with the number of queries before it."""
    for start in range(0, len(queries), size):
        yield start, queries[start : start + size]


def _of(queries: Sequence[MeasuredQuery]) -> dict[str, Any]:
    """Some queries as parameters."""
    return {
        "queries": [query.query for query in queries],
        "parts": [query.part for query in queries],
        "places": [query.place for query in queries],
    }
