"""Measure what searches of the parts nearest to a query find and cost.

    python benchmarks/parts.py --vectors rows.npy
    python benchmarks/parts.py --vectors rows.npy --rows 100000 --parts 16,64 --kind bit

Rows are drawn at random from the file, and so are the queries, which are no rows. They
go into one table with one index, and into copies of it that `make_parts` partitions.
All searches of a setting are made for all queries. A line is a setting:

- recall of the ten nearest, against exact search;
- CPU milliseconds of the server's process for a search, planning included and, with
  probes, the question which parts are nearest; the smaller of two rounds, because other
  programs can only add to it;
- pages of tables, TOAST and indexes that a search touches.

At the end, for some recalls, the cheapest setting of each table that reached them, by
CPU and by pages, and the ratio to the one table. Then planning alone: the median CPU of
`explain` with one probe and with all parts. Last, whether PostgreSQL would walk
partitions in parallel: the nodes of a plan for which workers cost nothing.

Needs Linux, and scikit-learn (`mrl_pg[parts]`).
"""

import argparse
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

import mrl_pg
from mrl_pg import MatryoshkaColumn, MatryoshkaIndex, server
from mrl_pg.load import load_blocks
from mrl_pg.recall.truth import nearest

Conn = psycopg.Connection[Any]
Floats = NDArray[np.float32]

K = 10
CANDIDATES = (20, 40, 80, 160, 320)
PROBES = (1, 2, 4, 8, 16, 32)
RECALLS = (0.9, 0.95, 0.97, 0.98)
PLANS = 40

PAGES = """
    select coalesce(sum(heap_blks_hit + heap_blks_read), 0)
        + coalesce(sum(idx_blks_hit + idx_blks_read), 0)
        + coalesce(sum(toast_blks_hit + toast_blks_read), 0)
        + coalesce(sum(tidx_blks_hit + tidx_blks_read), 0)
    from pg_statio_user_tables
"""


@dataclass(frozen=True, slots=True)
class Cell:
    """A setting on a table, and what it found and cost."""

    table: str
    probes: int | None
    candidates: int
    ef_search: int
    recall: float
    cpu_ms: float
    pages: float

    def __str__(self) -> str:
        """A line of the table of results."""
        probes = "all" if self.probes is None else self.probes
        return (
            f"{self.table:>10} {probes:>6} {self.candidates:>10} {self.ef_search:>9}"
            f" {self.recall:>7.3f} {self.cpu_ms:>7.2f} {self.pages:>7.0f}"
        )


def main() -> None:
    """Make the tables, and print what was measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--vectors", type=Path, required=True, help=".npy")
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--parts", default="16,64", help="numbers of parts")
    parser.add_argument("--kind", default="halfvec", choices=("bit", "halfvec"))
    parser.add_argument("--dims", type=int, default=256, help="of the short vectors")
    parser.add_argument("--shared-buffers", default="2GB")
    args = parser.parse_args()
    matrix = np.load(args.vectors, mmap_mode="r")
    order = np.random.default_rng(0).permutation(len(matrix))
    queries = np.array(matrix[np.sort(order[: args.queries])], dtype=np.float32)
    chosen = np.sort(order[args.queries : args.queries + args.rows])
    rows = np.array(matrix[chosen], dtype=np.float32)
    edges = nearest(rows, queries, k=K).distances[:, -1] + 1e-5
    with (
        tempfile.TemporaryDirectory(prefix="mrl_pg_bench_") as folder,
        server.embedded(
            Path(folder, "data"),
            settings={"shared_buffers": args.shared_buffers, "autovacuum": "off"},
        ) as running,
        psycopg.connect(running.url(), autocommit=True) as conn,
    ):
        mrl_pg.install(conn)
        load_blocks(conn, rows, "docs")
        conn.execute("vacuum (analyze) docs")
        print(f"{len(rows):,} rows of {rows.shape[1]} dims, {args.kind}({args.dims})")
        print(
            f"{'table':>10} {'probes':>6} {'candidates':>10} {'ef_search':>9}"
            f" {'recall':>7} {'CPU ms':>7} {'pages':>7}"
        )
        cells: list[Cell] = []
        tables = ["docs"]
        for parts in map(int, args.parts.split(",")):
            report = MatryoshkaColumn("docs", "embedding").make_parts(
                conn, f"parts_{parts}", parts=parts
            )
            print(f"# {str(report).splitlines()[0]}", flush=True)
            tables.append(f"parts_{parts}")
        for table in tables:
            index = MatryoshkaIndex(table, "embedding", dims=args.dims, kind=args.kind)
            start = cpu_ms(conn)
            index.create(conn, concurrently=False, workers=0)
            print(f"# {table}: index in {(cpu_ms(conn) - start) / 1000:.0f} s CPU")
            conn.execute(f"vacuum (analyze) {table}")
            size = 0 if table == "docs" else int(table.removeprefix("parts_"))
            # a session of its own, as an application has
            with psycopg.connect(running.url(), autocommit=True) as own:
                cells += measured(own, index, queries, edges, size)
        best(cells, tables)
        planning(running.url(), args, queries, tables[1:])
        in_parallel(conn, tables[1])


def measured(
    conn: Conn,
    index: MatryoshkaIndex,
    queries: Floats,
    edges: NDArray[np.float64],
    parts: int,
) -> list[Cell]:
    """All settings of one table."""
    for query in queries[:20]:
        index.search(conn, query, probes=1 if parts else None)
    cells = []
    for probes in [p for p in PROBES if p < parts] if parts else [None]:
        for candidates in CANDIDATES:
            widths = (candidates, candidates // 2, candidates // 4)
            for ef_search in widths if parts else widths[:1]:
                if ef_search < 5:
                    continue
                cell = one_cell(
                    conn, index, queries, edges, probes, candidates, ef_search
                )
                print(cell, flush=True)
                cells.append(cell)
    if parts:
        for candidates in CANDIDATES:
            cell = one_cell(conn, index, queries, edges, None, candidates, candidates)
            print(cell, flush=True)
            cells.append(cell)
    return cells


def one_cell(
    conn: Conn,
    index: MatryoshkaIndex,
    queries: Floats,
    edges: NDArray[np.float64],
    probes: int | None,
    candidates: int,
    ef_search: int,
) -> Cell:
    """What a setting finds and costs."""
    recalls, times = [], []
    before = pages(conn)
    for round in range(2):
        start = cpu_ms(conn)
        for query, edge in zip(queries, edges, strict=True):
            found = index.search(
                conn,
                query,
                k=K,
                probes=probes,
                candidates=candidates,
                ef_search=ef_search,
            )
            if not round:
                near = sum(hit.distance <= edge for hit in found)
                recalls.append(near / K)
        times.append((cpu_ms(conn) - start) / len(queries))
    touched = (pages(conn) - before) / (2 * len(queries))
    return Cell(
        index.table,
        probes,
        candidates,
        ef_search,
        statistics.mean(recalls),
        min(times),
        touched,
    )


def best(cells: Sequence[Cell], tables: Sequence[str]) -> None:
    """Print the cheapest setting of each table for some recalls."""
    for recall in RECALLS:
        print(f"\nrecall {recall}: cheapest by CPU, and by pages")
        base: dict[str, float] = {}
        for table in tables:
            enough = [c for c in cells if c.table == table and c.recall >= recall]
            for cost in ("cpu_ms", "pages") if enough else ():
                cell = min(enough, key=lambda c: getattr(c, cost))
                value = getattr(cell, cost)
                ratio = value / base.setdefault(cost, value)
                print(f"{cell}   {cost} x {ratio:.2f}")
            if not enough:
                print(f"{table:>10} never")


def planning(
    url: str, args: argparse.Namespace, queries: Floats, tables: Sequence[str]
) -> None:
    """Print what plans cost: one table, one probe, all parts."""
    print("\nplanning, median CPU ms of explain")
    for table in ("docs", *tables):
        index = MatryoshkaIndex(table, "embedding", dims=args.dims, kind=args.kind)
        with psycopg.connect(url, autocommit=True) as conn:
            for probes in (1, None) if table != "docs" else (None,):
                plan = index.plan(conn, queries[0], probes=probes)
                times = []
                for _ in range(PLANS):
                    start = cpu_ms(conn)
                    conn.execute(
                        b"explain " + plan.statement, plan.params, prepare=False
                    ).fetchall()
                    times.append(cpu_ms(conn) - start)
                which = "all" if probes is None else probes
                print(f"{table:>10} {which:>6} {statistics.median(times):>7.2f}")


def in_parallel(conn: Conn, table: str) -> None:
    """Print the nodes of a plan over two limited partitions, for free workers."""
    short = MatryoshkaIndex(table, "embedding", dims=1).column
    half = (
        f"(select id, {short} <=> {short} as far from {{}}"
        f" order by {short} <=> (select {short} from docs limit 1) limit 20)"
    )
    conn.execute(
        "set parallel_setup_cost = 0; set parallel_tuple_cost = 0;"
        "set min_parallel_table_scan_size = 0; set min_parallel_index_scan_size = 0;"
        "set max_parallel_workers_per_gather = 4"
    )
    asked = " union all ".join(half.format(f"{table}_{part}") for part in (1, 2))
    lines = conn.execute(f"explain (costs off) {asked}".encode()).fetchall()
    nodes = [line.strip(" ->") for (line,) in lines if "->" in line or line[0] != " "]
    print(f"\nwith workers that cost nothing: {' / '.join(nodes)}")


def cpu_ms(conn: Conn) -> float:
    """Milliseconds that the process of a session has been on a CPU."""
    path = Path(f"/proc/{conn.info.backend_pid}/schedstat")
    return int(path.read_text().split()[0]) / 1e6


def pages(conn: Conn) -> float:
    """Pages of user tables and their indexes that were touched so far."""
    conn.execute("select pg_stat_force_next_flush()")
    ((touched,),) = conn.execute(PAGES.encode()).fetchall()
    return float(touched)


if __name__ == "__main__":
    main()
