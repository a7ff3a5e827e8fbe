"""A table with an index, its rows as NumPy sees them, and what searches of it find."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection, sql

from mrl_pg import MatryoshkaIndex
from mrl_pg.load import load_blocks
from mrl_pg.recall.score import TOLERANCE
from mrl_pg.search.result import SearchResult
from promising.cells import Cell
from promising.data import Vectors
from promising.oracle import Walks

Conn: TypeAlias = Connection[Any]
Basis: TypeAlias = Literal["rows", "distances", "queries"]

Known: TypeAlias = dict[tuple[Any, ...], "Answered"]
"""What was found, by candidates, ef_search, rerank and wider steps."""

DISTANCES_KEPT = 1000


@dataclass(frozen=True, slots=True, eq=False)
class Answered:
    """Of each query: its recall, whether it was promised, and the rows read."""

    recalls: NDArray[np.float64]
    promised: NDArray[np.bool_]
    candidates: NDArray[np.float64]


def sample_size(k: int) -> int:
    """As many queries as a calibration takes by default."""
    return max(700, 2000 // k)


def make(
    conn: Conn,
    table: str,
    rows: Vectors,
    index: MatryoshkaIndex,
    columns: Mapping[str, NDArray[np.int64]] | None = None,
) -> None:
    """Load rows as a user does, and build the index."""
    load_blocks(conn, rows, table, columns=columns)
    index.create(conn)
    conn.execute(sql.SQL("analyze {}").format(sql.Identifier(table)))


def calibrate(
    conn: Conn,
    index: MatryoshkaIndex,
    k: int,
    basis: Basis,
    asked: Vectors,
    *,
    sample: int | None = None,
    **filter: Any,
) -> None:
    """Calibrate as the basis says; `asked` are real queries that are not measured."""
    names = (index.table, index.column)
    if basis == "queries":
        few = asked[: sample or sample_size(k)]
        conn.execute("select mrl.sample_queries(%s, %s, 1, 2000)", names)
        conn.execute("select mrl.forget_queries(%s, %s)", names)
        for query in few:
            index.keep_query(conn, query)
        index.calibrate(conn, k=k, real_queries=True, sample=sample, **filter)
        return
    if basis == "distances":
        conn.execute("select mrl.sample_distances(%s, %s, 1, 2000)", names)
        for result in index.search_many(conn, asked[:DISTANCES_KEPT], k=k):
            index.keep_distance(conn, result)
    index.calibrate(conn, k=k, sample=sample, **filter)


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """The distances of all rows of a table to the queries measured.

    `far` has the shape (queries, rows), `place` the column of each key.
    """

    queries: Vectors
    rows: Vectors
    place: Mapping[int, int]
    far: NDArray[np.float32]

    def near(self, k: int, count: int) -> list[set[int]]:
        """Keys of the k nearest rows of the first `count` queries, and of ties."""
        keys = list(self.place)
        far = self.far[:count]
        edges = np.partition(far, k - 1, axis=1)[:, k - 1] + TOLERANCE
        return [
            {keys[i] for i in np.flatnonzero(row <= edge)}
            for row, edge in zip(far, edges, strict=True)
        ]

    def recalls(
        self,
        found: Sequence[Sequence[int]],
        k: int,
        passing: NDArray[np.bool_] | None = None,
    ) -> NDArray[np.float64]:
        """The recall of each query's answers, given as keys."""
        far = self.far[: len(found)]
        if passing is not None:
            far = np.where(passing, far, np.inf)
        last = min(k, int(np.isfinite(far[0]).sum())) - 1
        edges = np.partition(far, last, axis=1)[:, last] + TOLERANCE
        hits = [
            sum(far[i, self.place[key]] <= edges[i] for key in keys)
            for i, keys in enumerate(found)
        ]
        return np.minimum(np.array(hits) / (last + 1), 1.0)


def truth_of(conn: Conn, index: MatryoshkaIndex, queries: Vectors) -> Truth:
    """Read the table, and compare all rows with all queries."""
    names = sql.Identifier(index.table), sql.Identifier(index.column)
    statement = sql.SQL("select id, {}::real[] from {} order by id").format(
        names[1], names[0]
    )
    keys: list[int] = []
    parts: list[Vectors] = []
    with conn.transaction(), conn.cursor("all_rows", binary=True) as cursor:
        cursor.itersize = 1000
        cursor.execute(statement)
        while some := cursor.fetchmany(1000):
            keys += [key for key, _ in some]
            parts.append(np.array([vector for _, vector in some], dtype=np.float32))
    rows = np.concatenate(parts)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    units = queries / np.linalg.norm(queries, axis=1, keepdims=True)
    place = {key: i for i, key in enumerate(keys)}
    return Truth(queries, rows, place, (1 - units @ unit.T).astype(np.float32))


def measure(
    conn: Conn,
    index: MatryoshkaIndex,
    truth: Truth,
    *,
    data: str,
    case: str,
    k: int,
    target: float,
    count: int,
    known: Known,
    walks: Walks | None = None,
    passing: NDArray[np.bool_] | None = None,
    quantile: float | None = None,
    **filter: Any,
) -> Cell:
    """Ask for a recall with `count` of the queries, and compare with the truth.

    A search that `known` has for another target is not measured again.
    """
    queries = truth.queries[:count]
    asked = {"k": k, "recall": target, "quantile": quantile, **filter}
    # the promise before an answer is seen
    plan = index.plan(conn, queries[0], **asked).promise
    assert plan is not None
    reads = plan.rerank or plan.candidates
    search = plan.candidates, plan.ef_search, plan.rerank, plan.steps
    if search not in known:
        found = index.search_many(conn, queries, **asked)
        recalls = truth.recalls([result.keys for result in found], k, passing)
        known[search] = Answered(
            recalls, *_taken(found, plan.candidates, plan.ef_search, reads)
        )
    answered = known[search]
    # if all answers are too far away, the cell promises nothing
    kept = answered.promised if answered.promised.any() else ~answered.promised
    recalls = answered.recalls[kept]
    return Cell(
        data=data,
        case=case,
        k=k,
        target=target,
        standing=plan.standing if answered.promised.any() else "beyond",
        promised=plan.measured,
        measured=float(recalls.mean()),
        p05=float(np.quantile(recalls, 0.05)),
        candidates=reads,
        ef_search=plan.ef_search,
        taken=float(answered.candidates[kept].mean()),
        beyond=float(1 - answered.promised.mean()),
        oracle=walks.cheapest(target) if walks and quantile is None else None,
        quantile=quantile,
        found_by=float((recalls >= target - 1e-9).mean()),
        chosen_from=plan.candidates if plan.rerank else None,
    )


def _taken(
    found: Sequence[SearchResult],
    candidates: int | None,
    ef_search: int | None,
    reads: int | None,
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Whether each result was promised, and the rows that both searches read."""
    first = candidates, ef_search, reads
    taken = [
        (read or 0)
        + (0 if (result.candidates, result.ef_search, read) == first else reads or 0)
        for result in found
        for read in [(result.promise and result.promise.rerank) or result.candidates]
    ]
    standings = [result.promise.standing for result in found if result.promise]
    return np.array(standings) != "beyond", np.array(taken, dtype=np.float64)
