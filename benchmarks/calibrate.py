"""What calibrating costs the server, and what asking fewer queries does to the recalls.

    python benchmarks/calibrate.py --vectors rows.npy

Calibrates an index twice on the same rows and queries: as `mrl-pg calibrate` does,
which asks wider only the queries that are not settled, and by asking every query for
every number of candidates. Prints the CPU seconds of the server process for both, and
by how much the mean recalls differ at most. The queries are no rows of the table. It
reads /proc, so it runs on Linux only.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import psycopg
from psycopg import Connection

import mrl_pg
from mrl_pg import MatryoshkaIndex, server
from mrl_pg.calibration import in_batches
from mrl_pg.exchange import Exchange
from mrl_pg.load import load_blocks

TICKS = 100
"""Ticks of a second in /proc."""

Recalls = dict[tuple[int, int], float]
"""Mean recalls by candidates and ef_search."""


def main() -> None:
    """Print both calibrations and their difference."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--vectors", type=Path, required=True, help=".npy (rows, dims)")
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--dims", type=int, default=256)
    parser.add_argument("--kind", default="halfvec")
    parser.add_argument("--k", type=int, default=10)
    args = parser.parse_args()
    stored = np.load(args.vectors, mmap_mode="r")
    if len(stored) < args.rows + args.queries:
        sys.exit(
            f"{args.vectors} has {len(stored)} vectors, fewer than "
            f"{args.rows + args.queries}: give --rows and --queries"
        )
    places = np.random.default_rng(0).permutation(len(stored))
    rows = np.asarray(stored[np.sort(places[: args.rows])], dtype=np.float32)
    asked = places[args.rows : args.rows + args.queries]
    queries = np.asarray(stored[np.sort(asked)], dtype=np.float32)
    with (
        tempfile.TemporaryDirectory(prefix="mrl_pg_bench_") as folder,
        server.embedded(Path(folder, "data")) as running,
        psycopg.connect(running.url(), autocommit=True) as conn,
    ):
        mrl_pg.install(conn)
        load_blocks(conn, rows, "docs")
        index = MatryoshkaIndex("docs", "embedding", dims=args.dims, kind=args.kind)
        index.create(conn)
        conn.execute("analyze docs")
        few, seconds = calibrated(conn, index, args.k, queries)
        print(f"asking what is open: {seconds:.1f} s of CPU, {len(few)} searches")
        with patch.object(in_batches.AskedQuery, "see", every_time):
            all_of_them, seconds = calibrated(conn, index, args.k, queries)
        print(f"asking every query: {seconds:.1f} s of CPU")
    worst = max(few, key=lambda point: abs(few[point] - all_of_them[point]))
    print(
        f"mean recalls differ by {few[worst] - all_of_them[worst]:+.4f} at most, with "
        f"{worst[0]} candidates and ef_search {worst[1]}"
    )
    widest = [point for point in few if point[0] == point[1]]
    most = max(abs(few[point] - all_of_them[point]) for point in widest)
    print(f"where all that is walked is re-ranked: {most:.4f} at most")


def every_time(
    query: in_batches.AskedQuery, near: str | None, spots: str | None, level: int
) -> None:
    """Take what a search found, and go on asking."""
    query.near = near or query.near


def calibrated(
    conn: Connection[Any], index: MatryoshkaIndex, k: int, queries: Any
) -> tuple[Recalls, float]:
    """All that a calibration measures, and CPU seconds of the server for it."""
    found: Recalls = {}
    judge = in_batches._judge

    def watched(*given: Any) -> Exchange[list[Any]]:
        points = yield from judge(*given)
        for point in points:
            found[point["candidates"], point["ef_search"]] = point["recall"]
        return points

    before = cpu_seconds(conn)
    with patch.object(in_batches, "_judge", watched):
        index.calibrate(conn, k=k, queries=queries)
    return found, cpu_seconds(conn) - before


def cpu_seconds(conn: Connection[Any]) -> float:
    """CPU seconds that the connection's server process has used."""
    text = Path(f"/proc/{conn.info.backend_pid}/stat").read_text()
    # the fields after the name, which is in parentheses
    fields = text.rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


if __name__ == "__main__":
    main()
