"""Measure what `mrl-pg tune` costs, and what its shortcuts change.

    python benchmarks/tune.py                                # made-up rows
    python benchmarks/tune.py --vectors embeddings.npy       # your own, any float .npy

The last `--queries` rows of the file are the queries and are no rows of the table.
The script has two parts:

- time: the pass over rows in memory, and over rows read from an embedded server,
  against one blocked matrix product of the same size. It prints medians of `--rounds`
  in one run, wall clock and CPU time, and the peak memory of a process that does the
  pass.
- halves: how far the curve of prefixes in half precision is from that of exact
  prefixes.

benchmarks/tune_rows.py measures how costs grow with the table, and what samples
predict. With OPENBLAS_NUM_THREADS=1 the product runs on one core and times are
steadier.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from mrl_pg import normalise, server
from mrl_pg.kinds import Stored
from mrl_pg.layout import IndexLayout
from mrl_pg.load import load_blocks
from mrl_pg.load.prefetch import Prefetch
from mrl_pg.recall.curve import Curve
from mrl_pg.recall.nested import nested
from mrl_pg.tune.request import forms_of
from mrl_pg.tune.rows import table
from mrl_pg.tune.rows.stream import Reader, Sample

PRODUCT_ROWS = 8192
LAYOUT = IndexLayout("docs", "embedding", dims=1)
Rows = NDArray[np.float32]


def main() -> None:
    """Run what the command line asks for."""
    args = arguments()
    if args.child:
        child(args)
        return
    rows, queries = vectors(args)
    print(f"{len(rows):,} rows x {rows.shape[1]}, {len(queries)} queries, k = {args.k}")
    with tempfile.TemporaryDirectory(prefix="mrl_pg_bench_") as folder:
        data = Path(folder, "data")
        try:
            url = server.start(data, args.pg).url()
            with psycopg.connect(url, autocommit=True) as conn:
                conn.execute("create extension if not exists vector")
                ids = np.arange(len(rows))
                load_blocks(conn, rows, "docs", columns={"id": ids})
                conn.execute("vacuum (analyze) docs")
                times(conn, rows, queries, args)
                np.save(Path(folder, "q.npy"), queries)
                peak(url, Path(folder, "q.npy"), args)
        finally:
            server.stop(data, args.pg)
    halves(rows, queries, args.k)


def arguments() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--vectors", type=Path, help=".npy of shape (rows, dims)")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pg", type=int, choices=server.VERSIONS, default=18)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args()


def vectors(args: argparse.Namespace) -> tuple[Rows, Rows]:
    """Rows and queries, from the file or random."""
    if args.vectors:
        matrix = np.load(args.vectors, mmap_mode="r")
        count = min(args.rows, len(matrix) - args.queries)
        rows = np.asarray(matrix[:count], dtype=np.float32)
        return rows, np.array(matrix[-args.queries :], dtype=np.float32)
    print("made-up rows, easier than real ones: use --vectors for figures to quote")
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(2000, 1536)) * np.arange(1, 1537) ** -0.25
    pick = rng.integers(len(centres), size=args.rows + args.queries)
    made = np.empty((len(pick), 1536), dtype=np.float32)
    for start in range(0, len(pick), PRODUCT_ROWS):
        near = centres[pick[start : start + PRODUCT_ROWS]]
        made[start : start + len(near)] = near + 0.7 * rng.normal(size=near.shape)
    return made[: args.rows], made[args.rows :]


# ------------------------------------------------------------------ time and memory


def times(
    conn: psycopg.Connection[Any], rows: Rows, queries: Rows, args: argparse.Namespace
) -> None:
    """Run every part in turn, `--rounds` times; print medians and ratios."""
    forms = forms_of(None, rows.shape[1])

    def product() -> None:
        for start in range(0, len(rows), PRODUCT_ROWS):
            queries @ rows[start : start + PRODUCT_ROWS].T

    parts: dict[str, Callable[[], Any]] = {
        "one blocked product": product,
        "the pass, rows in memory": lambda: nested(
            [rows], queries, forms=forms, k=args.k
        ),
        "reading alone": lambda: sum(len(block) for block in stream(conn)),
        "the pass, rows read": lambda: passed(conn, queries, args.k),
    }
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in parts}
    for _ in range(args.rounds):
        for name, part in parts.items():
            wall, cpu = time.perf_counter(), time.process_time()
            part()
            taken[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    base = np.array(taken["one blocked product"])
    print(f"\n{len(forms)} curves; medians of {args.rounds}, seconds")
    print(f"{'':28}{'wall':>8}{'cpu':>8}{'ratio':>8}{'of cpu':>8}")
    for name, pairs in taken.items():
        both = np.median(pairs, axis=0)
        ratio = np.median(np.array(pairs) / base, axis=0)
        print(f"{name:28}{both[0]:8.2f}{both[1]:8.2f}{ratio[0]:8.2f}{ratio[1]:8.2f}")


def stream(conn: psycopg.Connection[Any]) -> Iterator[Rows]:
    """The table's rows by COPY, read one block ahead."""
    facts, _ = table.read(conn, LAYOUT)
    reader = Reader(facts, LAYOUT.column, Sample(1, 0))
    with closing_prefetch(reader.blocks(conn)) as prefetch:
        for block in prefetch:
            yield block.vectors


@contextmanager
def closing_prefetch(blocks: Any) -> Iterator[Prefetch[Any]]:
    """Blocks that a thread reads; the COPY ends with the context."""
    with Prefetch(blocks) as prefetch:
        yield prefetch
    blocks.close()


def passed(conn: psycopg.Connection[Any], queries: Rows, k: int) -> None:
    """Run the pass as `tune` does."""
    nested(stream(conn), queries, forms=forms_of(None, queries.shape[1]), k=k)


def peak(url: str, file: Path, args: argparse.Namespace) -> None:
    """Peak memory that the pass adds in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--k", str(args.k), "--child", url, str(file)],
        capture_output=True,
        text=True,
        check=True,
    )
    print(f"\npeak memory of reading and the pass: {done.stdout.strip()}")


def child(args: argparse.Namespace) -> None:
    """Run the pass and print how much memory it added."""
    before = highest()
    url, file = args.child
    with psycopg.connect(url, autocommit=True) as conn:
        passed(conn, np.load(file), args.k)
    more = highest() - before
    print(f"{more / 1024:.0f} MiB above the {before / 1024:.0f} MiB at the start")


def highest() -> int:
    """Peak memory of this process in kB; works on Linux only."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


# ------------------------------------------------------------------ halves


def halves(rows: Rows, queries: Rows, k: int) -> None:
    """Print the recall of prefixes in half precision beside that of exact ones."""
    print("\nrecall of prefixes, and of prefixes rounded to halves")
    full = rows.shape[1]
    for size in (full // 24, full // 6, full // 3):
        form: list[tuple[Stored, int]] = [("floats", size)]
        (exact,) = nested([rows], queries, forms=form, k=k).curves
        rounded = Curve(size, "floats", places_of_halves(rows, queries, size, k))
        cells = (
            f"{n}: {exact.recall(n).mean:.4f} {rounded.recall(n).mean:.4f}"
            for n in (10, 40, 160, 640)
        )
        print(f"  {size:5}  " + "   ".join(cells))


def places_of_halves(rows: Rows, queries: Rows, size: int, k: int) -> NDArray[np.int32]:
    """Places by brute force over rounded prefixes; the truth over full vectors."""
    prefix = np.empty((len(rows), size), dtype=np.float32)
    for start in range(0, len(rows), PRODUCT_ROWS):
        part = normalise(rows[start : start + PRODUCT_ROWS, :size])
        prefix[start : start + len(part)] = part.astype(np.float16)
    short = normalise(queries[:, :size]).astype(np.float16).astype(np.float32)
    places = np.empty((len(queries), k), dtype=np.int32)
    unit = 1 / np.linalg.norm(rows, axis=1)
    for i, query in enumerate(queries):
        true = np.argpartition(-(rows @ query) * unit, k)[:k]
        scores = prefix @ short[i]
        places[i] = np.sort([(scores > score).sum() for score in scores[true]])
    return np.minimum(places, 1000).astype(np.int32)


if __name__ == "__main__":
    main()
