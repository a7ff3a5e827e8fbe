"""Calls of functions of mrl by name, and their answers."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import sql

from mrl_pg.kinds import Distance
from support.databases import Conn
from support.plans import force_index
from support.tables import make_table
from support.vectors import TOLERANCE, Vectors, distances

Hits = list[tuple[Any, float]]

TYPES = {
    "args": "text[]",
    "columns": "name[]",
    "parameters": "text[]",
    "queries": "vector[]",
}


def text(vector: Sequence[float] | NDArray[Any]) -> str:
    """A vector as pgvector reads it."""
    given = np.asarray(vector)
    if given.ndim == 1 and given.dtype.kind == "f":
        return _printed(given.tobytes(), given.dtype.str)
    return str(given.tolist())


@lru_cache(5000)
def _printed(values: bytes, dtype: str) -> str:
    """Numbers as text; tests ask the same queries again and again."""
    return str(np.frombuffer(values, dtype).tolist())


def named(options: dict[str, Any]) -> sql.Composed:
    """`, k => 10, filter => 'n < 5'` of a call."""
    return sql.SQL("").join(
        sql.SQL(", {} => {}{}").format(
            sql.Identifier(name),
            sql.Literal(value),
            sql.SQL("::" + TYPES[name] if name in TYPES else ""),
        )
        for name, value in options.items()
    )


def one(conn: Conn, query: str, *values: Any) -> Any:
    """The only value in the only row of a statement."""
    ((value,),) = conn.execute(query.encode(), values or None).fetchall()
    return value


def create(conn: Conn, table: str = "docs", dims: int = 32, **options: Any) -> str:
    """Create an index by `mrl.create_index`; returns its name."""
    call = sql.SQL("select mrl.create_index({}, 'embedding', {}{})").format(
        sql.Literal(table), sql.Literal(dims), named(options)
    )
    name: str = conn.execute(call).fetchall()[0][0]
    return name


def stock(
    conn: Conn, vectors: Vectors, *, full_type: str = "vector", **options: Any
) -> str:
    """Make a table `docs` with an index that the planner must use; returns its name."""
    make_table(conn, vectors, full_type=full_type, analyze=False)
    name = create(conn, **options)
    conn.execute("analyze docs")
    force_index(conn)
    return name


def ids(
    conn: Conn, query: Any, *, table: str = "docs", key: str = "id", **options: Any
) -> list[Any]:
    """Keys of the rows that `mrl.search` answers."""
    call = sql.SQL("select {} from mrl.search(null::{}, 'embedding', {}{})").format(
        sql.Identifier(key), sql.SQL(table), sql.Literal(text(query)), named(options)
    )
    return [row[0] for row in conn.execute(call)]


def keys(
    conn: Conn, query: Any, *, table: str = "docs", key: str = "bigint", **options: Any
) -> Hits:
    """Answers of `mrl.search_keys`."""
    call = sql.SQL(
        "select key, distance from mrl.search_keys(null::{}, {}, 'embedding', {}{})"
    ).format(sql.SQL(key), sql.Literal(table), sql.Literal(text(query)), named(options))
    return conn.execute(call).fetchall()


def many(
    conn: Conn, queries: Sequence[Any], *, table: str = "docs", **options: Any
) -> list[Hits]:
    """Answers of `mrl.search_many`, a list for each query."""
    call = sql.SQL(
        "select query, (hit).id, distance"
        " from mrl.search_many(null::{}, 'embedding', {}::vector[]{})"
    ).format(
        # an array as text, because psycopg looks at each character of a list
        sql.SQL(table),
        sql.Literal("{" + ",".join(f'"{text(query)}"' for query in queries) + "}"),
        named(options),
    )
    answers: list[Hits] = [[] for _ in queries]
    for number, key, distance in conn.execute(call):
        answers[number - 1].append((key, distance))
    return answers


def assert_exact(
    hits: Hits,
    vectors: Vectors,
    query: Any,
    distance: Distance = "cosine",
    *,
    tolerance: float = TOLERANCE,
) -> None:
    """Keys are rows from 1; distances are true, nearest first, no key twice."""
    far = distances(vectors, query, distance)
    given = [distance for _, distance in hits]
    assert np.allclose(given, [far[key - 1] for key, _ in hits], atol=tolerance)
    assert given == sorted(given)
    assert len({key for key, _ in hits}) == len(hits)


def share(found: Sequence[Any], truth: Sequence[Any]) -> float:
    """Share of the true keys that were found."""
    return len(set(found) & set(truth)) / len(truth)
