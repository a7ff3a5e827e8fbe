"""Compare the cost of inserts for the three ways to keep short values.

    python benchmarks/keep.py
    python benchmarks/keep.py --dims 1536 --kind bit --no-index

The same rows go into three tables. One has a generated column, one a column with a
trigger, and one an index on an expression. They take turns, batch by batch, in random
order. The script prints the median milliseconds of a batch, and their ratio to those of
the generated column within the run.
"""

import argparse
import random
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import psycopg

import mrl_pg
from mrl_pg import server
from mrl_pg.kinds import KEEPS, Keep
from mrl_pg.load import load_blocks


def main() -> None:
    """Print medians and their ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--full", type=int, default=1536, help="full dimensions")
    parser.add_argument("--dims", type=int, default=256)
    parser.add_argument("--kind", default="halfvec")
    parser.add_argument("--start", type=int, default=2000, help="rows before the run")
    parser.add_argument("--batches", type=int, default=60)
    parser.add_argument("--batch", type=int, default=50, help="rows of a batch")
    parser.add_argument("--no-index", action="store_true", help="the column alone")
    args = parser.parse_args()
    count = args.start + args.batches * args.batch
    rows = np.random.default_rng(0).normal(size=(count, args.full)).astype(np.float32)
    with (
        tempfile.TemporaryDirectory(prefix="mrl_pg_bench_") as folder,
        server.embedded(Path(folder, "data")) as running,
        psycopg.connect(running.url(), autocommit=True) as conn,
    ):
        mrl_pg.install(conn)
        load_blocks(conn, rows, "source")
        for keep in KEEPS:
            prepare(conn, keep, args)
        conn.execute("checkpoint")
        compare(conn, args)


def prepare(conn: psycopg.Connection, keep: Keep, args: argparse.Namespace) -> None:
    """A table that keeps short values in one way, with the first rows."""
    conn.execute(
        f"create table {keep} (id bigint primary key, embedding vector({args.full}))"
    )
    insert(conn, keep, 0, args.start)
    index = mrl_pg.MatryoshkaIndex(
        keep, "embedding", dims=args.dims, kind=args.kind, keep=keep
    )
    index.create(conn)
    if args.no_index:
        conn.execute(f"drop index {index.name}")


def insert(conn: psycopg.Connection, table: str, first: int, count: int) -> float:
    """Insert rows of the source; answers seconds."""
    start = time.perf_counter()
    conn.execute(
        f"insert into {table} (id, embedding) select id, embedding from source "
        "where id > %s and id <= %s",
        [first, first + count],
        prepare=True,
    )
    return time.perf_counter() - start


def compare(conn: psycopg.Connection, args: argparse.Namespace) -> None:
    """Time batches of inserts, and print medians."""
    seconds: dict[str, list[float]] = {keep: [] for keep in KEEPS}
    order = list(KEEPS)
    for place in range(args.batches):
        random.shuffle(order)
        for keep in order:
            first = args.start + place * args.batch
            seconds[keep].append(insert(conn, keep, first, args.batch))
    what = "no index" if args.no_index else "with the index"
    print(f"{args.kind}({args.dims}) of {args.full}, {args.batch} rows a batch, {what}")
    plain = seconds["generated"]
    for keep in KEEPS:
        ms = 1000 * statistics.median(seconds[keep])
        ratio = statistics.median(seconds[keep]) / statistics.median(plain)
        print(f"{keep:12} {ms:8.2f} ms, ratio {ratio:.3f}")


if __name__ == "__main__":
    main()
