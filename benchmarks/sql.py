"""Compare searches from SQL with a statement by hand, and batches with single calls.

    python benchmarks/sql.py                            # random clustered rows
    python benchmarks/sql.py --vectors embeddings.npy --rows 100000

Single searches run in pgbench of the embedded server, prepared, with one client. Each
form of a search answers ten ids. The forms take turns within one script, each on a
random query, so that other work of the machine slows all of them. Their order changes
from run to run. By hand means the text that `mrl.search_sql` prints. The recipe is
that of pgvector's manual, which leaves its settings to the session.

Batches: one `mrl.search_many` of 100 queries against 100 prepared calls of
`mrl.search`, on the local socket, and through a proxy that delays each message in
both directions.
"""

import argparse
import os
import queue
import random
import re
import socket
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psycopg
from numpy.typing import NDArray

import mrl_pg
from mrl_pg import server
from mrl_pg.load import load_blocks
from mrl_pg.load.destination import Storage

QUERY = "(select embedding from queries where id = :id)"
FORMS = {
    "by hand": "{hand}",
    "recipe": "select id from (select * from {table} order by {first} limit 160) "
    "as found order by embedding <=> {query} limit 10",
    "created function": "select id from {function}({query})",
    "mrl.search": "select id from mrl.search(null::{table}, 'embedding', {query})",
    "mrl.search_keys": "select key from mrl.search_keys("
    "null::bigint, '{table}', 'embedding', {query})",
}
ENVIRONMENT = {**os.environ, "PGOPTIONS": "-c hnsw.ef_search=160"}
"""Settings for the recipe; every other form sets and restores its own."""

TABLES: dict[str, tuple[str, int, Storage | None]] = {
    # PostgreSQL's default for a vector of 1536 dimensions, and in the row
    "toasted": ("halfvec", 256, None),
    "plain": ("bit", 1536, "plain"),
}


def main() -> None:
    """Print medians and ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--vectors", type=Path, help=".npy of shape (rows, 1536)")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--searches", type=int, default=500, help="of each form a run")
    parser.add_argument("--latency-ms", type=float, default=5.0, help="each way")
    args = parser.parse_args()
    rows, queries = vectors(args.vectors, args.rows, args.queries)
    with (
        tempfile.TemporaryDirectory(prefix="mrl_pg_bench_") as folder,
        server.embedded(Path(folder, "data")) as running,
        psycopg.connect(running.url(), autocommit=True) as conn,
    ):
        mrl_pg.install(conn)
        load_blocks(conn, queries, "queries")
        for table, (kind, dims, storage) in TABLES.items():
            load_blocks(conn, rows, table, storage=storage)
            conn.execute(
                "select mrl.create_index(%s, 'embedding', %s, %s)", [table, dims, kind]
            )
            conn.execute(f"vacuum (analyze) {table}".encode())
            print(f"\n{table}: {len(rows):,} rows, {kind}({dims}), 160 candidates")
            singles(running.url(), conn, table, args.runs, args.searches)
            batches(running.url(), table, queries[:100], args.runs, 0.0)
            batches(running.url(), table, queries[:100], 3, args.latency_ms / 1000)


def vectors(
    path: Path | None, rows: int, queries: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Rows and queries: the first and the last rows of a file, or random ones."""
    if path is not None:
        matrix = np.load(path, mmap_mode="r")
        return (
            np.asarray(matrix[:rows], dtype=np.float32),
            np.asarray(matrix[-queries:], dtype=np.float32),
        )
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(500, 1536))
    pick = rng.integers(len(centres), size=rows + queries)
    made = (centres[pick] + 0.7 * rng.normal(size=(len(pick), 1536))).astype(np.float32)
    return made[:rows], made[rows:]


def singles(
    url: str, conn: psycopg.Connection, table: str, runs: int, searches: int
) -> None:
    """Milliseconds of each form, and its median ratio to the form by hand."""
    function = f"search_{table}"
    conn.execute(
        "select mrl.create_search_function(%s, %s, 'embedding')", [function, table]
    )
    printed = conn.execute(
        "select mrl.search_sql(%s, 'embedding')", [table]
    ).fetchall()[0][0]
    first = conn.execute(
        "select short_column || case kind when 'bit' then %s else %s end "
        "from mrl.indexes where table_name = %s::regclass",
        [
            f" <~> binary_quantize({QUERY})::bit(1536)",
            f" <=> l2_normalize(subvector({QUERY}, 1, 256))::halfvec(256)",
            table,
        ],
    ).fetchall()[0][0]
    # pgbench reads scripts by lines, and a colon begins one of its variables
    hand = " ".join(re.sub(r"--.*", "", printed).split()).replace("$1", QUERY)
    forms = {
        name: form.format(
            hand=hand, function=function, table=table, query=QUERY, first=first
        )
        for name, form in FORMS.items()
    }
    check_same(conn, forms)
    times: dict[str, list[float]] = {name: [] for name in forms}
    for run in range(runs):
        for name, took in pgbench(url, forms, run, searches).items():
            times[name].append(took)
    print(f"  {'':<18} {'median':>10} {'/ by hand':>10} {'/ recipe':>9}")
    for name, all_runs in times.items():
        ratios = [
            statistics.median(
                a / b for a, b in zip(all_runs, times[rival], strict=True)
            )
            for rival in ("by hand", "recipe")
        ]
        median = statistics.median(all_runs)
        print(f"  {name:<18} {median:7.3f} ms {ratios[0]:10.3f} {ratios[1]:9.3f}")


def check_same(conn: psycopg.Connection, forms: dict[str, str]) -> None:
    """Check that every form answers the same keys."""
    conn.execute("set hnsw.ef_search = 160")
    answers = {
        name: [row[0] for row in conn.execute(form.replace(":id", "7").encode())]
        for name, form in forms.items()
    }
    if any(keys != answers["by hand"] for keys in answers.values()):
        raise SystemExit(f"the forms answer differently: {answers}")


def pgbench(
    url: str, forms: dict[str, str], run: int, searches: int
) -> dict[str, float]:
    """Milliseconds of each form in one run of pgbench, in random order."""
    order = random.Random(run).sample(list(forms), len(forms))
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        for name in order:
            script.write(f"\\set id random(1, 500)\n{forms[name]};\n")
        script.flush()
        command = [
            str(server.bin_dir(18) / "pgbench"),
            url,
            "-n",
            "-r",
            "-M",
            "prepared",
        ]
        command += [f"--random-seed={run}", "-t", str(searches), "-f", script.name]
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, env=ENVIRONMENT
        )
    report = re.findall(r"^\s+([\d.]+)\s+\d+\s+(select|with)\b", done.stdout, re.M)
    return {name: float(took) for name, (took, _) in zip(order, report, strict=True)}


def batches(
    url: str, table: str, queries: NDArray[np.float32], runs: int, latency: float
) -> None:
    """Seconds of one call for all queries and of a call for each, and their ratio."""
    texts = [str(query.tolist()) for query in queries]
    one = f"select id from mrl.search(null::{table}, 'embedding', %s::vector)".encode()
    many = (
        "select query, (hit).id "
        f"from mrl.search_many(null::{table}, 'embedding', %s::vector[])"
    ).encode()
    with (
        delayed(url, latency) as through,
        psycopg.connect(through, autocommit=True, prepare_threshold=0) as conn,
    ):

        def each() -> list[int]:
            return [row[0] for text in texts for row in conn.execute(one, [text])]

        def together() -> list[int]:
            return [row[1] for row in conn.execute(many, [texts])]

        if each() != together():
            raise SystemExit("a batch answers differently from single calls")
        singly: list[float] = []
        batched: list[float] = []
        for _ in range(runs):
            singly.append(seconds(each))
            batched.append(seconds(together))
    ratio = statistics.median(a / b for a, b in zip(singly, batched, strict=True))
    print(
        f"  batch of {len(texts)}, {latency * 1000:g} ms each way: "
        f"{statistics.median(batched) * 1000:.0f} ms, "
        f"{ratio:.2f} times as fast as single calls"
    )


def seconds(work: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


@contextmanager
def delayed(url: str, latency: float) -> Iterator[str]:
    """Address of a proxy to the server that delays each message, both ways."""
    if not latency:
        yield url
        return
    target = psycopg.conninfo.conninfo_to_dict(url)
    with tempfile.TemporaryDirectory(prefix="mrl_pg_proxy_") as folder:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(f"{folder}/.s.PGSQL.{target['port']}")
        listener.listen()
        threading.Thread(
            target=forward,
            args=(listener, f"{target['host']}/.s.PGSQL.{target['port']}", latency),
            daemon=True,
        ).start()
        try:
            yield psycopg.conninfo.make_conninfo(url, host=folder)
        finally:
            listener.close()


def forward(listener: socket.socket, target: str, latency: float) -> None:
    """Serve one connection after another until the listener is closed."""
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        upstream = socket.socket(socket.AF_UNIX)
        upstream.connect(target)
        for ends in ((client, upstream), (upstream, client)):
            threading.Thread(target=pump, args=(*ends, latency), daemon=True).start()


def pump(source: socket.socket, sink: socket.socket, wait: float) -> None:
    """Forward each piece after a delay; many pieces may be on the way at once."""
    way: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()

    def deliver() -> None:
        while True:
            due, data = way.get()
            time.sleep(max(0.0, due - time.perf_counter()))
            if not data:
                sink.shutdown(socket.SHUT_WR)
                return
            sink.sendall(data)

    threading.Thread(target=deliver, daemon=True).start()
    data = b"not yet"
    while data:
        data = source.recv(1 << 20)
        way.put((time.perf_counter() + wait, data))


if __name__ == "__main__":
    main()
