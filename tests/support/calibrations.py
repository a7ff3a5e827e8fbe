"""Calibrations for tests: measured by the server, computed here, or made up."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from psycopg import sql
from psycopg.rows import namedtuple_row

from mrl_pg.kinds import Distance
from mrl_pg.recall import score
from support.databases import Conn
from support.sql_calls import named
from support.vectors import TOLERANCE, Vectors, distances

Z = 1.6448536269514722
"""Standard normal quantile: one-sided, 95 %."""

NAME = "docs_embedding_32_halfvec_cosine_hnsw"
NEVER_EXACT = (
    "create or replace function mrl._exact_point("
    "points jsonb, times float8[], weights float8[]) returns jsonb language sql"
    " immutable parallel safe return '[]'::jsonb"
)
EVERYTHING = "select * from mrl.calibrations order by 1, 2, 3, 4, 5, 6, 7"


class Promised(NamedTuple):
    """One row of mrl._promised, without what it says to people."""

    candidates: int | None
    ef_search: int | None
    standing: str
    measured: float | None
    low: float | None


def calibrate(
    conn: Conn, table: str = "docs", column: str = "embedding", **options: Any
) -> list[Any]:
    """Searches by the index that mrl.calibrate stored.

    Exact search is taken away again: whether it is stored depends on times.
    """
    call = sql.SQL("select * from mrl.calibrate({}, {}{})").format(
        sql.Literal(table), sql.Literal(column), named(options)
    )
    cursor = conn.cursor(row_factory=namedtuple_row)
    made: list[Any] = [*cursor.execute(call)]
    without_exact(conn)
    return [point for point in made if point.candidates is not None]


def without_exact(conn: Conn) -> None:
    """Take exact search away from all calibrations, if the role may."""
    conn.execute(
        "do $$ begin delete from mrl._calibrations where candidates is null;"
        " exception when insufficient_privilege then null; end $$"
    )


def never_exact(conn: Conn) -> None:
    """Let no calibration of this database store exact search: that depends on times."""
    conn.execute(NEVER_EXACT)


def promised(
    conn: Conn,
    k: int = 10,
    recall: float | None = 0.99,
    *,
    filtered: bool = False,
    share: float | None = None,
    filter: str | None = None,
    quantile: float | None = None,
    name: str = NAME,
) -> Promised:
    """The row of mrl._promised for a search with a recall."""
    call = (
        "select candidates, ef_search, standing, measured, low"
        " from mrl._promised('docs'::regclass, %s, %s, %s, %s, %s, %s, %s)"
    )
    values = [name, k, recall, filtered, share, filter, quantile]
    (row,) = conn.execute(call, values).fetchall()
    return Promised(*row)


def put(
    conn: Conn,
    candidates: int | None,
    recall: float,
    low: float,
    ms: float,
    *,
    k: int = 10,
    filter: str = "",
    share: float = 1,
    ef_search: int | None = None,
    name: str = NAME,
    basis: str | None = "queries",
    shares: Mapping[float, float] | None = None,
    misses: Sequence[float] | None = None,
    reach: Sequence[float] | None = None,
    rerank: int | None = None,
) -> None:
    """Store a made-up calibration of the index in its present state.

    `candidates` None: of exact search. `shares`: how many queries had each recall.
    `misses` at the distances of `reach`, of which there are 21.
    """
    width = None if candidates is None else ef_search or min(candidates, 1000)
    conn.execute(
        "insert into mrl._calibrations (entry, index_name, k, filter, candidates,"
        " ef_search, share, recall, low, median_ms, p95_ms, queries, rows, m,"
        " ef_construction, basis, shares, weights, misses, reach, rerank, changes,"
        " born)"
        " select known.entry, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 500,"
        " coalesce(mrl._rows('docs'::regclass), 0), built.m,"
        " built.ef_construction, %s, %s, %s, %s, %s, %s, counts.changes, known.born"
        " from mrl._built('docs'::regclass, %s) as built, mrl._live_tables as known,"
        " mrl._counts('docs'::regclass) as counts"
        " where known.table_id = 'docs'::regclass",
        [
            *(name, k, filter, candidates, width),
            *(share, recall, low, ms, 2 * ms, basis),
            None if shares is None else [float(share) for share in sorted(shares)],
            None
            if shares is None
            else [float(shares[share]) for share in sorted(shares)],
            *(
                None if part is None else [float(x) for x in part]
                for part in (misses, reach)
            ),
            rerank,
            name,
        ],
    )


def lower_bound(
    recalls: Sequence[float], weights: Sequence[float] | None = None
) -> float:
    """The one-sided lower bound of the mean recall: the server's must be the same."""
    counts = np.ones(len(recalls)) if weights is None else np.asarray(weights, float)
    return score.lower_bound(np.asarray(recalls), counts, Z)


def recalls_of(
    answers: Sequence[Sequence[tuple[Any, float]]],
    vectors: Vectors,
    queries: Any,
    k: int,
    distance: Distance = "cosine",
    among: Any = None,
) -> list[float]:
    """Recall of each answer, judged by distance against every row."""
    found = []
    for query, hits in zip(queries, answers, strict=True):
        far = np.sort(
            distances(vectors, query, distance)[... if among is None else among]
        )
        edge = far[: min(k, len(far))]
        near = sum(far <= edge[-1] + TOLERANCE for _, far in hits)
        found.append(min(near, len(edge)) / len(edge))
    return found
