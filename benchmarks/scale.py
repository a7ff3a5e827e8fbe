"""Measure what an index costs as the table grows: the slopes behind `mrl-pg plan`.

    python benchmarks/scale.py --vectors sentences.npy --folder work --out cells.jsonl
    python benchmarks/scale.py … --sizes 10000,30000 --kinds 'bit,halfvec(256)'

Each cell is a kind of index on so many rows, drawn at random from the file; `--queries`
other rows are the queries. A cell that the file of results already has is not measured
again, so a run that was broken off goes on. For each cell it writes a line of JSON:

- the bytes of the index, of the table and of its TOAST;
- the build: CPU seconds of the server, and its peak of memory beside shared buffers;
  at the smallest size, a second build with nine tenths of the memory tells how much
  memory each row of the graph takes;
- searches of several efforts: recall against exact search, CPU milliseconds of the
  server, and pages of the index, the table and TOAST that a query touches.

Time is CPU time (Linux), because other programs may run. A search runs twice after a
warm-up, and the smaller CPU time counts: other programs can only add to it. Wall time
is written beside it, only to show how busy the machine was.

The full vectors are in TOAST. Kinds: `bit` and `halfvec(256)` are two passes over a
generated column; `single halfvec` and `single vector` are one pass over all dimensions;
`ivfflat` is an IVFFlat index over the bits, with a list for 1,000 rows, 160 candidates
and exact distances of all of these. With `--keep`, the table of that size stays in the
folder, with its index of kind `bit`, if that was measured after `ivfflat`.
"""

import argparse
import json
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

import mrl_pg
from mrl_pg import server
from mrl_pg.exchange import cursors
from mrl_pg.exchange.vectors import QueryVector
from mrl_pg.load import load_blocks
from mrl_pg.recall.truth import nearest
from mrl_pg.scale.measured import K, reads
from mrl_pg.tune.trial.single_pass import SinglePass, single_pass
from mrl_pg.vectors import wire

Floats = NDArray[np.float32]
Conn = psycopg.Connection[Any]
Search = Callable[[Floats], Sequence[float]]
"""Takes a query and returns the distances of the rows found."""

EFFORTS = (20, 40, 80, 160, 320, 640)
PROBES = (1, 2, 4, 8, 16, 32, 64, 128)
IVF_CANDIDATES = 160
ROWS_A_LIST = 1000
KINDS = ("ivfflat", "bit", "halfvec(256)", "single halfvec", "single vector")
FLUSHED = re.compile(r"no longer fits .* after (\d+) tuples")
BLOCK = 65_536


def main() -> None:
    """Measure the cells that the file of results does not have."""
    args = arguments()
    data = Data(np.load(args.vectors, mmap_mode="r"), args.queries, args.folder)
    sizes = [min(int(size), data.most) for size in args.sizes.split(",")]
    for rows in dict.fromkeys(sizes):
        todo = [
            kind
            for kind in args.kinds.split(",")
            if (rows, kind) not in done(args.out)
            and (rows <= args.most_single_vector or kind != "single vector")
        ]
        if todo:
            with running(args) as (url, postmaster):
                Cells(url, postmaster, data, rows, args).measure(todo)


def arguments() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--vectors", type=Path, required=True, help=".npy")
    parser.add_argument("--folder", type=Path, required=True, help="of the server")
    parser.add_argument("--out", type=Path, required=True, help="results, JSON lines")
    parser.add_argument("--sizes", default="10000,30000,100000,300000,1000000")
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--queries", type=int, default=400, help="held-out rows")
    parser.add_argument("--asked", type=int, default=200, help="queries to search for")
    parser.add_argument("--most-single-vector", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=0, help="of a build")
    parser.add_argument("--shared-buffers", default="6GB")
    parser.add_argument("--keep", type=int, default=0, help="keep tables of this size")
    return parser.parse_args()


def done(out: Path) -> set[tuple[int, str]]:
    """The cells in the file of results."""
    if not out.exists():
        return set()
    cells = [json.loads(line) for line in out.read_text().splitlines()]
    return {(cell["rows"], cell["kind"]) for cell in cells}


@contextmanager
def running(args: argparse.Namespace) -> Iterator[tuple[str, int]]:
    """The server of the folder, and the process id of its postmaster."""
    folder = args.folder / "data"
    settings = {
        "shared_buffers": args.shared_buffers,
        "autovacuum": "off",
        # builds write no log then
        "wal_level": "minimal",
        "max_wal_senders": "0",
        "max_wal_size": "2GB",
    }
    started = server.start(folder, settings=settings)
    try:
        yield started.url(), started.pid
    finally:
        server.stop(folder)


# ------------------------------------------------------------------ rows and queries


@dataclass
class Data:
    """The rows of the file in random order, without the queries."""

    matrix: Floats
    held_out: int
    folder: Path

    @cached_property
    def order(self) -> NDArray[np.int64]:
        """Numbers of all rows of the file, at random; the first are the queries."""
        return np.random.default_rng(0).permutation(len(self.matrix))

    @property
    def most(self) -> int:
        """The most rows that a table can have."""
        return len(self.matrix) - self.held_out

    @property
    def dims(self) -> int:
        """Dimensions of the full vectors."""
        return int(self.matrix.shape[1])

    def queries(self, count: int) -> Floats:
        """The first queries."""
        return np.array(self.matrix[np.sort(self.order[: self.held_out])][:count])

    def blocks(self, rows: int) -> Iterator[tuple[NDArray[np.int64], Floats]]:
        """Row numbers and vectors of the first rows."""
        numbers = self.order[self.held_out : self.held_out + rows]
        for start in range(0, rows, BLOCK):
            part = numbers[start : start + BLOCK]
            yield part, self.matrix[part]

    def distances(self, rows: int, asked: Floats) -> NDArray[np.float64]:
        """The distances of the K nearest of the first rows, by exact search."""
        best = np.full((len(asked), 0), np.inf)
        for _, block in self.blocks(rows):
            near = nearest(block, asked, k=K).distances
            best = np.sort(np.hstack([best, near]), axis=1)[:, :K]
        return best

    def edges(self, rows: int, count: int) -> NDArray[np.float64]:
        """The distance of the k-th nearest row of each query, by exact search."""
        kept = self.folder / f"edges-{rows}-{count}.npy"
        if not kept.exists():
            best = self.distances(rows, self.queries(count))
            np.save(kept, best[:, -1] + 1e-5)
        return np.asarray(np.load(kept))


# ------------------------------------------------------------------ processes


def cpu_ms(pid: int) -> float:
    """Milliseconds that a process has been on a CPU."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e6


def ended_ms(pid: int) -> float:
    """Milliseconds of CPU of the children of a process that have ended."""
    parts = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return 1000 * (int(parts[13]) + int(parts[14])) / os.sysconf("SC_CLK_TCK")


def build_bytes(pid: int) -> int:
    """Memory of a process that it does not share, or shares with its workers."""
    smaps = Path(f"/proc/{pid}/smaps").read_text()
    shared = re.findall(
        r"^\S+-\S+ .*(?:PostgreSQL\.|SYSV).*\n(?:[^\n]*\n){1,3}?Rss: +(\d+)",
        smaps,
        re.MULTILINE,
    )
    status = Path(f"/proc/{pid}/status").read_text()
    private = int(status.split("RssAnon:")[1].split()[0])
    return 1024 * (private + sum(map(int, shared)))


@dataclass
class Watch:
    """CPU time, clock and peak of memory of a build, in a block.

    The time includes workers, which end with the build.
    """

    pid: int
    postmaster: int
    cpu_s: float = 0.0
    wall_s: float = 0.0
    peak_bytes: int = 0
    ended: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Watch":
        """Start to look."""
        self.cpu_s, self.wall_s = -self._cpu_s(), -time.perf_counter()
        self.base = build_bytes(self.pid)
        self.thread = threading.Thread(target=self._look)
        self.thread.start()
        return self

    def _look(self) -> None:
        # less and less often, because to look costs time of a CPU
        while not self.ended.wait(max(0.1, (time.perf_counter() + self.wall_s) / 50)):
            self.peak_bytes = max(self.peak_bytes, build_bytes(self.pid) - self.base)

    def __exit__(self, *_: object) -> None:
        """Add up."""
        self.ended.set()
        self.thread.join()
        self.cpu_s += self._cpu_s()
        self.wall_s += time.perf_counter()

    def _cpu_s(self) -> float:
        return (cpu_ms(self.pid) + ended_ms(self.postmaster)) / 1000


# ------------------------------------------------------------------ cells


def graph_bytes(conn: Conn, kind: str, dims: int, rows: int) -> int:
    """The memory that a graph should take while it is built."""
    found = conn.execute(
        "select memory from mrl._graph_size(%s, %s, 16)", [kind, dims]
    ).fetchone()
    assert found is not None
    return int(found[0] * rows)


class Cells:
    """The table of a size, and its cells."""

    def __init__(
        self,
        url: str,
        postmaster: int,
        data: Data,
        rows: int,
        args: argparse.Namespace,
    ) -> None:
        """Take the table's name from the size."""
        self.url, self.postmaster, self.data, self.rows = url, postmaster, data, rows
        self.args = args
        self.table = f"docs_{rows}"
        self.queries = data.queries(args.asked)

    def index(self, kind: str) -> mrl_pg.MatryoshkaIndex:
        """The short index of a kind."""
        if kind == "bit":
            return mrl_pg.MatryoshkaIndex(
                self.table, "embedding", dims=self.data.dims, kind="bit"
            )
        return mrl_pg.MatryoshkaIndex(self.table, "embedding", dims=256)

    def measure(self, kinds: Sequence[str]) -> None:
        """Load the table, if it is not there, and measure each kind."""
        with psycopg.connect(self.url, autocommit=True) as conn:
            mrl_pg.install(conn)
            found = conn.execute("select to_regclass(%s)", [self.table]).fetchone()
            if found == (None,):
                self.load(conn)
        edges = self.data.edges(self.rows, self.args.asked)
        for kind in kinds:
            # a session of its own, so that memory of the one before does not count
            with psycopg.connect(self.url, autocommit=True) as conn:
                cell = self.cell(conn, kind, edges)
            with self.args.out.open("a") as out:
                out.write(json.dumps(cell) + "\n")
            best = [s for s in cell["searches"] if s["recall"] >= 0.95][:1]
            print(f"{self.rows:,} {kind}: built in {cell['build_cpu_s']} s CPU, {best}")
            sys.stdout.flush()
        if self.rows != self.args.keep:
            with psycopg.connect(self.url, autocommit=True) as conn:
                conn.execute(f"drop table {self.table}")

    def load(self, conn: Conn) -> None:
        """The table, with both short columns and no index."""
        started = time.perf_counter()
        loading = f"loading_{self.rows}"
        conn.execute(f"drop table if exists {loading}")
        conn.execute(
            f"create table {loading} (id bigint primary key,"
            f" embedding vector({self.data.dims}))"
        )
        conn.execute(f"alter table {loading} rename to {self.table}")
        try:
            for kind in ("bit", "halfvec(256)"):
                index = self.index(kind)
                made = mrl_pg.MatryoshkaIndex(
                    index.table,
                    index.column,
                    dims=index.dims,
                    kind=index.kind,
                    keep="generated",
                )
                made.create(conn, concurrently=False)
                conn.execute(f"drop index {made.name}")
            for numbers, block in self.data.blocks(self.rows):
                load_blocks(conn, block, self.table, columns={"id": numbers})
        except BaseException:
            # a table that is there is taken to be full
            conn.execute(f"drop table {self.table}")
            raise
        conn.execute(f"vacuum (analyze) {self.table}")
        seconds = time.perf_counter() - started
        print(f"{self.rows:,} rows loaded in {seconds:.0f} s", flush=True)

    def cell(self, conn: Conn, kind: str, edges: NDArray[np.float64]) -> dict[str, Any]:
        """All figures of one cell."""
        made: Hnsw | Single | Ivf
        if kind == "ivfflat":
            made = Ivf(self, conn)
        elif kind.startswith("single"):
            made = Single(self, conn, kind.split()[1])
        else:
            made = Hnsw(self, conn, kind)
        self.drop_indexes(conn, kind)
        flushed: list[int] = []
        conn.add_notice_handler(
            lambda diag: flushed.extend(
                int(n) for n in FLUSHED.findall(diag.message_primary or "")
            )
        )
        pid = conn.info.backend_pid
        # a little more than the graph should take
        graph = graph_bytes(conn, made.kind, made.dims, self.rows)
        memory = 1.02 * graph + (4 << 20)
        with Watch(pid, self.postmaster) as watch:
            made.build(f"{max(int(memory) >> 20, 64)}MB")
        if flushed:
            raise SystemExit(f"{kind}: the graph does not fit {memory:.0f} bytes")
        cell = {
            "rows": self.rows,
            "kind": kind,
            "dims": made.dims,
            **self.sizes(conn, made.name),
            "build_cpu_s": round(watch.cpu_s, 2),
            "build_wall_s": round(watch.wall_s, 1),
            "build_peak_bytes": watch.peak_bytes,
            "workers": self.args.workers,
        }
        if kind == "ivfflat":
            cell["lists"] = made.lists  # type: ignore[union-attr]
        with psycopg.connect(self.url, autocommit=True) as searching:
            cell["searches"] = list(self.searches(searching, made, edges))
        if self.rows <= 10_000 and kind != "ivfflat":
            made.drop()
            less = max(1, int(0.9 * graph) >> 20)
            made.build(f"{less}MB")
            cell["less_memory_bytes"] = less << 20
            cell["fitting_rows"] = flushed[0]
        if kind != "bit" or self.rows != self.args.keep:
            made.drop()
        cell["load"] = round(os.getloadavg()[0], 1)
        return cell

    def drop_indexes(self, conn: Conn, kind: str) -> None:
        """Drop what an earlier run has left, or what is over the same column."""
        kept = "" if kind in ("bit", "ivfflat") else self.index("bit").name
        found = conn.execute(
            "select indexname from pg_indexes where tablename = %s"
            " and indexname not in (%s, %s)",
            [self.table, f"loading_{self.rows}_pkey", kept],
        ).fetchall()
        for (name,) in found:
            conn.execute(f"drop index {name}")

    def sizes(self, conn: Conn, index: str) -> dict[str, int]:
        """Bytes of the index, the table and TOAST with its index."""
        row = conn.execute(
            "select pg_relation_size(%s::regclass), pg_relation_size(oid),"
            " pg_total_relation_size(reltoastrelid)"
            " from pg_class where oid = %s::regclass",
            [index, self.table],
        ).fetchone()
        assert row is not None
        names = ("index_bytes", "heap_bytes", "toast_bytes")
        return dict(zip(names, map(int, row), strict=True))

    def searches(
        self, conn: Conn, made: "Hnsw | Single | Ivf", edges: NDArray[np.float64]
    ) -> Iterator[dict[str, Any]]:
        """Recall, CPU time and pages of every effort."""
        pid = conn.info.backend_pid
        # the session plans and reads catalogs before it is measured
        search = made.search(conn, made.efforts[0])
        for query in self.queries[:20]:
            search(query)
        for effort in made.efforts:
            search = made.search(conn, effort)
            before = self.pages(conn, made.name)
            found = [np.asarray(search(query)) for query in self.queries]
            pages = self.pages(conn, made.name) - before
            recalls = [
                np.count_nonzero(distances <= edge) / K
                for distances, edge in zip(found, edges, strict=True)
            ]
            times = []
            for _ in range(2):
                started = cpu_ms(pid)
                for query in self.queries:
                    search(query)
                times.append((cpu_ms(pid) - started) / len(self.queries))
            index, heap, toast = (pages / len(self.queries)).tolist()
            yield {
                "effort": effort,
                "recall": round(float(np.mean(recalls)), 4),
                "cpu_ms": round(min(times), 3),
                "index_pages": round(index, 1),
                "heap_pages": round(heap, 1),
                "toast_pages": round(toast, 1),
            }

    def pages(self, conn: Conn, index: str) -> NDArray[np.float64]:
        """Pages that were touched so far: of the index, the table and TOAST."""
        conn.execute("select pg_stat_force_next_flush()")
        row = conn.execute(
            "select index.idx_blks_hit + index.idx_blks_read,"
            " tab.heap_blks_hit + tab.heap_blks_read,"
            " tab.toast_blks_hit + tab.toast_blks_read"
            " + tab.tidx_blks_hit + tab.tidx_blks_read"
            " from pg_statio_user_indexes as index"
            " join pg_statio_user_tables as tab using (relid)"
            " where index.indexrelname = %s",
            [index],
        ).fetchone()
        assert row is not None
        return np.array(row, dtype=np.float64)


class Hnsw:
    """Two passes over a short column, as `index.search` does them."""

    efforts = EFFORTS

    def __init__(self, cells: Cells, conn: Conn, kind: str) -> None:
        """Take the index of the kind."""
        self.cells, self.conn = cells, conn
        self.index = cells.index(kind)
        self.name, self.dims = self.index.name, self.index.dims
        self.kind: str = self.index.kind

    def drop(self) -> None:
        """Drop the index and leave the column."""
        self.conn.execute(f"drop index if exists {self.name}")

    def build(self, memory: str) -> None:
        """Build it."""
        self.index.create(
            self.conn,
            concurrently=False,
            workers=self.cells.args.workers,
            maintenance_work_mem=memory,
        )

    def search(self, conn: Conn, effort: int) -> Search:
        """A search that walks `effort` candidates, and of bits reads a part in full."""
        options = {"candidates": effort}
        if self.index.kind == "bit":
            options["rerank"] = int(reads("bit", effort))

        def run(query: Floats) -> Sequence[float]:
            result = self.index.search(conn, query, k=K, **options)  # type: ignore[arg-type]
            return [hit.distance for hit in result]

        return run


class Single:
    """One pass over all dimensions."""

    efforts = EFFORTS

    def __init__(self, cells: Cells, conn: Conn, kind: str) -> None:
        """Take the index over the column or its cast."""
        self.conn, self.cells = conn, cells
        self.kind = kind
        self.name, self.dims = self._single(conn).name, cells.data.dims

    def _single(self, conn: Conn) -> SinglePass:
        return single_pass(conn, self.cells.index("bit"), self.kind)  # type: ignore[arg-type]

    def drop(self) -> None:
        """Drop the index."""
        self.conn.execute(f"drop index if exists {self.name}")

    def build(self, memory: str) -> None:
        """Build it."""
        workers = self.cells.args.workers
        self.conn.execute(f"set max_parallel_maintenance_workers = {workers}")
        self.conn.execute(f"set maintenance_work_mem = '{memory}'")
        self._single(self.conn).create(self.conn)

    def search(self, conn: Conn, effort: int) -> Search:
        """A plain `order by … limit`."""
        conn.execute(f"set hnsw.ef_search = {effort}")
        found = self._single(conn).searcher(conn, K)
        return lambda query: [row[1] for row in found(query)]


class Ivf:
    """Two passes over the bits by an IVFFlat index."""

    def __init__(self, cells: Cells, conn: Conn) -> None:
        """Choose the lists."""
        self.conn, self.cells, self.dims = conn, cells, cells.data.dims
        self.name, self.kind = f"{cells.table}_ivfflat", "bit"
        self.lists = max(10, cells.rows // ROWS_A_LIST)
        self.efforts = tuple(p for p in PROBES if p <= self.lists)
        self.short = cells.index("bit").short

    def drop(self) -> None:
        """Drop the index."""
        self.conn.execute(f"drop index if exists {self.name}")

    def build(self, memory: str) -> None:
        """Build it."""
        workers = self.cells.args.workers
        self.conn.execute(f"set max_parallel_maintenance_workers = {workers}")
        self.conn.execute(f"set maintenance_work_mem = '{memory}'")
        self.conn.execute(
            f"create index {self.name} on {self.cells.table}"
            f" using ivfflat ({self.short} bit_hamming_ops) with (lists = {self.lists})"
        )

    def search(self, conn: Conn, effort: int) -> Search:
        """Candidates of `effort` lists by their bits, then by the exact distance."""
        conn.execute(f"set ivfflat.probes = {effort}")
        conn.execute("set enable_seqscan = off")
        statement = sql.SQL(
            "with candidates as materialized (select embedding from {table}"
            " order by {short} <~> binary_quantize(%(query)s::vector)::bit({dims})"
            " limit {limit}) select embedding <=> %(query)s as distance"
            " from candidates order by distance limit {k}"
        ).format(
            table=sql.Identifier(self.cells.table),
            short=sql.Identifier(self.short),
            dims=sql.Literal(self.dims),
            limit=sql.Literal(IVF_CANDIDATES),
            k=sql.Literal(K),
        )

        cursor = cursors.searching(conn)

        def run(query: Floats) -> Sequence[float]:
            data = {"query": QueryVector(wire(query, "vector"), "vector")}
            rows = cursor.execute(statement, data, prepare=True).fetchall()
            return [row[0] for row in rows]

        return run


if __name__ == "__main__":
    main()
