"""What the search tests share: databases, tables of vectors, plans, exact answers."""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg
import pytest
from numpy.typing import NDArray
from psycopg import Connection, sql
from psycopg.conninfo import make_conninfo

from mrl_pg import MatryoshkaIndex, SearchResult, normalise
from mrl_pg.layout import Distance
from mrl_pg.search.find import open_cursor
from mrl_pg.search.plan import SearchPlan
from mrl_pg.server import EmbeddedServer

Conn = Connection[Any]
Vectors = NDArray[np.float32]

DIMS = 64
"""Full size of the synthetic vectors."""

TOLERANCE = 1e-5
"""pgvector sums in single precision."""

NUMBERS = itertools.count(1)

one_version = pytest.mark.parametrize(
    "pg_version", [18], ids=["pg18"], indirect=True, scope="session"
)
"""A mark for tests that the older server would only repeat: of files, words, flags."""


@contextmanager
def fresh_database(server: EmbeddedServer, admin: Conn, template: str) -> Iterator[str]:
    """Connection string of a copy of `template`, for a test or a module."""
    name = f"test_{next(NUMBERS)}"
    # PostgreSQL 18 spends 130 ms on a copy through the log, 15 ms on one of the files.
    create = sql.SQL("create database {} template {} strategy file_copy")
    admin.execute(create.format(sql.Identifier(name), sql.Identifier(template)))
    try:
        yield server.url(name)
    finally:
        drop = sql.SQL("drop database {} with (force)")
        admin.execute(drop.format(sql.Identifier(name)))


def connect(url: str) -> Conn:
    """An autocommit connection."""
    return psycopg.connect(url, autocommit=True)


def role(conn: Conn, url: str, name: str) -> str:
    """Make an ordinary role, allowed to log in; its connection string."""
    exists = conn.execute("select from pg_roles where rolname = %s", [name]).fetchone()
    if exists is None:
        conn.execute(sql.SQL("create role {} login").format(sql.Identifier(name)))
    return make_conninfo(url, user=name)


# ------------------------------------------------------------------ tables of vectors


def matryoshka(rows: int, *, dims: int = DIMS, seed: int = 1) -> Vectors:
    """Unit vectors whose leading values say most, as those of a trained model do."""
    random = np.random.default_rng(seed)
    scale = np.arange(1, dims + 1) ** -0.5
    vectors = random.standard_normal((rows, dims)) * scale
    unit: Vectors = normalise(vectors).astype(np.float32)
    return unit


def make_table(
    conn: Conn,
    vectors: Vectors,
    *,
    table: str = "docs",
    schema: str = "public",
    full_type: str = "vector",
    analyze: bool = True,
) -> None:
    """A table of `id` (1 …), `n` (id mod 100), `title` and `embedding`."""
    name = sql.Identifier(schema, table)
    create = "create table {} (id bigint primary key, n int, title text, embedding {})"
    conn.execute(
        sql.SQL(create).format(name, sql.SQL(f"{full_type}({vectors.shape[1]})"))
    )
    append(conn, vectors, name)
    if analyze:
        conn.execute(sql.SQL("analyze {}").format(name))


def append(
    conn: Conn, vectors: Vectors, name: sql.Composable, *, first: int = 1
) -> None:
    """Rows for a table that `make_table` made or that has its columns."""
    copy = sql.SQL("copy {} (id, n, title, embedding) from stdin").format(name)
    with conn.cursor() as cursor, cursor.copy(copy) as rows:
        for i, vector in enumerate(vectors, first):
            rows.write_row((i, i % 100, f"title {i}", str(vector.tolist())))


@dataclass(frozen=True, slots=True)
class Docs:
    """A table `docs` of synthetic vectors with an index of 32 halves."""

    url: str
    conn: Conn
    vectors: Vectors
    index: MatryoshkaIndex


@contextmanager
def fresh_docs(
    server: EmbeddedServer, admin: Conn, template: str, rows: int = 2000
) -> Iterator[Docs]:
    """A database with `docs`, for a module whose tests change nothing in it."""
    vectors = matryoshka(rows)
    index = MatryoshkaIndex("docs", "embedding", dims=32)
    with fresh_database(server, admin, template) as url, connect(url) as conn:
        make_table(conn, vectors, analyze=False)
        index.create(conn)
        conn.execute("analyze docs")
        yield Docs(url, conn, vectors, index)


# ------------------------------------------------------------------ plans


def explain(conn: Conn, plan: SearchPlan) -> dict[str, Any]:
    """The server's plan of a search, as the root of a tree."""
    with open_cursor(conn) as cursor:
        cursor.execute(
            b"explain (costs off, format json) " + plan.statement, plan.params
        )
        root: dict[str, Any] = cursor.fetchall()[0][0][0]["Plan"]
    return root


def nodes(
    root: dict[str, Any], *, filtered: bool = False
) -> Iterator[tuple[dict[str, Any], bool]]:
    """Nodes of a plan, and whether a one-time filter stands above each."""
    yield root, filtered
    below = filtered or "One-Time Filter" in root
    for child in root.get("Plans", ()):
        yield from nodes(child, filtered=below)


def first_pass(root: dict[str, Any]) -> list[str]:
    """Indexes scanned in order below a one-time filter that sets the settings."""
    return [
        node["Index Name"]
        for node, filtered in nodes(root)
        if filtered and node["Node Type"] == "Index Scan" and "Order By" in node
    ]


def indexes(root: dict[str, Any]) -> list[str]:
    """Every index that the plan touches."""
    return [node["Index Name"] for node, _ in nodes(root) if "Index Name" in node]


def force_index(conn: Conn) -> None:
    """Leave the planner no cheap way around the index, for this session."""
    conn.execute("set enable_seqscan = off")
    conn.execute("set enable_bitmapscan = off")
    conn.execute("set enable_sort = off")


# ------------------------------------------------------------------ answers


def distances(
    vectors: Vectors, query: Sequence[float] | NDArray[Any], distance: Distance
) -> NDArray[np.float64]:
    """pgvector's distances of the query to every row, in double precision."""
    rows = np.asarray(vectors, dtype=np.float64)
    point = np.asarray(query, dtype=np.float64)
    if distance == "l2":
        far: NDArray[np.float64] = np.linalg.norm(rows - point, axis=1)
        return far
    products: NDArray[np.float64] = rows @ point
    if distance == "ip":
        return -products
    lengths: NDArray[np.float64] = np.linalg.norm(rows, axis=1) * np.linalg.norm(point)
    with np.errstate(invalid="ignore"):
        cosine: NDArray[np.float64] = 1 - products / lengths
    return cosine


def assert_true(
    found: SearchResult,
    vectors: Vectors,
    query: Sequence[float] | NDArray[Any],
    distance: Distance = "cosine",
    *,
    tolerance: float = TOLERANCE,
) -> None:
    """Distances are the true ones of each key, nearest first, no key twice."""
    far = distances(vectors, query, distance)
    given = [hit.distance for hit in found]
    assert np.allclose(given, [far[key - 1] for key in found.keys], atol=tolerance)
    assert given == sorted(given)
    assert len(set(found.keys)) == len(found)


def nearest(
    vectors: Vectors,
    query: Sequence[float] | NDArray[Any],
    k: int = 10,
    distance: Distance = "cosine",
    *,
    start: int = 1,
) -> list[int]:
    """Keys of the exact answer, nearest first; `start` is the first row's."""
    far = distances(vectors, query, distance)
    return [int(i) + start for i in np.argsort(far, kind="stable")[:k]]


def recall(found: SearchResult, truth: Sequence[int]) -> float:
    """Share of the true keys among the answers."""
    return len(set(found.keys) & set(truth)) / len(truth)
