"""The cheapest search that reaches a recall on the very queries that are measured."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection, sql

from mrl_pg import MatryoshkaIndex
from promising.cells import Oracle
from promising.data import Vectors

LEVELS = (10, 14, 20, 28, 40, 57, 80, 113, 160, 226, 320, 453, 640, 905, 1000)

ENOUGH = 0.9995

READ = 0.5
"""What it costs to read a candidate's full vector, in rows walked in the graph."""


@dataclass(frozen=True, slots=True)
class Walks:
    """For each ef_search, the mean recall of the first n walked rows, n from 1 on."""

    recalls: dict[int, NDArray[np.float64]]
    k: int

    def cheapest(self, target: float) -> Oracle | None:
        """The cheapest of all pairs that reach the target; None if none does."""
        best: tuple[float, Oracle] | None = None
        for ef, means in self.recalls.items():
            enough = np.flatnonzero(means >= target)
            if len(enough):
                found = Oracle(max(int(enough[0]) + 1, self.k), ef)
                cost = ef + READ * found.candidates
                if best is None or cost < best[0]:
                    best = cost, found
        return best and best[1]


def walk(
    conn: Connection[Any],
    index: MatryoshkaIndex,
    queries: Vectors,
    near: list[set[int]],
    k: int,
) -> Walks:
    """Walk the graph for each query, as far as every level; `near` are true answers."""
    recalls: dict[int, NDArray[np.float64]] = {}
    statement = _statement(conn, index)
    with conn.transaction():
        conn.execute("set local enable_seqscan = off")
        for level in LEVELS:
            if level < k:
                continue
            conn.execute(f"set local hnsw.ef_search = {level}")
            total = np.zeros(level)
            for query, wanted in zip(queries, near, strict=True):
                found = conn.execute(statement, [_text(query), level]).fetchall()
                hit = np.zeros(level)
                hit[: len(found)] = [key in wanted for (key,) in found]
                total += np.minimum(np.cumsum(hit), k)
            recalls[level] = total / (len(near) * k)
            if recalls[level][-1] >= ENOUGH:
                break
    return Walks(recalls, k)


def _statement(conn: Connection[Any], index: MatryoshkaIndex) -> sql.Composed:
    """The first pass by itself."""
    short = sql.SQL("l2_normalize(subvector(full_query, 1, {}))::halfvec({})")
    if index.kind == "bit":
        short = sql.SQL("binary_quantize(subvector(full_query, 1, {}))::bit({})")
    dims = sql.Literal(index.dims)
    return sql.SQL(
        "select id from {table} order by {column} {operator} "
        "(select {short} from (select %s::vector) as query (full_query)) limit %s"
    ).format(
        table=sql.Identifier(index.table),
        column=sql.Identifier(index.short),
        operator=sql.SQL(index.short_operator),
        short=short.format(dims, dims),
    )


def _text(query: Vectors) -> str:
    return str(query.tolist())
