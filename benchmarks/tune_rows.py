"""Measure how `mrl-pg tune` scales with rows, and what samples predict.

    python benchmarks/tune_rows.py                                # reading alone
    python benchmarks/tune_rows.py --vectors embeddings.npy       # your own rows, too

- reading: the pass over all rows, and over a sample, of tables of `--rows` random
  rows of `--dims` dimensions, each in a process of its own. It prints wall clock, CPU
  time (which other work of the machine hardly changes) and peak memory.
- samples: the candidates that samples of the file's rows need, `--draws` samples of
  each size, with their spread. It also prints how far predictions from these samples
  (`growth.grown`) are from what all rows need, and the first choice. The last
  `--queries` rows are the queries and are no rows of the table.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from mrl_pg import server
from mrl_pg.layout import IndexLayout
from mrl_pg.load import load_blocks
from mrl_pg.load.prefetch import Prefetch
from mrl_pg.recall.curve import Curve
from mrl_pg.recall.nested import nested
from mrl_pg.tune import Goal
from mrl_pg.tune.predict.growth import (
    FEWEST_ROWS,
    FEWEST_TIMES,
    GROWTH,
    TENTH_ROWS,
    Growth,
    grown,
    measured,
)
from mrl_pg.tune.predict.shortlist import needed
from mrl_pg.tune.request import forms_of
from mrl_pg.tune.rows import table
from mrl_pg.tune.rows.stream import Reader, Sample

BLOCK_ROWS = 8192
SAMPLE_ROWS = 200_000
LAYOUT = IndexLayout("docs", "embedding", dims=1)
TARGETS = (0.9, 0.95, 0.99)
Rows = NDArray[np.float32]


def main() -> None:
    """Run what the command line asks for."""
    args = arguments()
    if args.child:
        child(args)
    elif args.vectors:
        samples(args)
    else:
        reading(args)


def arguments() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--vectors", type=Path, help=".npy of shape (rows, dims)")
    parser.add_argument("--rows", default="100000,300000,1000000")
    parser.add_argument("--dims", type=int, default=64)
    parser.add_argument("--samples", default="10000,30000")
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--pg", type=int, choices=server.VERSIONS, default=18)
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    return parser.parse_args()


# ------------------------------------------------------------------ reading


def reading(args: argparse.Namespace) -> None:
    """Run the pass over a table of each size, in a process of its own."""
    print(f"{args.queries} queries, k = {args.k}, {args.dims} dimensions, made-up rows")
    print(f"{'rows':>12}{'read':>12}{'wall, s':>9}{'cpu, s':>9}{'us a row':>9}  memory")
    with tempfile.TemporaryDirectory(prefix="mrl_pg_bench_") as folder:
        data = Path(folder, "data")
        asked = Path(folder, "q.npy")
        rng = np.random.default_rng(0)
        np.save(asked, rng.normal(size=(args.queries, args.dims)).astype(np.float32))
        try:
            url = server.start(data, args.pg).url()
            for rows in map(int, args.rows.split(",")):
                with psycopg.connect(url, autocommit=True) as conn:
                    fill(conn, rows, args.dims)
                for most in dict.fromkeys((rows, min(rows, SAMPLE_ROWS))):
                    options = ["--k", str(args.k), "--child", url, str(asked)]
                    done = subprocess.run(
                        [sys.executable, __file__, *options, str(most)],
                        capture_output=True,
                        text=True,
                        check=True,
                    )
                    print(f"{rows:>12,}{done.stdout.rstrip()}", flush=True)
        finally:
            server.stop(data, args.pg)


def fill(conn: psycopg.Connection[Any], rows: int, dims: int) -> None:
    """Replace the table with one of so many rows."""
    conn.execute("drop table if exists docs")
    conn.execute("create extension if not exists vector")
    made = np.random.default_rng(1).standard_normal((rows, dims), dtype=np.float32)
    load_blocks(conn, made, "docs", columns={"id": np.arange(rows)})
    conn.execute("vacuum (analyze) docs")


def child(args: argparse.Namespace) -> None:
    """Run the pass as `tune` does, and print its time and memory."""
    url, asked, most = args.child
    queries = np.load(asked)
    before, start, cpu = highest(), time.perf_counter(), time.process_time()
    with psycopg.connect(url, autocommit=True) as conn:
        facts, known = table.read(conn, LAYOUT)
        reader = Reader(facts, LAYOUT.column, Sample.of(known.rows, int(most), 0))
        blocks = reader.blocks(conn)
        with Prefetch(blocks) as prefetch:
            forms = forms_of(None, queries.shape[1])
            nested(
                (block.vectors for block in prefetch), queries, forms=forms, k=args.k
            )
        blocks.close()
    wall, used = time.perf_counter() - start, time.process_time() - cpu
    more = (highest() - before) / 1024
    a_row = 1e6 * used / reader.read
    print(f"{reader.read:>12,}{wall:9.1f}{used:9.1f}{a_row:9.1f}  +{more:.0f} MiB")


def highest() -> int:
    """Peak memory of this process in kB; works on Linux only."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


# ------------------------------------------------------------------ samples


def samples(args: argparse.Namespace) -> None:
    """Print the candidates that samples and all rows need."""
    matrix = np.load(args.vectors, mmap_mode="r")
    queries = np.array(matrix[-args.queries :], dtype=np.float32)
    count = len(matrix) - args.queries
    everything = curves(matrix, np.arange(count), queries, args.k)
    sizes = [int(size) for size in args.samples.split(",") if int(size) < count]
    found = {
        size: [
            drawn(matrix, count, size, seed, queries, args.k)
            for seed in range(args.draws)
        ]
        for size in sizes
    }
    print(f"{count:,} rows x {matrix.shape[1]}, {args.queries} queries, k = {args.k}")
    for size, draws in found.items():
        for _, growth in draws:
            told = ", ".join(f"{way} {value:.3f}" for way, value in growth.items())
            print(f"growth within a sample of {size:,}: {told or 'not measured'}")
    for target in TARGETS:
        goal = Goal(args.k, target)
        errors: dict[int, list[float]] = {size: [] for size in sizes}
        print(f"\nrecall {target}: needed by samples (grown to all), by all rows")
        for i, curve in enumerate(everything):
            all_of_it = needed(curve, goal)[0]
            cells = []
            for size in sizes:
                raw = [
                    (needed(draw[i], goal)[0], growth.get(curve.stored, GROWTH))
                    for draw, growth in found[size]
                ]
                known = [one for one, _ in raw if one is not None]
                if len(known) < len(raw) or all_of_it is None:
                    cells.append(f"{'-':>24}")
                    continue
                more = [grown(n, args.k, size / count, g) for n, g in raw if n]
                errors[size] += [float(np.log(one / all_of_it)) for one in more]
                spread = f"{min(known)} to {max(known)}"
                cells.append(f"{spread:>13} ({np.median(more):8.0f})")
            name = f"{curve.stored} {curve.dims}"
            print(f"  {name:14}" + "  ".join(cells) + f"{all_of_it or '-':>8}")
        for size, logs in errors.items():
            if logs:
                rms = np.exp(np.sqrt(np.mean(np.square(logs))))
                low, high = np.exp(np.min(logs)), np.exp(np.max(logs))
                print(
                    f"  foretold from {size:,}: off by a factor of {rms:.2f} (root "
                    f"mean square), from {low:.2f} to {high:.2f}"
                )


def drawn(
    matrix: Any, count: int, size: int, seed: int, queries: Rows, k: int
) -> tuple[list[Curve], Growth]:
    """The curves of a sample, and the growth that `tune` measures within it."""
    chosen = np.sort(np.random.default_rng(seed).permutation(count)[:size])
    part = chosen[:: max(FEWEST_TIMES, size // TENTH_ROWS)]
    some, fewer = (curves(matrix, rows, queries, k) for rows in (chosen, part))
    if len(part) < FEWEST_ROWS:
        return some, {}
    return some, measured(fewer, some, float(np.log10(size / len(part))), k)


def curves(matrix: Any, rows: NDArray[np.intp], queries: Rows, k: int) -> list[Curve]:
    """The curves of a part of the rows of the file."""

    def blocks() -> Iterator[Rows]:
        for start in range(0, len(rows), BLOCK_ROWS):
            yield np.asarray(matrix[rows[start : start + BLOCK_ROWS]], np.float32)

    forms = forms_of(None, queries.shape[1])
    return nested(blocks(), queries, forms=forms, k=k).curves


if __name__ == "__main__":
    main()
