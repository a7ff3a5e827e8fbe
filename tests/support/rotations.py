"""Rotated vectors for tests, and the tables that hold them."""

from typing import Any

import numpy as np
from psycopg import sql

from support.databases import Conn
from support.tables import make_table
from support.vectors import Vectors


def orthogonal(dims: int, *, seed: int = 1) -> Vectors:
    """A random orthogonal matrix of shape (dims, dims)."""
    random = np.random.default_rng(seed)
    matrix: Vectors = np.linalg.qr(random.standard_normal((dims, dims)))[0]
    return matrix.astype(np.float32)


def set_matrix(
    conn: Conn,
    matrix: Vectors | None,
    *,
    table: str = "docs",
    column: str = "embedding",
    already: bool = False,
    version: str = "1",
) -> None:
    """Call `mrl.set_rotation` with a matrix, or with NULL."""
    call = "select mrl.set_rotation(%s::regclass, %s, %s::vector[], %s, already => %s)"
    given: Any = None if matrix is None else [str(row.tolist()) for row in matrix]
    conn.execute(call.encode(), [table, column, given, version, already])


def make_rotated(
    conn: Conn, vectors: Vectors, matrix: Vectors, *, full_type: str = "vector"
) -> None:
    """A table `docs` whose column `embedding` holds the vectors rotated."""
    make_table(conn, vectors[:0], full_type=full_type)
    set_matrix(conn, matrix)
    conn.execute("drop table if exists turned")
    make_table(conn, vectors @ matrix.T, table="turned", full_type=full_type)
    conn.execute("insert into docs select * from turned")
    conn.execute("drop table turned")
    conn.execute(sql.SQL("analyze docs"))
