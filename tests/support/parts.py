"""Rows around a few centres, and a table that is partitioned by these."""

from importlib.util import find_spec
from typing import Any

import numpy as np

from mrl_pg import MatryoshkaColumn, MatryoshkaIndex, normalise
from mrl_pg.kinds import Distance
from support.databases import Conn
from support.missing import missing
from support.plans import force_index
from support.tables import make_table
from support.vectors import Vectors, distances, matryoshka

CENTRES = matryoshka(6, seed=3)
"""Of parts 1 to 6."""

COLUMN = MatryoshkaColumn("docs", "embedding")
PARTED = MatryoshkaColumn("parted", "embedding")
INDEX = MatryoshkaIndex("parted", "embedding", dims=32)


def around_centres(rows: int = 900) -> Vectors:
    """Unit vectors, each near a centre: the first near that of part 1, and so on."""
    near = CENTRES[np.arange(rows) % len(CENTRES)]
    vectors: Vectors = normalise(near + 0.5 * matryoshka(rows)).astype(np.float32)
    return vectors


def part_of(vector: Any, distance: Distance = "cosine") -> int:
    """The part of a vector."""
    return 1 + int(np.argmin(distances(CENTRES, vector, distance)))


def nearest_parts(vector: Any, probes: int) -> list[int]:
    """The parts nearest to a query, nearest first."""
    far = distances(CENTRES, vector, "cosine")
    return [1 + int(part) for part in np.argsort(far, kind="stable")[:probes]]


def parted_table(conn: Conn, vectors: Vectors) -> None:
    """`docs`, and `parted`: the same rows in parts, with an index of halfvec(32)."""
    make_table(conn, vectors)
    COLUMN.make_parts(conn, "parted", centres=CENTRES)
    INDEX.create(conn)
    conn.execute("analyze parted")
    force_index(conn)


def needs_k_means() -> None:
    """Skip a test without scikit-learn, but not in CI."""
    if find_spec("sklearn") is None:
        missing("scikit-learn is not installed: pip install 'mrl_pg[parts]'")


def between(count: int) -> Vectors:
    """Queries between two centres, whose answers are in several parts."""
    pairs = [CENTRES[i % 6] + CENTRES[(i // 6 + i + 1) % 6] for i in range(count)]
    found: Vectors = normalise(np.array(pairs) + 0.2 * matryoshka(count, seed=9))
    return found.astype(np.float32)


def index_of(part: int) -> str:
    """The index of a partition."""
    return f"parted_{part}_{INDEX.short}_idx"
