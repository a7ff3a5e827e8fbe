"""Try mrl_pg on Citus: three servers on loopback, 8 shards, what it sends and finds.

    python benchmarks/citus.py --pg-bin /usr/lib/postgresql/18/bin
    python benchmarks/citus.py --pg-bin … --vectors embeddings.npy --rows 100000

The folder must have the programs of a PostgreSQL with pgvector and Citus. Not as root,
because PostgreSQL refuses that. It makes the servers in a temporary folder, on ports
from --port on, and stops them at the end. docs/citus.md says what to expect.

It was written without Citus at hand. Without --pg-bin nothing is started, and
--dsn names the coordinator of a cluster of yours, where it makes and drops the tables
docs, tenants and copies.
"""

import argparse
import contextlib
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

import mrl_pg
from mrl_pg import MatryoshkaIndex
from mrl_pg.exchange import cursors
from mrl_pg.load import load_blocks
from mrl_pg.search.plan import SearchPlan

Conn = psycopg.Connection[Any]
Vectors = NDArray[np.float32]
Distribute = Callable[[Conn, str, str | None], object]

SHOWN = ("Task Count", "Tuple data received", "Index Scan", "Seq Scan", "Function Scan")
"""Lines of a plan that tell whether both passes run on the shards."""

CONFIG = """
shared_preload_libraries = 'citus'
port = {port}
listen_addresses = 'localhost'
unix_socket_directories = '{folder}'
shared_buffers = '256MB'
maintenance_work_mem = '256MB'
fsync = off
"""


def main() -> None:
    """Start a cluster, or use one, and print each step."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pg-bin", type=Path, help="folder of PostgreSQL's programs")
    parser.add_argument("--dsn", help="the coordinator of a cluster that runs already")
    parser.add_argument("--port", type=int, default=9700, help="of the first server")
    parser.add_argument("--vectors", type=Path, help=".npy of full vectors")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--full", type=int, default=256, help="full dimensions")
    parser.add_argument("--dims", type=int, default=64)
    args = parser.parse_args()
    if (args.pg_bin is None) == (args.dsn is None):
        parser.error("give --pg-bin or --dsn")
    if args.vectors:
        vectors = np.load(args.vectors, mmap_mode="r")[: args.rows].astype(np.float32)
    else:
        random = np.random.default_rng(0)
        scale = np.arange(1, args.full + 1) ** -0.5
        values = random.normal(size=(args.rows, args.full)) * scale
        vectors = mrl_pg.normalise(values).astype(np.float32)
    with contextlib.ExitStack() as stack:
        dsn = args.dsn
        if args.pg_bin is not None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            dsn = stack.enter_context(cluster(args.pg_bin, folder, args.port))
        conn = stack.enter_context(psycopg.connect(dsn, autocommit=True))
        prepare(conn)
        measure(conn, vectors, args.dims, distributed)


@contextlib.contextmanager
def cluster(programs: Path, folder: Path, first_port: int) -> Iterator[str]:
    """A coordinator and two workers; the connection string of the coordinator."""
    ports = [first_port, first_port + 1, first_port + 2]
    started: list[Path] = []
    try:
        for port in ports:
            data = folder / str(port)
            run(programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust")
            with (data / "postgresql.conf").open("a") as config:
                config.write(CONFIG.format(port=port, folder=folder))
            log = folder / f"{port}.log"
            run(programs / "pg_ctl", "-D", data, "-l", log, "-w", "start")
            started.append(data)
            with psycopg.connect(url(port), autocommit=True) as conn:
                conn.execute("create extension citus")
        with psycopg.connect(url(first_port), autocommit=True) as conn:
            conn.execute(
                "select citus_set_coordinator_host('localhost', %s)", [first_port]
            )
            for port in ports[1:]:
                conn.execute("select citus_add_node('localhost', %s)", [port])
        yield url(first_port)
    finally:
        for data in started:
            run(programs / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")


def url(port: int) -> str:
    """Connection string of one of the servers."""
    return f"host=localhost port={port} user=postgres dbname=postgres"


def run(*command: object) -> None:
    """Run a program; its output only if it fails."""
    words = list(map(str, command))
    # not the output of a server that goes on running
    done = subprocess.run(words, stdout=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)} failed")


def prepare(conn: Conn) -> None:
    """Give the cluster pgvector, and the coordinator the schema mrl."""
    conn.execute("create extension if not exists vector")
    conn.execute("set citus.enable_ddl_propagation = off")
    mrl_pg.install(conn)
    conn.execute("reset citus.enable_ddl_propagation")
    conn.execute("set citus.shard_count = 8")


def distributed(conn: Conn, table: str, column: str | None) -> None:
    """Spread a table by a column, or copy it to all machines."""
    if column is None:
        conn.execute("select create_reference_table(%s)", [table])
    else:
        conn.execute("select create_distributed_table(%s, %s)", [table, column])


def measure(conn: Conn, vectors: Vectors, dims: int, distribute: Distribute) -> None:
    """Load, build and search; print what was sent and found."""
    queries = vectors[:: max(1, len(vectors) // 50)][:50]
    load_blocks(conn, vectors, "docs")
    index = MatryoshkaIndex("docs", "embedding", dims=dims, keep="expression")
    print(index.create(conn))
    conn.execute("analyze docs")
    show_recall("before it is distributed", conn, index, queries)
    index.drop(conn)
    distribute(conn, "docs", "id")
    print(index.create(conn))
    conn.execute("analyze docs")
    show_recall("8 shards", conn, index, queries)
    before = settings(conn)
    plan = index.plan(conn, queries[0])
    show_plan("docs, both passes", conn, plan)
    exact = index.plan(conn, queries[0], exact=True)
    show_plan("docs, exact", conn, exact)
    index.search(conn, queries[0])
    print(f"settings as before: {settings(conn) == before}")
    tenants(conn, dims, queries[0], distribute)
    copies(conn, dims, queries[0], distribute)
    print(index.drop(conn))
    conn.execute("drop table docs, tenants, copies")


def tenants(conn: Conn, dims: int, query: Any, distribute: Distribute) -> None:
    """A table by tenant: a filter on the tenant asks one shard."""
    conn.execute(
        "create table tenants as select id % 20 as tenant, id, embedding from docs"
    )
    conn.execute("alter table tenants add primary key (tenant, id)")
    (full,) = conn.execute("select vector_dims(embedding) from docs limit 1").fetchall()
    conn.execute(f"alter table tenants alter embedding type vector({full[0]})")
    distribute(conn, "tenants", "tenant")
    index = MatryoshkaIndex("tenants", "embedding", dims=dims, keep="expression")
    index.create(conn)
    one, tenant = "tenant = %s", [7]
    found = index.search(conn, query, filter=one, params=tenant)
    exact = index.search(conn, query, exact=True, filter=one, params=tenant)
    print(f"one tenant: {found.shards} shard, {share([found], [exact]):.3f} found")
    show_plan("one tenant", conn, index.plan(conn, query, filter=one, params=tenant))


def copies(conn: Conn, dims: int, query: Any, distribute: Distribute) -> None:
    """A reference table: each machine has all of it."""
    conn.execute("create table copies as select id, embedding from tenants")
    conn.execute("alter table copies add primary key (id)")
    distribute(conn, "copies", None)
    index = MatryoshkaIndex("copies", "embedding", dims=dims, keep="expression")
    index.create(conn)
    found = index.search(conn, query)
    exact = index.search(conn, query, exact=True)
    print(f"reference table: {found.shards} shard, {share([found], [exact]):.3f} found")


def show_recall(what: str, conn: Conn, index: MatryoshkaIndex, queries: Any) -> None:
    """Recall against exact search, and the median time of a search."""
    exact = index.search_many(conn, queries, exact=True)
    for candidates in (40, 160, 640):
        found, times = [], []
        for query in queries:
            start = time.perf_counter()
            found.append(index.search(conn, query, candidates=candidates))
            times.append(time.perf_counter() - start)
        median = 1000 * statistics.median(times)
        print(
            f"{what}: {candidates} candidates, ef_search {found[0].ef_search}, "
            f"recall {share(found, exact):.3f}, {median:.1f} ms"
        )


def share(found: Any, exact: Any) -> float:
    """Recall: how many of the true keys were found."""
    pairs = list(zip(found, exact, strict=True))
    hits = sum(len({*one.keys} & {*truth.keys}) for one, truth in pairs)
    return hits / max(1, sum(len(truth) for _, truth in pairs))


def show_plan(what: str, conn: Conn, plan: SearchPlan) -> None:
    """The lines of a plan that matter, and a setting as the shards have it."""
    table = plan.shape.facts.table
    print(f"{what}:")
    with conn.transaction(force_rollback=True), cursors.searching(conn) as cursor:
        for setting in plan.settings:
            cursor.execute(setting.encode())
        # by a column, so that the shards evaluate it
        setting = "current_setting('hnsw.ef_search', id is not null)"
        cursor.execute(f"select distinct {setting} from {table}".encode())
        print(f"  ef_search on the shards: {cursor.fetchall()}")
        cursor.execute(b"explain (analyze, verbose) " + plan.statement, plan.params)
        for (line,) in cursor.fetchall():
            if any(word in line for word in SHOWN):
                print(f"  {line.strip()}")


def settings(conn: Conn) -> Any:
    """What a search may not leave behind."""
    return conn.execute(
        "select current_setting('hnsw.ef_search', true),"
        " current_setting('citus.propagate_set_commands', true)"
    ).fetchone()


if __name__ == "__main__":
    main()
