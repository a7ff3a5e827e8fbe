"""The table that is used: its rows, and the vectors of two models."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

import mrl_pg
from mrl_pg.load import load_blocks

DIMS = 256

FIRST_KEY = 10_000_000
"""Rows below it are there from the start, and nobody changes them."""

COLUMNS = ("embedding", "embedding_v2")
"""Columns of full vectors, one for each model; a life goes from one to the other."""

_BASE = 1 << 30
"""What is added to the key of a row that was there from the start; see `seed_of`."""


def seed_of(key: int, note: int | None) -> int:
    """The number from which the vectors of a row are made."""
    return _BASE + key if note is None else note


def values(seed: int, column: str) -> NDArray[np.float64]:
    """The vector of a row in the model of a column."""
    scale = np.arange(1, DIMS + 1) ** -0.5
    model = COLUMNS.index(column)
    made = np.random.default_rng((seed, model)).normal(size=DIMS) * scale
    unit: NDArray[np.float64] = (made / np.linalg.norm(made)).round(5)
    return unit


def text(seed: int, column: str) -> str:
    """The same vector, as SQL takes it."""
    return str(values(seed, column).tolist())


def load(url: str, rows: int) -> None:
    """A table in use: rows, and an index over the full vectors."""
    with psycopg.connect(url, autocommit=True) as conn:
        mrl_pg.install(conn)
        made = [values(seed_of(key, None), COLUMNS[0]) for key in range(1, rows + 1)]
        load_blocks(conn, np.array(made, np.float32), "docs")
        conn.execute("alter table docs add column note int")
    index_full(url, COLUMNS[0])


def index_full(url: str, column: str) -> None:
    """Give a column of full vectors the index that a table in use has."""
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(
            f"create index concurrently {column}_full on docs using hnsw "
            f"({column} vector_cosine_ops) with (m = 4, ef_construction = 8)".encode()
        )


def write_file(path: Path, rows: Sequence[tuple[int, int | None]], column: str) -> None:
    """A file of keys and vectors for rows, each of a key and a note."""
    made = [values(seed_of(key, note), column) for key, note in rows]
    keys = np.array([key for key, _ in rows], np.int64)
    arrays: dict[str, Any] = {"id": keys, column: np.array(made, np.float32)}
    np.savez(path, **arrays)


def rows_of(conn: psycopg.Connection[Any]) -> list[tuple[int, int | None]]:
    """Keys and notes of all rows."""
    return conn.execute("select id, note from docs").fetchall()
