"""What indexes of single tenants cost each plan, and what they find.

    python benchmarks/tenants.py plans
    python benchmarks/tenants.py searches                       # random clustered rows
    python benchmarks/tenants.py searches --vectors rows.npy
    python benchmarks/tenants.py recalls --vectors rows.npy
    python benchmarks/tenants.py count

`plans`: a table of 10,000 tenants has 0, 10, 100 and then 1,000 indexes of tenants.
Three searches are planned in turns, by `explain`: of a tenant with an index, of one
without, and of all rows by an index of all rows. The script prints the median
milliseconds of the server process's CPU for a plan, their ratio to those without
indexes of tenants within the run, and those of the first plan of a new session, which
reads the description of each index. It also prints what it takes to ask which index a
tenant has.
(Without Linux's /proc, all times are those of the clock.)

`searches`: tenants of several sizes in one table, each a piece of the file, so that the
rows of a tenant are alike if the file is sorted. Its last rows are the queries, and no
rows. Three searches of each tenant take turns, in random order: by the index of the
tenant, by one index of all rows with a filter, and exactly. The script prints the
recall and the median milliseconds of the server's CPU of each, and their ratio to the
exact search.

`recalls`: the same tenants, each of which is calibrated on its own rows. Then its
queries ask for recalls of .9, .95 and .99. The script prints what they found, with how
many candidates, and what the promise says of it.

`count`: how long `mrl-pg tenants run` counts the rows of 10,000 tenants.
"""

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

import mrl_pg
from mrl_pg import MatryoshkaColumn, MatryoshkaIndex, SearchResult, server
from mrl_pg.exchange import run
from mrl_pg.load import load_blocks
from mrl_pg.recall.truth import nearest
from mrl_pg.search.tenant import read_tenant

Conn = psycopg.Connection[Any]
Floats = NDArray[np.float32]

SIZES = (20_000, 10_000, 5_000, 2_000, 1_000, 500)
"""Rows of the tenants that are searched; the other rows belong to tenants of 100."""

QUERIES = 50
"""Queries of each tenant."""

COLUMN = MatryoshkaColumn("docs", "embedding")


def main() -> None:
    """Run one of the four parts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=("plans", "searches", "recalls", "count"))
    parser.add_argument("--vectors", type=Path, help=".npy of shape (rows, dims)")
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--candidates", type=int, default=160)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--sample", type=int, default=300, help="rows to calibrate by")
    parser.add_argument("--plans", type=int, default=100, help="plans of each search")
    parser.add_argument("--kind", default="bit", choices=("bit", "halfvec"))
    parser.add_argument("--dims", type=int, help="of the short vectors; default: all")
    args = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="mrl_pg_bench_") as folder,
        server.embedded(Path(folder, "data")) as running,
        psycopg.connect(running.url(), autocommit=True) as conn,
    ):
        mrl_pg.install(conn)
        if args.part == "plans":
            plans(conn, running.url(), args)
        elif args.part == "searches":
            searches(conn, args)
        elif args.part == "recalls":
            recalls(conn, args)
        else:
            count(conn)


# ------------------------------------------------------------------------------ plans


def plans(conn: Conn, url: str, args: argparse.Namespace) -> None:
    """Print planning times with 0, 10, 100 and 1,000 indexes of tenants."""
    tenants, dims = 10_000, 64
    random_rows = np.random.default_rng(1).normal(size=(5 * tenants, dims))
    rows = random_rows.astype(np.float32)
    load_blocks(conn, rows, "docs")
    conn.execute("alter table docs add tenant_id int")
    conn.execute("update docs set tenant_id = id % 10000")
    conn.execute("vacuum full docs")
    conn.execute("create index on docs (tenant_id)")
    whole = MatryoshkaIndex(
        "docs", "embedding", dims=dims, kind="bit", keep="expression"
    )
    whole.create(conn)
    conn.execute("vacuum analyze docs")
    asked: dict[str, Callable[[Conn], Any]] = {
        "all rows": lambda own: whole.plan(own, rows[0]),
        "small tenant": lambda own: COLUMN.plan(own, rows[0], tenant=9_999),
        "large tenant": lambda own: COLUMN.plan(own, rows[0], tenant=7),
    }
    print(f"{len(rows):,} rows, {tenants:,} tenants; planning in ms, ratio to no index")
    base: dict[str, float] = {}
    made = 0
    for wanted in (0, 10, 100, 1000):
        # each tenant has five rows, so that all of them are over the threshold
        COLUMN.set_tenants(conn, "tenant_id", threshold=5, low=1, most=wanted)
        make(conn, made, wanted)
        made = wanted
        conn.execute("analyze docs")
        took: dict[str, list[float]] = {name: [] for name in asked}
        first: dict[str, list[float]] = {name: [] for name in asked}
        with connected(url) as own:
            ready = {name: plan(own) for name, plan in asked.items()}
            order = list(asked)
            for _ in range(args.plans):
                random.shuffle(order)
                for name in order:
                    took[name].append(planning(own, ready[name]))
            for tenant in (7, 9_999):
                asking = statistics.median(ask(own, tenant) for _ in range(args.plans))
                print(f"{wanted:5} indexes, to ask for a tenant {asking:7.3f} ms")
        for name in asked:
            for _ in range(9):
                with connected(url) as own:
                    own.execute("load 'vector'")
                    first[name].append(planning(own, ready[name]))
        for name in asked:
            ms = statistics.median(took[name])
            cold = statistics.median(first[name])
            base.setdefault(name, ms)
            base.setdefault(name + " cold", cold)
            print(
                f"{wanted:5} indexes, {name:13} {ms:7.3f} ms, ratio "
                f"{ms / base[name]:6.2f}; first of a session {cold:7.2f} ms, ratio "
                f"{cold / base[name + ' cold']:6.2f}",
                flush=True,
            )


def make(conn: Conn, first: int, end: int) -> None:
    """Indexes of these tenants, as `run_tenants` makes them, but not concurrently."""
    # for each parallel build the server reserves all of its memory
    conn.execute("set max_parallel_maintenance_workers = 0")
    for tenant in range(first, end):
        name = f"docs_embedding_tenant_{tenant}"
        known = "select mrl._know_tenant('docs', 'embedding', %s, %s)"
        conn.execute(known, [str(tenant), name])
        conn.execute(
            sql.SQL(
                "create index {} on docs using hnsw"
                " ((binary_quantize(subvector(embedding, 1, 64))::bit(64))"
                " bit_hamming_ops) with (m = 16, ef_construction = 64)"
                " where ((tenant_id = {}) is true)"
            ).format(sql.Identifier(name), sql.Literal(tenant))
        )


def planning(conn: Conn, plan: Any) -> float:
    """Milliseconds in which the server parses and plans one search, and prints it."""
    pid = conn.info.backend_pid
    start = spent(pid)
    conn.execute(b"explain (costs off) " + plan.statement, plan.params, prepare=False)
    return 1000 * (spent(pid) - start)


def ask(conn: Conn, tenant: int) -> float:
    """Milliseconds in which the server says which index a tenant has."""
    pid = conn.info.backend_pid
    start = spent(pid)
    run(conn, read_tenant(COLUMN, str(tenant)))
    return 1000 * (spent(pid) - start)


def spent(pid: int) -> float:
    """Seconds of CPU of a process so far, to the nanosecond; else of the clock."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9
    except OSError:
        return time.perf_counter()


@contextmanager
def connected(url: str) -> Iterator[Conn]:
    """A new session."""
    with psycopg.connect(url, autocommit=True) as conn:
        yield conn


# --------------------------------------------------------------------------- searches


def stock(
    conn: Conn, args: argparse.Namespace
) -> tuple[Floats, NDArray[np.int64], dict[int, Floats]]:
    """Make a table of tenants; its rows, the tenant of each, and queries of tenants."""
    rows, owners, queries = divided(read(args))
    load_blocks(conn, rows, "docs")
    conn.execute("alter table docs add tenant_id int")
    fill = (
        "update docs set tenant_id = given.owner from unnest(%s::int[]) with ordinality"
    )
    conn.execute(
        f"{fill} as given (owner, id) where given.id = docs.id", [owners.tolist()]
    )
    conn.execute("vacuum full docs")
    conn.execute("create index on docs (tenant_id)")
    return rows, owners, queries


def build(conn: Conn, args: argparse.Namespace, dims: int) -> None:
    """Give the largest tenants their indexes, and print what that took."""
    COLUMN.set_tenants(conn, "tenant_id", threshold=400, kind=args.kind, dims=dims)
    report = COLUMN.run_tenants(conn)
    for step, seconds in zip(report.steps, report.seconds, strict=True):
        if step.how == "concurrently":
            print(f"{step} in {seconds:.1f} s")
    for state in report.indexes:
        print(state)
    conn.execute("vacuum analyze docs")


def recalls(conn: Conn, args: argparse.Namespace) -> None:
    """Print what searches find that ask for a recall of one tenant."""
    rows, owners, queries = stock(conn, args)
    dims = args.dims or rows.shape[1]
    print(f"{len(rows):,} rows of {rows.shape[1]}, {args.kind}({dims}), k 10")
    build(conn, args, dims)
    pid = conn.info.backend_pid
    for tenant, size in enumerate(SIZES, 1):
        mine = np.flatnonzero(owners == tenant)
        truth = nearest(rows[mine], queries[tenant], k=10, distance="cosine").rows
        start = spent(pid)
        COLUMN.calibrate_tenant(conn, tenant, sample=args.sample)
        seconds = spent(pid) - start
        print(f"tenant of {size:6,} rows, calibrated in {seconds:.1f} s of CPU")
        for recall in (0.9, 0.95, 0.99):
            results = COLUMN.search_many(
                conn, queries[tenant], tenant=tenant, recall=recall
            )
            shares = [
                len({*result.keys} & {*(mine[right] + 1).tolist()}) / 10
                for result, right in zip(results, truth, strict=True)
            ]
            candidates = statistics.median(result.candidates or 0 for result in results)
            promise = results[0].promise
            print(
                f"  asked {recall}: {np.mean(shares):.3f} of {len(results)} queries, "
                f"{candidates:.0f} candidates, {promise and promise.standing}",
                flush=True,
            )


def searches(conn: Conn, args: argparse.Namespace) -> None:
    """Print recall and time of the searches of each tenant."""
    rows, owners, queries = stock(conn, args)
    dims = args.dims or rows.shape[1]
    whole = MatryoshkaIndex(
        "docs", "embedding", dims=dims, kind=args.kind, keep="expression"
    )
    print(f"{len(rows):,} rows of {rows.shape[1]}, {args.kind}({dims}), ", end="")
    print(f"candidates {args.candidates}, k 10")
    print(whole.create(conn))
    build(conn, args, dims)
    for tenant, size in enumerate(SIZES, 1):
        mine = np.flatnonzero(owners == tenant)
        truth = nearest(rows[mine], queries[tenant], k=10, distance="cosine").rows
        compare(conn, whole, args, tenant, size, queries[tenant], mine[truth] + 1)


def compare(
    conn: Conn,
    whole: MatryoshkaIndex,
    args: argparse.Namespace,
    tenant: int,
    size: int,
    queries: Floats,
    truth: NDArray[np.int64],
) -> None:
    """The three searches of one tenant, in turns."""
    # written so that the planner cannot use the ordinary index of the key instead
    filtered = "(tenant_id = %s) is not false"
    ways: dict[str, Callable[[Floats], SearchResult]] = {
        "own index": lambda query: COLUMN.search(
            conn, query, tenant=tenant, candidates=args.candidates
        ),
        "filter": lambda query: whole.search(
            conn, query, filter=filtered, params=[tenant], candidates=args.candidates
        ),
        "exact": lambda query: COLUMN.search(conn, query, tenant=tenant, exact=True),
    }
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    found: dict[str, list[float]] = {way: [] for way in ways}
    short = 0
    pid = conn.info.backend_pid
    for _ in range(args.rounds):
        for query, right in zip(queries, truth, strict=True):
            for way in random.sample(list(ways), len(ways)):
                start = spent(pid)
                result = ways[way](query)
                seconds[way].append(spent(pid) - start)
                found[way].append(len({*result.keys} & {*right.tolist()}) / 10)
                short += way == "filter" and result.cut_short
    exact = statistics.median(seconds["exact"])
    for way in ways:
        ms = 1000 * statistics.median(seconds[way])
        cut = f", {short} of {len(seconds[way])} cut short" if way == "filter" else ""
        print(
            f"tenant of {size:6,} rows, {way:10} recall {np.mean(found[way]):.3f}, "
            f"{ms:7.2f} ms, ratio {ms / 1000 / exact:.2f}{cut}",
            flush=True,
        )


def read(args: argparse.Namespace) -> Floats:
    """Rows in the order of the file, or random clustered rows of 1536 dimensions."""
    if args.vectors is None:
        values = np.random.default_rng(1)
        centres = values.normal(size=(args.rows // 500, 1536))
        near = np.repeat(centres, 500, axis=0)
        return (near + values.normal(size=near.shape)).astype(np.float32)
    file = np.load(args.vectors, mmap_mode="r")
    taken: Floats = np.ascontiguousarray(
        file[:: max(len(file) // args.rows, 1)][: args.rows], dtype=np.float32
    )
    return taken


def divided(file: Floats) -> tuple[Floats, NDArray[np.int64], dict[int, Floats]]:
    """Rows without the queries, the tenant of each, and the queries of tenants."""
    kept, owners, queries, start = [], [], {}, 0
    for tenant, size in enumerate(SIZES, 1):
        end = start + size + QUERIES
        part = np.random.default_rng(tenant).permutation(file[start:end])
        kept.append(part[:size])
        owners.append(np.full(size, tenant))
        queries[tenant] = part[size:]
        start = end
    rest = file[start:]
    kept.append(rest)
    owners.append(len(SIZES) + 1 + np.arange(len(rest)) // 100)
    return np.concatenate(kept), np.concatenate(owners), queries


# ------------------------------------------------------------------------------ count


def count(conn: Conn) -> None:
    """Print how long it takes to count the rows of 10,000 tenants."""
    conn.execute(
        "create table docs (id int primary key, tenant_id int, embedding vector(64));"
        "insert into docs (id, tenant_id)"
        " select id, id % 10000 from generate_series(1, 1000000) as id"
    )
    conn.execute("create index on docs (tenant_id)")
    conn.execute("vacuum analyze docs")
    COLUMN.set_tenants(conn, "tenant_id", threshold=5000)
    took = []
    for _ in range(9):
        start = time.perf_counter()
        COLUMN.run_tenants(conn, dry_run=True)
        took.append(time.perf_counter() - start)
    ms = 1000 * statistics.median(took)
    print(f"1,000,000 rows, 10,000 tenants: {ms:.0f} ms to decide what is to be built")


if __name__ == "__main__":
    main()
