"""Compare recall and queries per second of one pass and two passes, in one run.

    python benchmarks/passes.py                               # random clustered rows
    python benchmarks/passes.py --vectors embeddings.npy      # your own, any float .npy
    python benchmarks/passes.py --vectors … --memory-mb 400   # Linux, as root

The last `--queries` rows of the file are the queries and are no rows of the table.
Every setting answers every query. Recall is measured against exact search; rows at
the same distance count as the same row. With --memory-mb the server runs in a memory
cgroup. Its limit is set once all indexes are built, so that the server reads from
disk what does not fit in memory.
"""

import argparse
import json
import math
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

import mrl_pg
from mrl_pg import server
from mrl_pg.bench.corpus import made_up
from mrl_pg.demo.compare import Measured, Search, measure
from mrl_pg.kinds import Kind
from mrl_pg.load import load_blocks
from mrl_pg.recall.truth import Truth, nearest
from mrl_pg.server.memory import MemoryLimit
from mrl_pg.tune.trial.single_pass import single_pass

SINGLE_EF = (20, 40, 80, 120, 200, 320, 480)
CANDIDATES = (40, 80, 120, 160, 240, 320, 480, 640)
TARGETS = (0.95, 0.97, 0.98, 0.99)
TWO_PASS: tuple[tuple[Kind, int], ...] = (
    ("vector", 256),
    ("vector", 512),
    ("halfvec", 256),
    ("halfvec", 512),
    ("bit", 512),
    ("bit", 1536),
)
MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Built:
    """An index: what it costs, and its recall and time at every setting."""

    name: str
    build_seconds: float
    index_mb: float
    curve: tuple[Measured, ...]

    def rate_at(self, target: float) -> float | None:
        """Queries per second at a recall, interpolated between points (log rate)."""
        points = sorted((p.recall.mean, 1000 / p.mean_ms) for p in self.curve)
        best: float | None = None
        for (low, slow), (high, fast) in pairwise(points):
            if low <= target <= high:
                part = (target - low) / (high - low) if high > low else 1.0
                rate = math.exp((1 - part) * math.log(slow) + part * math.log(fast))
                best = rate if best is None else max(best, rate)
        return best


def main() -> None:
    """Run what the command line asks for and print the tables."""
    args = arguments()
    rows, queries = vectors(args)
    truth = nearest(rows, queries, k=args.k)
    print(
        f"{len(rows):,} rows x {rows.shape[1]}, {len(queries)} queries, k = {args.k},"
    )
    print(f"m {args.m}, ef_construction {args.ef_construction}, storage {args.storage}")
    limit = MemoryLimit.make() if args.memory_mb else None
    with temporary_server(args, limit) as url, ExitStack() as sessions:
        conn = sessions.enter_context(psycopg.connect(url, autocommit=True))
        prepare(conn, rows, args)
        bench = Bench(conn, url, sessions, rows, queries, truth, args)
        results = bench.together(limit) if limit else bench.one_by_one()
    report(results)
    if args.json:
        args.json.write_text(json.dumps([asdict(result) for result in results]))


def arguments() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--vectors", type=Path, help=".npy of shape (rows, dims)")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--m", type=int, default=16)
    parser.add_argument("--ef-construction", type=int, default=64)
    parser.add_argument(
        "--rounds", type=int, default=3, help="timed runs of each query"
    )
    parser.add_argument("--storage", choices=["plain", "external"], default="plain")
    parser.add_argument("--pg", type=int, choices=server.VERSIONS, default=18)
    parser.add_argument("--memory-mb", type=int, help="limit the server's memory")
    parser.add_argument("--only", help="names of indexes to run, comma separated")
    parser.add_argument("--json", type=Path, help="write all figures here too")
    return parser.parse_args()


def vectors(
    args: argparse.Namespace,
) -> tuple[NDArray[np.floating], NDArray[np.float32]]:
    """Rows and queries, from the file or random."""
    if args.vectors:
        matrix = np.load(args.vectors, mmap_mode="r")
        rows = matrix[: min(args.rows, len(matrix) - args.queries)]
        return rows, np.array(matrix[-args.queries :], dtype=np.float32)
    print("made-up rows, easier than real ones: use --vectors for figures to quote")
    made = made_up(args.rows + args.queries, 1536)
    return made[: args.rows], made[args.rows :]


def prepare(
    conn: psycopg.Connection[Any], rows: NDArray[np.floating], args: argparse.Namespace
) -> None:
    """The table `docs`, loaded."""
    mrl_pg.install(conn)
    ids = np.arange(len(rows))
    load_blocks(conn, rows, "docs", columns={"id": ids}, storage=args.storage)
    conn.execute("vacuum (analyze) docs")


class Bench:
    """One table, its queries and truth; builds indexes and measures them."""

    def __init__(
        self,
        conn: psycopg.Connection[Any],
        url: str,
        sessions: ExitStack,
        rows: NDArray[np.floating],
        queries: NDArray[np.float32],
        truth: Truth,
        args: argparse.Namespace,
    ) -> None:
        """Decide which indexes to run."""
        self.conn, self.url, self.sessions = conn, url, sessions
        self.rows, self.queries, self.truth = rows, queries, truth
        self.k, self.rounds = args.k, args.rounds
        self.memory = (args.memory_mb or 0) * MB
        full = rows.shape[1]
        self.layouts = {
            f"{kind}({dims})": mrl_pg.MatryoshkaIndex(
                "docs",
                "embedding",
                dims=dims,
                kind=kind,
                m=args.m,
                ef_construction=args.ef_construction,
            )
            for kind, dims in TWO_PASS
            if dims <= full
        }
        some = next(iter(self.layouts.values()))
        self.singles = {
            f"single {kind}({full})": single_pass(conn, some, kind)
            for kind in ("vector", "halfvec")
        }
        if args.only:
            names = args.only.split(",")
            self.layouts = {n: x for n, x in self.layouts.items() if n in names}
            self.singles = {n: x for n, x in self.singles.items() if n in names}

    def one_by_one(self) -> list[Built]:
        """Each index alone: build, measure, drop."""
        results = []
        for name, single in self.singles.items():
            seconds, size = self.build(name)
            curve = self.curve(name)
            results.append(Built(name, seconds, size, curve))
            single.drop(self.conn)
        for name, layout in self.layouts.items():
            seconds, size = self.build(name)
            curve = self.curve(name)
            results.append(Built(name, seconds, size, curve))
            layout.drop(self.conn)
        return results

    def together(self, limit: MemoryLimit) -> list[Built]:
        """All indexes first, then the memory limit, then each curve."""
        costs = {name: self.build(name) for name in (*self.layouts, *self.singles)}
        self.conn.execute("vacuum docs")
        self.conn.execute("checkpoint")
        limit.set(self.memory)
        return [Built(name, *cost, self.curve(name)) for name, cost in costs.items()]

    def build(self, name: str) -> tuple[float, float]:
        """Seconds of `create index` alone, and megabytes."""
        if name in self.layouts:
            report = self.layouts[name].create(self.conn)
            seconds, size = report.done[-1][1], report.index_bytes
        else:
            single = self.singles[name]
            seconds, size = single.create(self.conn), single.size(self.conn)
        print(f"  built {name}: {seconds:.1f} s, {size / MB:.0f} MB", file=sys.stderr)
        return seconds, size / MB

    def curve(self, name: str) -> tuple[Measured, ...]:
        """Recall and time at every setting of one index."""
        if name in self.layouts:
            searches = {
                f"{name} {count}": self.two_pass(name, count)
                for count in CANDIDATES
                if count >= self.k
            }
        else:
            searches = {
                f"{name} ef {ef}": self.single(name, ef)
                for ef in SINGLE_EF
                if ef >= self.k
            }
        curve = measure(
            searches,
            self.rows,
            self.queries,
            self.truth,
            rounds=self.rounds,
        )
        for point in curve:
            print(
                f"    {point.label}: {point.recall}, {point.median_ms:.2f} ms "
                f"(p95 {point.p95_ms:.2f})",
                file=sys.stderr,
            )
        return tuple(curve)

    def two_pass(self, name: str, candidates: int) -> Search:
        """A search as a user writes it."""
        layout = self.layouts[name]

        def run(query: NDArray[np.float32]) -> Sequence[int]:
            found = layout.search(self.conn, query, k=self.k, candidates=candidates)
            return found.keys

        return run

    def single(self, name: str, ef_search: int) -> Search:
        """A plain `order by … limit` in a session of its own with this ef_search."""
        conn = psycopg.connect(
            self.url, autocommit=True, options=f"-c hnsw.ef_search={ef_search}"
        )
        self.sessions.enter_context(conn)
        search = self.singles[name].searcher(conn, self.k)

        def run(query: NDArray[np.float32]) -> Sequence[int]:
            return [row[0] for row in search(query)]

        return run


@contextmanager
def temporary_server(
    args: argparse.Namespace, limit: MemoryLimit | None
) -> Iterator[str]:
    """URL of an embedded server in a folder that is deleted after the block."""
    settings = {"shared_buffers": "64MB"} if args.memory_mb else {}
    with tempfile.TemporaryDirectory(prefix="mrl_pg_bench_") as folder:
        data = Path(folder, "data")
        try:
            with limit.inside() if limit else nullcontext():
                started = server.start(data, args.pg, settings=settings)
            yield started.url()
        finally:
            server.stop(data, args.pg)
            if limit:
                limit.remove()


def report(results: Sequence[Built]) -> None:
    """Print what each index costs and how fast it answers, and the best ratios."""
    heads = [f"q/s at {target:.2f}" for target in TARGETS]
    print(f"\n{'':22}{'index MB':>9}{'build s':>9}  " + "  ".join(heads))
    for built in results:
        rates = (built.rate_at(target) for target in TARGETS)
        cells = "  ".join(f"{rate:11.0f}" if rate else f"{'-':>11}" for rate in rates)
        print(
            f"{built.name:22}{built.index_mb:9.0f}{built.build_seconds:9.1f}  {cells}"
        )
    singles = [b for b in results if b.name.startswith("single")]
    twos = [b for b in results if not b.name.startswith("single")]
    print("\nBest two-pass against best single pass, at equal recall:")
    for target in TARGETS:
        ranked = [
            max(((b.rate_at(target) or 0, b) for b in group), key=lambda pair: pair[0])
            for group in (singles, twos)
            if group
        ]
        if len(ranked) < 2 or not all(rate for rate, _ in ranked):
            print(f"  {target:.2f}: out of reach of these settings")
            continue
        (slow, single), (fast, two) = ranked
        half = next((b for b in singles if "halfvec" in b.name), single)
        print(
            f"  {target:.2f}: {two.name} {fast:.0f}/s, {single.name} {slow:.0f}/s: "
            f"{fast / slow:.2f} times; against {half.name} the index is "
            f"{half.index_mb / two.index_mb:.1f} times smaller and built "
            f"{half.build_seconds / two.build_seconds:.1f} times faster"
        )


if __name__ == "__main__":
    main()
