"""Makes the one pass over the rows, and collects what it shows."""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mrl_pg.catalog.facts import Facts
from mrl_pg.exchange import Conn
from mrl_pg.exchange.progress import OnProgress, Progress
from mrl_pg.kinds import Stored
from mrl_pg.load.prefetch import Prefetch
from mrl_pg.recall.judgement import Judgement
from mrl_pg.recall.nested import Nested, nested
from mrl_pg.recall.score import TOLERANCE
from mrl_pg.recall.trained import judge
from mrl_pg.tune.option import Goal
from mrl_pg.tune.predict.growth import (
    FEWEST_ROWS,
    FEWEST_TIMES,
    TENTH_ROWS,
    Growth,
    measured,
)
from mrl_pg.tune.predict.rotation import SpreadRows
from mrl_pg.tune.queries import Queries
from mrl_pg.tune.report import Read
from mrl_pg.tune.rows.example_queries import ExampleQueries
from mrl_pg.tune.rows.sample_table import SampleTable
from mrl_pg.tune.rows.stream import Reader, Sample
from mrl_pg.tune.rows.table import TableFacts

JUDGED_ROWS = 5_000
"""Rows to judge: 31 MB for 1536 dimensions."""


def read_rows(
    conn: Conn,
    facts: Facts,
    table: TableFacts,
    column: str,
    goal: Goal,
    sample: Sample,
    queries: Queries,
    forms: Sequence[tuple[Stored, int]],
    example_queries: ExampleQueries,
    keep: SampleTable | None,
    spread: SpreadRows,
    progress: OnProgress,
) -> tuple[Nested, Judgement | None, Read]:
    """Read the rows once: curves and exact answers, the judgement, and the counts.

    With `keep`, a temporary table keeps the rows that were read. `spread` keeps some.
    """
    start = time.perf_counter()
    reader = Reader(facts, column, sample, queries.held, keep)
    about = round(table.rows * sample.share)
    first_rows: list[NDArray[np.float32]] = []
    tenth: list[NDArray[np.float32]] = []
    every = max(FEWEST_TIMES, about // TENTH_ROWS)

    def blocks(prefetch: Prefetch[Any]) -> Iterator[NDArray[np.float32]]:
        for rows in prefetch:
            if sum(map(len, first_rows)) < JUDGED_ROWS:
                first_rows.append(rows.vectors[:JUDGED_ROWS])
            spread.add(rows.vectors)
            if sample.share < 1:
                # a copy, because a view would keep the whole block in memory
                tenth.append(rows.vectors[::every].copy())
            yield rows.vectors
            progress(Progress("reading rows", min(reader.read, about), about))

    progress(Progress("reading rows", 0, about))
    stream = reader.blocks(conn)
    with closing(stream), Prefetch(example_queries.pass_on(stream)) as prefetch:
        truth = nested(
            blocks(prefetch),
            queries.vectors,
            forms=forms,
            k=goal.k,
            distance=goal.distance,
        )
    growth = _growth(tenth, truth, queries, forms, goal)
    judged = np.concatenate(first_rows)
    sign_rows, sign_codes = _signs(judged)
    read = Read(
        rows=truth.rows,
        share=sample.share,
        seed=sample.seed,
        zero_rows=truth.zeros if goal.distance == "cosine" else 0,
        queries=len(queries.vectors),
        origin=queries.origin,
        zero_queries=queries.zeros,
        themselves=_themselves(truth, queries, goal),
        seconds=time.perf_counter() - start,
        growth=growth,
        sign_rows=sign_rows,
        sign_codes=sign_codes,
        note=queries.note,
    )
    progress(Progress("judging the leading dimensions"))
    return truth, _judged(judged, goal), read


def _growth(
    tenth: Sequence[NDArray[np.float32]],
    truth: Nested,
    queries: Queries,
    forms: Sequence[tuple[Stored, int]],
    goal: Goal,
) -> Growth:
    """How needs grew from a part of the sample to all of it; empty if unknown."""
    rows = sum(map(len, tenth))
    if rows < max(FEWEST_ROWS, 2 * goal.k):
        return {}
    fewer = nested(
        tenth, queries.vectors, forms=forms, k=goal.k, distance=goal.distance
    ).curves
    return measured(fewer, truth.curves, math.log10(truth.rows / rows), goal.k)


def _themselves(truth: Nested, queries: Queries, goal: Goal) -> int:
    if goal.distance == "ip":
        return 0
    near = TOLERANCE if goal.distance == "cosine" else TOLERANCE**0.5
    return int((truth.best <= near).sum())


def _signs(rows: NDArray[np.float32]) -> tuple[int, int]:
    """The number of different rows, and of different combinations of signs."""
    codes = np.packbits(rows > 0, axis=1)
    different = [len({row.tobytes() for row in each}) for each in (rows, codes)]
    return different[0], different[1]


def _judged(rows: NDArray[np.float32], goal: Goal) -> Judgement | None:
    """What leading dimensions find; None if there are too few rows or dimensions."""
    rows = rows[rows.any(axis=1)][:JUDGED_ROWS]
    return judge(rows, k=10) if len(rows) >= 100 and rows.shape[1] >= 16 else None
