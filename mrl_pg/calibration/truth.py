"""The exact distance of each query to its k-th nearest row.

Rows come here once, in blocks, and NumPy compares each with all queries: a tenth of the
CPU seconds that the server needs, which compares one row with one query at a time. The
server compares where rows would take longer to arrive than to compare.
"""

from collections.abc import Sequence
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mrl_pg.calibration import batches, measuring
from mrl_pg.calibration.batches import MeasuredQuery
from mrl_pg.catalog.facts import Facts
from mrl_pg.catalog.pages import page_ranges
from mrl_pg.exchange import Call, Exchange, look
from mrl_pg.exchange.progress import OnProgress, Progress
from mrl_pg.kinds import Distance
from mrl_pg.recall.near_rows import Near, NearRows

BLOCK_BYTES = 8 << 20
"""About the bytes of full vectors that a statement sends."""

MOST_BLOCKS = 4
"""Times as many bytes as that are refused, as where pages without vectors end."""

MOST_HERE = 1_000_000
"""The most answers of all queries that are compared here, in some 300 MB; the server
spills to disk."""

COMPARED = 64
"""Queries that a statement compares with every row. More would read rows less often."""

PER_COMPARED = 0.15
"""What a further query adds to a scan of the table, as part of a scan for one query:
.1 where full vectors are in TOAST, .4 where they are short and in the rows."""

HERE = 0.25
"""About how long comparing takes here, as part of what the server would need."""

PATIENCE = 2
"""Times longer that comparing here may take than by the server: it costs less CPU."""


def compare(
    facts: Facts,
    values: dict[str, Any],
    queries: Sequence[MeasuredQuery],
    distance: Distance,
    tell: OnProgress,
    exact_ms: float,
) -> Exchange[list[Near]]:
    """The exact answers of queries; the server needs `exact_ms` for one by itself."""
    answers = None
    if queries and values["k"] * len(queries) <= MOST_HERE:
        most_seconds = PATIENCE * server_seconds(len(queries), exact_ms)
        answers = yield from _here(facts, values, queries, distance, tell, most_seconds)
    if answers is None:
        answers = yield from _on_the_server(facts, values, queries, tell)
    return answers


def server_seconds(queries: int, exact_ms: float) -> float:
    """Seconds that the server needs to compare some queries with every row."""
    scans = sum(
        1 + PER_COMPARED * min(COMPARED, queries - start)
        for start in range(0, queries, COMPARED)
    )
    return scans * exact_ms / 1000


def _here(
    facts: Facts,
    values: dict[str, Any],
    queries: Sequence[MeasuredQuery],
    distance: Distance,
    tell: OnProgress,
    most_seconds: float,
) -> Exchange[list[Near] | None]:
    """The answers, from all rows; None if the server will take less time."""
    pages = yield from page_ranges(facts, BLOCK_BYTES)
    near = NearRows(_vectors(queries, facts), values["k"], distance)
    own = _own_places(queries)
    most_rows = MOST_BLOCKS * BLOCK_BYTES // (4 * facts.full_dims + 8)
    start = perf_counter()
    for block in pages:
        # a single page cannot be given in parts
        most = most_rows if block.last - block.first > 1 else None
        read = measuring.statement("calibration_vectors", facts, **block.slots())
        (row,) = yield from look(read, values | {"most": most}, binary=True)
        data, spots = row["vectors"] or b"", row["spots"] or []
        if len(spots) == most:
            pages.too_many(block)
            continue
        pages.came(len(data))
        itself = [(own[spot], i) for i, spot in enumerate(spots) if spot in own]
        yield Call(partial(near.add, _rows(data, facts.full_dims), spots, itself))
        # after each block, because the first pages may have no rows
        left = (perf_counter() - start) * (pages.total - block.last) / block.last
        if left > most_seconds:
            return None
        stage = f"exact answers of {len(queries)} queries"
        tell(Progress(stage, len(queries) * block.last // pages.total, len(queries)))
    return near.found()


def _on_the_server(
    facts: Facts,
    values: dict[str, Any],
    queries: Sequence[MeasuredQuery],
    tell: OnProgress,
) -> Exchange[list[Near]]:
    truth = measuring.statement("calibration_truth", facts)
    answers: list[Near] = []
    for start, some in batches.parts(queries, COMPARED):
        (row,) = yield from look(
            truth, values | batches.as_parameters(some), binary=True
        )
        found = zip(row["distances"], row["totals"], strict=True)
        answers += [Near(edge, total, ()) for edge, total in found]
        done = start + len(some)
        tell(Progress(f"exact answers of {done} queries", done, len(queries)))
    return answers


def _vectors(queries: Sequence[MeasuredQuery], facts: Facts) -> NDArray[np.float32]:
    """The queries as numbers, (queries, dims), rounded as the server rounds them."""
    vectors = _rows(b"".join(query.query for query in queries), facts.full_dims)
    if facts.full_type == "halfvec":
        vectors = vectors.astype(np.float16).astype(np.float32)
    return vectors


def _rows(data: bytes, dims: int) -> NDArray[np.float32]:
    """Vectors in pgvector's binary format, one after the other, as (rows, dims)."""
    wire = np.frombuffer(data, [("head", "V4"), ("value", ">f4", (dims,))])
    return np.asarray(wire["value"], dtype=np.float32)


def _own_places(queries: Sequence[MeasuredQuery]) -> dict[str, int]:
    """Which query is the row at a place, also with its partition before the place."""
    own = {}
    for number, query in enumerate(queries):
        if query.place is not None:
            own[query.place] = own[f"{query.part} {query.place}"] = number
    return own
