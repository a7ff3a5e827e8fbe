"""Compare the time of `index.search` with the same statement sent by hand.

    python benchmarks/overhead.py                            # random clustered rows
    python benchmarks/overhead.py --vectors embeddings.npy

By hand means psycopg with pgvector's type registered, binary parameters, a prepared
statement and one cursor for all queries. The two take turns on one connection, query by
query, in random order.
"""

import argparse
import random
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import psycopg
from pgvector import Vector
from pgvector.psycopg import register_vector

import mrl_pg
from mrl_pg import server
from mrl_pg.load import load_blocks


def main() -> None:
    """Print medians and their ratio for two indexes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--vectors", type=Path, help=".npy of shape (rows, 1536)")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    if args.vectors:
        matrix = np.load(args.vectors, mmap_mode="r")
        rows = np.asarray(matrix[: args.rows], dtype=np.float32)
        queries = np.asarray(matrix[-args.queries :], dtype=np.float32)
    else:
        rng = np.random.default_rng(0)
        centres = rng.normal(size=(500, 1536))
        pick = rng.integers(len(centres), size=args.rows + args.queries)
        noise = 0.7 * rng.normal(size=(len(pick), 1536))
        made = (centres[pick] + noise).astype(np.float32)
        rows, queries = made[: args.rows], made[args.rows :]
    with (
        tempfile.TemporaryDirectory(prefix="mrl_pg_bench_") as folder,
        server.embedded(Path(folder, "data")) as running,
        psycopg.connect(running.url(), autocommit=True) as conn,
    ):
        mrl_pg.install(conn)
        load_blocks(conn, rows, "docs", storage="plain")
        register_vector(conn)
        for index, candidates in (
            (mrl_pg.MatryoshkaIndex("docs", "embedding", dims=1536, kind="bit"), 160),
            (mrl_pg.MatryoshkaIndex("docs", "embedding", dims=256), 320),
        ):
            index.create(conn)
            conn.execute("vacuum (analyze) docs")
            compare(conn, index, candidates, queries, args.rounds)
            index.drop(conn)


def compare(
    conn: psycopg.Connection,
    index: mrl_pg.MatryoshkaIndex,
    candidates: int,
    queries: "np.ndarray[tuple[int, int], np.dtype[np.float32]]",
    rounds: int,
) -> None:
    """Time both on every query, and check that they return the same rows."""
    statement = index.plan(conn, queries[0], candidates=candidates).statement
    cursor = conn.cursor()
    vectors = [Vector(query) for query in queries]

    def ours(i: int) -> list[int]:
        return index.search(conn, queries[i], candidates=candidates).keys

    def hand(i: int) -> list[int]:
        cursor.execute(statement, {"mrl_query": vectors[i]}, prepare=True, binary=True)
        return [row[0] for row in cursor.fetchall()]

    seconds: dict[str, list[float]] = {"ours": [], "hand": []}
    both = [("ours", ours), ("hand", hand)]
    for i in range(len(queries)):
        if ours(i) != hand(i):
            raise SystemExit("the two do not answer the same")
    for _ in range(rounds):
        for i in range(len(queries)):
            random.shuffle(both)
            for name, run in both:
                start = time.perf_counter()
                run(i)
                seconds[name].append(time.perf_counter() - start)
    ours_ms, hand_ms = (1000 * statistics.median(seconds[n]) for n in ("ours", "hand"))
    print(
        f"{index}, {candidates} candidates: search {ours_ms:.3f} ms, "
        f"by hand {hand_ms:.3f} ms, ratio {ours_ms / hand_ms:.3f}"
    )


if __name__ == "__main__":
    main()
