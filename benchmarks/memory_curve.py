"""Measure one pass and two passes over a large table, with less and less memory.

    python benchmarks/scale.py --vectors sentences.npy --folder work \\
        --out cells.jsonl --sizes 1000000 --kinds bit --keep 985609
    python benchmarks/memory_curve.py --vectors sentences.npy --folder work \\
        --rows 985609 --titles titles.npy --out curve

The table is the one that scale.py keeps: full vectors in TOAST, and an index over their
signs. An index for one pass over `halfvec` is built beside it, if it is not there, with
the same `m` and `ef_construction`. `mrl-pg bench` measures more, but loads and builds
everything anew, which takes an hour at a million rows.

The queries are the rows that scale.py held out, and those of `--titles`. First comes
the front of each search with all in memory. Then the server starts again in a memory
group (Linux, as root), and each search, at its fastest effort of recall .95 or more,
gets the limits of `--limits`, in GB, one after the other. Each query is new to the
windows that are timed, until all were asked: a query that was asked before finds its
rows in memory. `--efforts 400/60,280` takes this effort of each instead of a front:
candidates and how many are read in full, and `ef_search`.

It writes `result.json` and the plots as SVG into the folder of `--out`.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from scale import Data

from mrl_pg import MatryoshkaIndex, server
from mrl_pg.bench.asked import Asked
from mrl_pg.bench.contender import BenchClient, Contender, Costs
from mrl_pg.bench.environment import environment
from mrl_pg.bench.front import BenchEffort, FrontPoint, cheapest, ratio_at
from mrl_pg.bench.measure import Pace, fronts
from mrl_pg.bench.plots import write_plots
from mrl_pg.bench.result import TARGETS, BenchEntry, BenchResult
from mrl_pg.bench.squeeze import squeeze
from mrl_pg.bench.timing import Searcher, Vector
from mrl_pg.scale.measured import K
from mrl_pg.server.memory import BUFFERS, MemoryLimit
from mrl_pg.tune.trial.single_pass import SinglePass, single_pass

Conn = psycopg.Connection[Any]

TARGET = 0.95
HELD_OUT = 400
"""Rows that scale.py does not load."""

ONE_PASS = tuple(map(BenchEffort, (60, 80, 120, 160, 200, 280, 400, 640)))
TWO_PASSES = tuple(
    BenchEffort(walked, read)
    for walked in (80, 120, 160, 240, 320, 400, 480, 640)
    for read in (60, 120)
    if read <= walked // 2
)
"""Which effort finds more for its time is measured: more candidates, or more read."""

SETTINGS = {"autovacuum": "off", "wal_level": "minimal", "max_wal_senders": "0"}


def main() -> None:
    """Build what is missing, measure, write and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--vectors", type=Path, required=True, help=".npy of all rows")
    parser.add_argument("--folder", type=Path, required=True, help="that scale.py kept")
    parser.add_argument("--rows", type=int, required=True, help="of the kept table")
    parser.add_argument("--titles", type=Path, help=".npy of more queries")
    parser.add_argument("--efforts", help="instead of a front: 400/60,280")
    parser.add_argument("--limits", default="8,5,3,1.6,0.8", help="GB of memory")
    parser.add_argument("--seconds", type=float, default=3.0, help="of a window")
    parser.add_argument("--shared-buffers", default="8GB", help="with all in memory")
    parser.add_argument("--out", type=Path, default=Path("curve"))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    asked = ask(args)
    data = args.folder / "data"
    pace = Pace(seconds=args.seconds)
    started = server.start(
        data, settings={**SETTINGS, "shared_buffers": args.shared_buffers}
    )
    try:
        contenders = [
            TwoPasses(started.url(), args.rows, TWO_PASSES),
            OnePass(started.url(), args.rows, ONE_PASS),
        ]
        with psycopg.connect(started.url(), autocommit=True) as conn:
            about = {"rows": args.rows, "environment": environment(conn)}
        result = BenchResult(about)
        for contender in contenders:
            say(f"building {contender.name}")
            costs = contender.build()
            result.entries.append(
                BenchEntry(contender.name, contender.two_passes, None, costs)
            )
        if args.efforts:
            for contender, effort in zip(
                contenders, args.efforts.split(","), strict=True
            ):
                numbers = [int(number) for number in effort.split("/")]
                contender.ladder = (BenchEffort(*numbers),)
        for contender in contenders:
            say(f"reading into memory for {contender.name}")
            with contender.clients(1) as (client,):
                search = client.searcher(contender.ladder[-1], K)
                for query in asked.queries:
                    search(query)
        found = fronts(contenders, asked, pace, say)
        best = dict[str, FrontPoint]()
        for entry in result.entries:
            entry.fronts[K] = found[entry.name]
            point = cheapest(found[entry.name], TARGET)
            assert point is not None, f"{entry.name} does not reach {TARGET}"
            best[entry.name] = point
        save(result, args.out)
        server.stop(data)
        limits = [float(limit) for limit in args.limits.split(",")]
        for entry, points in zip(
            result.entries,
            limited(data, contenders, best, limits, asked, pace),
            strict=True,
        ):
            entry.memory = points
    finally:
        server.stop(data)
    save(result, args.out)


def say(what: str) -> None:
    """Say what comes next, and when."""
    print(f"{time.strftime('%H:%M:%S')} {what}", flush=True)


# ------------------------------------------------------------------ queries


def ask(args: argparse.Namespace) -> Asked:
    """Held-out rows and titles, mixed, with the distances of their true answers."""
    matrix = np.load(args.vectors, mmap_mode="r")
    data = Data(matrix, HELD_OUT, args.folder)
    queries = data.queries(HELD_OUT)
    if args.titles:
        queries = np.vstack([queries, np.load(args.titles)])
    queries = queries[np.random.default_rng(1).permutation(len(queries))]
    kept = args.out / f"edges-{args.rows}-{len(queries)}.npy"
    if not kept.exists():
        say(f"finding the true answers of {len(queries)} queries")
        np.save(kept, data.distances(args.rows, queries))
    every = np.ones(len(matrix), dtype=np.bool_)
    return Asked(list(queries), K, None, matrix, every, np.load(kept), "cosine")


# ------------------------------------------------------------------ contenders


@dataclass
class Kept(Contender):
    """A search of the kept table, whose keys are the numbers of the file's rows."""

    url: str
    rows: int
    ladder: tuple[BenchEffort, ...]
    """Efforts to try."""

    def __post_init__(self) -> None:
        """Name the table and its index of signs."""
        self.table = f"docs_{self.rows}"
        self.layout = MatryoshkaIndex(self.table, "embedding", dims=1536, kind="bit")

    def efforts(self, k: int) -> Sequence[BenchEffort]:
        """Efforts to try."""
        return self.ladder

    def connect(self) -> Conn:
        """A connection."""
        return psycopg.connect(self.url, autocommit=True)

    def sizes(self, conn: Conn, index: str) -> tuple[int, int]:
        """Bytes of an index, and of the table with its TOAST."""
        row = conn.execute(
            "select pg_relation_size(%s::regclass), pg_table_size(%s::regclass)",
            [index, self.table],
        ).fetchone()
        assert row is not None
        return int(row[0]), int(row[1])


class TwoPasses(Kept):
    """`index.search` over signs."""

    name = "mrl_pg bit(1536)"
    two_passes = True

    def build(self) -> Costs:
        """The index is there; only its sizes."""
        with self.connect() as conn:
            return Costs(0.0, 0.0, *self.sizes(conn, self.layout.name))

    def client(self) -> BenchClient:
        """A connection."""
        conn = self.connect()

        def made(effort: BenchEffort, k: int) -> Searcher:
            def run(query: Vector) -> Sequence[int]:
                return self.layout.search(
                    conn, query, k=k, candidates=effort.walked, rerank=effort.read
                ).keys

            return run

        return KeptClient(conn, self.layout.name, made)


class OnePass(Kept):
    """One HNSW scan over `halfvec`."""

    name = "pgvector halfvec(1536), one pass"

    def single(self, conn: Conn) -> SinglePass:
        """Its index."""
        return single_pass(conn, self.layout, "halfvec")

    def build(self) -> Costs:
        """The index, unless it is there."""
        with self.connect() as conn:
            single = self.single(conn)
            found = conn.execute("select to_regclass(%s)", [single.name]).fetchone()
            seconds = 0.0
            if found == (None,):
                conn.execute("set maintenance_work_mem = '6GB'")
                seconds = single.create(conn)
            return Costs(0.0, seconds, *self.sizes(conn, single.name))

    def client(self) -> BenchClient:
        """A connection."""
        conn = self.connect()
        single = self.single(conn)

        def made(effort: BenchEffort, k: int) -> Searcher:
            conn.execute(f"set hnsw.ef_search = {effort.walked}")
            search = single.searcher(conn, k)
            return lambda query: [row[0] for row in search(query)]

        return KeptClient(conn, single.name, made)


@dataclass
class KeptClient(BenchClient):
    """A connection, and how it makes a search."""

    conn: Conn
    index: str
    made: Callable[[BenchEffort, int], Searcher]

    def searcher(
        self, effort: BenchEffort, k: int, percent: float | None = None
    ) -> Searcher:
        """A search with this effort."""
        return self.made(effort, k)

    def scans(self, search: Searcher, query: object) -> bool:
        """Whether a search scans its index."""
        with self.conn.transaction():
            before = self._count()
            search(query)  # type: ignore[arg-type]
            return self._count() > before

    def _count(self) -> int:
        row = self.conn.execute(
            "select pg_stat_get_xact_numscans(%s::regclass)", [self.index]
        ).fetchone()
        assert row is not None
        return int(row[0])

    def close(self) -> None:
        """Close the connection."""
        self.conn.close()


# ------------------------------------------------------------------ memory


def limited(
    data: Path,
    contenders: Sequence[Kept],
    best: dict[str, FrontPoint],
    limits: Sequence[float],
    asked: Asked,
    pace: Pace,
) -> list[Any]:
    """The points of each contender under each limit, in the order of the contenders."""
    limit = MemoryLimit.make()
    try:
        with limit.inside():
            settings = {**SETTINGS, "shared_buffers": BUFFERS}
            started = server.start(data, settings=settings)
        here = [replace(each, url=started.url()) for each in contenders]
        found = squeeze(here, best, 10**9, limits, limit.set, asked, pace, say)
        return [found[each.name] for each in here]
    finally:
        limit.set(None)
        server.stop(data)
        limit.remove()


# ------------------------------------------------------------------ results


def save(result: BenchResult, out: Path) -> None:
    """Write the file and the plots, and print tables."""
    result.write(out / "result.json")
    write_plots(result, out)
    two, one = (entry.fronts[K] for entry in result.entries)
    for entry in result.entries:
        print(f"\n{entry.name}: index {entry.costs.index_bytes / 1e6:,.0f} MB")
        for point in entry.fronts[K]:
            print(f"  {point.effort}: {point.recall} {point.rate} /s {point.warm}")
        for each in entry.memory:
            point = each.point
            print(
                f"  {each.limit_bytes / 1e9:g} GB: {point.recall.mean:.3f}"
                f" {point.rate} /s, p95 {point.p95_ms:.0f} ms, {point.warm}"
            )
    for target in TARGETS:
        print(f"two passes / one at {target}: {ratio_at(two, one, target)}")


if __name__ == "__main__":
    main()
