"""Compare what `index.preflight` predicts with what the build then takes.

    python benchmarks/preflight.py
    python benchmarks/preflight.py --vectors embeddings.npy --rows 100000 --full 1536

For each kind, size and m, it prints predicted ÷ measured for the bytes of the index,
the memory of the graph, and the time of the build. A second build with half of the
memory tells after how many rows the graph no longer fits. The time is that of one
process on its CPU (Linux; elsewhere by the clock), so that other programs do not count.
"""

import argparse
import os
import re
import tempfile
import time
from pathlib import Path

import numpy as np
import psycopg

import mrl_pg
from mrl_pg import server
from mrl_pg.kinds import Kind
from mrl_pg.load import load_blocks

CASES: tuple[tuple[Kind, int, int], ...] = (
    ("halfvec", 256, 16),
    ("halfvec", 128, 32),
    ("bit", 768, 16),
    ("bit", 256, 8),
    ("vector", 64, 16),
)

FLUSHED = re.compile(r"no longer fits .* after (\d+) tuples")


def main() -> None:
    """Print a line for each case."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--vectors", type=Path, help=".npy of full vectors")
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--full", type=int, default=768, help="full dimensions")
    args = parser.parse_args()
    if args.vectors:
        rows = np.load(args.vectors, mmap_mode="r")[: args.rows].astype(np.float32)
    else:
        random = np.random.default_rng(0)
        scale = np.arange(1, args.full + 1) ** -0.5
        rows = (random.normal(size=(args.rows, args.full)) * scale).astype(np.float32)
    with (
        tempfile.TemporaryDirectory(prefix="mrl_pg_bench_") as folder,
        server.embedded(Path(folder, "data")) as running,
        psycopg.connect(running.url(), autocommit=True) as conn,
    ):
        mrl_pg.install(conn)
        load_blocks(conn, rows, "docs")
        print(
            "predicted ÷ measured: index bytes, graph memory, time (seconds measured)"
        )
        for kind, dims, m in CASES:
            compare(conn, kind, dims, m)


def cpu_seconds(conn: psycopg.Connection) -> float:
    """Seconds that the server process of a connection has spent so far."""
    stat = Path(f"/proc/{conn.info.backend_pid}/stat")
    if not stat.exists():
        return time.perf_counter()
    fields = stat.read_text().rpartition(")")[2].split()
    ticks: float = os.sysconf("SC_CLK_TCK")
    return (int(fields[11]) + int(fields[12])) / ticks


def compare(conn: psycopg.Connection, kind: Kind, dims: int, m: int) -> None:
    """Build an index twice; print its line."""
    index = mrl_pg.MatryoshkaIndex(
        "docs", "embedding", dims=dims, kind=kind, m=m, keep="expression"
    )
    told = index.preflight(conn, workers=0)
    start = cpu_seconds(conn)
    built = index.create(conn, workers=0)
    seconds = cpu_seconds(conn) - start
    index.drop(conn)
    said: list[str] = []
    conn.add_notice_handler(lambda notice: said.append(notice.message_primary or ""))
    # whole megabytes, because PostgreSQL takes memory by the megabyte
    few = max(1, told.graph_bytes // 2 // 1024 // 1024)
    index.create(conn, workers=0, maintenance_work_mem=f"{few}MB")
    index.drop(conn)
    flushed = [int(found[1]) for text in said if (found := FLUSHED.search(text))]
    memory = "not measured"
    if flushed:
        measured = few * 1024 * 1024 / flushed[0] * told.rows
        memory = f"{told.graph_bytes / measured:.2f}"
    print(
        f"{kind}({dims}) m {m}: index {told.index_bytes / built.index_bytes:.3f}, "
        f"memory {memory}, time {(told.seconds or 0) / seconds:.2f} ({seconds:.1f} s)",
        flush=True,
    )


if __name__ == "__main__":
    main()
