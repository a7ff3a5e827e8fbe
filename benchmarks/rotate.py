"""What it costs to rotate a query, in the server and in NumPy, and to keep a rotation.

    python benchmarks/rotate.py
    python benchmarks/rotate.py --dims 768 --calls 500

CPU time, so that other work on the machine matters little: of the server, that of its
process from /proc (Linux only), less that of the same calls without the rotation. Kinds
of call take turns; the figure is the median of five turns. Matrices are random.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psycopg

import mrl_pg
from mrl_pg import MatryoshkaColumn
from mrl_pg.bench.own_server import own_server
from mrl_pg.rotation import Provenance, Rotation

TURNS = 5
CALLS = {
    "nothing": "select vector_norm(%s::vector)",
    "rotate": "select vector_norm(mrl.rotate('docs', 'embedding', %s::vector))",
    "unrotate": "select vector_norm(mrl.unrotate('docs', 'embedding', %s::vector))",
}
ROWS = 4096


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dims", type=int, nargs="+", default=[384, 768, 1536, 3072])
    parser.add_argument("--calls", type=int, default=100, help="of each kind, a turn")
    args = parser.parse_args()
    print(
        "| dimensions | `mrl.rotate` | `mrl.unrotate` | NumPy, a query "
        "| NumPy, a row of a load | `mrl.set_rotation` | stored |\n"
        "|---:|---:|---:|---:|---:|---:|---:|"
    )
    with own_server(18) as own, psycopg.connect(own.url, autocommit=True) as conn:
        mrl_pg.install(conn)
        for dims in args.dims:
            print(line(conn, dims, args.calls), flush=True)


def line(conn: psycopg.Connection, dims: int, calls: int) -> str:
    """Measure one size."""
    random = np.random.default_rng(1)
    axes = np.linalg.qr(random.standard_normal((dims, dims)))[0]
    rotation = Rotation(axes.astype(np.float32), Provenance("random", 0))
    conn.execute("drop table if exists docs")
    conn.execute(
        f"create table docs (id int primary key, embedding vector({dims}))".encode()
    )
    before = server_cpu(conn)
    MatryoshkaColumn("docs", "embedding").set_rotation(conn, rotation)
    kept = server_cpu(conn) - before
    query = random.standard_normal(dims).astype(np.float32)
    rows = random.standard_normal((ROWS, dims)).astype(np.float32)
    sent = [str(query.tolist())]
    turns: dict[str, list[float]] = {name: [] for name in (*CALLS, "one", "many")}
    for _ in range(TURNS):
        for name, statement in CALLS.items():
            before = server_cpu(conn)
            for _ in range(calls):
                conn.execute(statement.encode(), sent).fetchall()
            turns[name].append((server_cpu(conn) - before) / calls * 1e3)
        turns["one"].append(own_cpu(lambda: rotation.apply(query), calls) * 1e3)
        turns["many"].append(own_cpu(lambda: rotation.apply(rows), 1) / ROWS * 1e6)
    middle = {name: statistics.median(found) for name, found in turns.items()}
    (size,) = conn.execute(
        "select pg_size_pretty(pg_total_relation_size('mrl._rotation_rows'))"
    ).fetchone() or ("",)
    turned, back = (middle[name] - middle["nothing"] for name in ("rotate", "unrotate"))
    return (
        f"| {dims} | {turned:.2f} ms | {back:.2f} ms | {middle['one']:.2f} ms "
        f"| {middle['many']:.0f} µs | {kept:.1f} s | {size} |"
    )


def server_cpu(conn: psycopg.Connection) -> float:
    """Seconds of CPU that the server's process of a connection has used."""
    stat = Path(f"/proc/{conn.info.backend_pid}/stat").read_text(encoding="utf-8")
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def own_cpu(act: Callable[[], object], calls: int) -> float:
    """Seconds of CPU of this process for a call."""
    begun = time.process_time()
    for _ in range(calls):
        act()
    return (time.process_time() - begun) / calls


if __name__ == "__main__":
    main()
