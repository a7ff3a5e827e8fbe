"""Kill builds again and again while four writers work, and check what is left.

    python benchmarks/soak.py --hits 100
    python benchmarks/soak.py --hits 12 --rows 3000     # a few minutes

Each round creates an index by `mrl-pg create`, in one of the ways to keep short
values, and hits it at a random moment: the client is killed, its server process is
terminated or cancelled, or the whole server is killed with -9 and started again. Then
the command runs until it succeeds. The script fails if a committed row is lost, if a
short value is wrong, if `mrl.status()` finds anything, or if the index finds less than
the same index built again. It prints the hits, and the longest wait of a writer with
and without us.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psycopg

import mrl_pg
from mrl_pg import MatryoshkaIndex, server
from mrl_pg.load import load_blocks

DIMS = 256
HITS = ("client", "terminate", "cancel", "server")
NAME = "soak"
"""The application name of the sessions that are hit."""


def vector(seed: int) -> str:
    """The vector of a row as text, from the number that the row holds beside it."""
    scale = np.arange(1, DIMS + 1) ** -0.5
    made = np.random.default_rng(seed).normal(size=DIMS) * scale
    return str((made / np.linalg.norm(made)).round(5).tolist())


@dataclass
class Writer(threading.Thread):
    """Inserts, updates and deletes rows of its own, and knows what was committed."""

    url: str
    number: int
    done: threading.Event
    rows: dict[int, int] = field(default_factory=dict)
    gone: set[int] = field(default_factory=set)
    unsure: set[int] = field(default_factory=set)
    waits: list[tuple[float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Become a thread."""
        super().__init__(daemon=True)

    def __hash__(self) -> int:
        """By identity, as threads are."""
        return id(self)

    def run(self) -> None:
        """Write until the event is set; connect again after every loss."""
        draw = random.Random(self.number)
        key = 10_000_000 * self.number
        while not self.done.is_set():
            try:
                with psycopg.connect(self.url, autocommit=True) as conn:
                    while not self.done.is_set():
                        key += 1
                        self._write(conn, draw, key)
                        time.sleep(0.01)
            except psycopg.OperationalError:
                time.sleep(0.2)

    def _write(
        self, conn: psycopg.Connection[Any], draw: random.Random, key: int
    ) -> None:
        kind = draw.choice(("insert", "update", "delete")) if self.rows else "insert"
        if kind != "insert":
            key = draw.choice(list(self.rows))
        seed = draw.randrange(1 << 30)
        start = time.monotonic()
        self.unsure.add(key)
        if kind == "insert":
            conn.execute(
                "insert into docs (id, note, embedding) values (%s, %s, %s::vector)",
                [key, seed, vector(seed)],
            )
            self.rows[key] = seed
        elif kind == "update":
            conn.execute(
                "update docs set note = %s, embedding = %s::vector where id = %s",
                [seed, vector(seed), key],
            )
            self.rows[key] = seed
        else:
            conn.execute("delete from docs where id = %s", [key])
            del self.rows[key]
            self.gone.add(key)
        # committed: whatever broke before this line may have been, or not
        self.unsure.discard(key)
        self.waits.append((start, time.monotonic() - start))


@contextmanager
def writing(url: str) -> Iterator[list[Writer]]:
    """Four writers that work during the block."""
    done = threading.Event()
    writers = [Writer(url, number, done) for number in range(1, 5)]
    for writer in writers:
        writer.start()
    try:
        yield writers
    finally:
        done.set()
        for writer in writers:
            writer.join()


def shell(url: str, *arguments: str) -> subprocess.Popen[str]:
    """`mrl-pg …`, started."""
    return subprocess.Popen(
        [sys.executable, "-m", "mrl_pg", *arguments, "--dsn", url],
        env={**os.environ, "PGAPPNAME": NAME},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(url: str, *arguments: str) -> None:
    """Run a command until it succeeds; another session may be building still."""
    for _ in range(120):
        running = shell(url, *arguments)
        _, said = running.communicate()
        if running.returncode == 0:
            return
        if running.returncode not in (6, 10):
            raise SystemExit(
                f"mrl-pg {arguments[0]} exits {running.returncode}: {said}"
            )
        time.sleep(1)
    raise SystemExit(f"mrl-pg {arguments[0]} never succeeds: {said}")


def hit(how: str, running: subprocess.Popen[str], folder: Path, url: str) -> bool:
    """Hit a running command; answers whether it was running still."""
    if running.poll() is not None:
        return False
    if how == "client":
        running.kill()
    elif how == "server":
        pid = int((folder / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
        running.wait()
        time.sleep(0.5)
        server.start(folder)
    else:
        with psycopg.connect(url, autocommit=True) as conn:
            hits = conn.execute(
                f"select pg_{how}_backend(pid) from pg_stat_activity "
                "where application_name = %s and state = 'active'".encode(),
                [NAME],
            ).fetchall()
        if not hits:
            return False
    running.communicate()
    return True


def check(url: str, index: MatryoshkaIndex, writers: list[Writer]) -> None:
    """Raise SystemExit unless all rows are there and their short values are right."""
    with psycopg.connect(url, autocommit=True) as conn:
        known: dict[int, int] = dict(
            conn.execute("select id, note from docs where id > 10000000")
        )
        for writer in writers:
            unsure = set(writer.unsure)
            for key, note in list(writer.rows.items()):
                if key in unsure or key in writer.unsure:
                    continue
                if key not in known:
                    with_now = conn.execute(
                        "select note from docs where id = %s", [key]
                    )
                    if with_now.fetchone() is None and key in writer.rows:
                        raise SystemExit(f"row {key} with note {note} is lost")
        findings = conn.execute(
            "select finding, detail from mrl.status() where finding is not null"
        ).fetchall()
        if findings:
            raise SystemExit(f"status finds {findings}")
        if index.keep == "trigger":
            wrong = conn.execute(
                f"select count(*) from docs where {index.short} is distinct from "
                f"binary_quantize(subvector(embedding, 1, {index.dims}))"
                f"::bit({index.dims})".encode()
            ).fetchone()
            if wrong != (0,):
                raise SystemExit(f"{wrong} short values are wrong")


def recall(url: str, index: MatryoshkaIndex) -> float:
    """Share of the true 10 that a search finds, over queries that are no rows."""
    queries = [vector(-seed % (1 << 31)) for seed in range(1, 41)]
    with psycopg.connect(url, autocommit=True) as conn:
        found = 0
        for text in queries:
            query = [float(value) for value in text.strip("[]").split(",")]
            exact = index.search(conn, query, k=10, exact=True).keys
            found += len({*exact} & {*index.search(conn, query, k=10).keys})
    return found / (10 * len(queries))


def longest(writers: list[Writer], start: float, end: float) -> float:
    """The longest wait of a writer between two moments, in milliseconds."""
    waits = [took for w in writers for at, took in w.waits if start <= at <= end]
    return 1000 * max(waits, default=0)


def main() -> None:
    """Hit builds, check, and print what was seen."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hits", type=int, default=100)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", default="expression,trigger")
    args = parser.parse_args()
    draw = random.Random(args.seed)
    hits: Counter[tuple[str, str]] = Counter()
    with tempfile.TemporaryDirectory(prefix="mrl_pg_soak_") as home:
        folder = Path(home, "data")
        url = server.start(folder).url()
        try:
            with psycopg.connect(url, autocommit=True) as conn:
                mrl_pg.install(conn)
                scale = np.arange(1, DIMS + 1) ** -0.5
                made = np.random.default_rng(0).normal(size=(args.rows, DIMS)) * scale
                load_blocks(conn, made.astype(np.float32), "docs")
                conn.execute("alter table docs add column note int")
                conn.execute(
                    "create index docs_full on docs using hnsw "
                    "(embedding vector_cosine_ops) with (m = 4, ef_construction = 8)"
                )
            with writing(url) as writers:
                start = time.monotonic()
                time.sleep(10)
                alone = longest(writers, start, time.monotonic())
                worst = 0.0
                while sum(hits.values()) < args.hits:
                    keep = draw.choice(args.keep.split(","))
                    index = MatryoshkaIndex(
                        "docs", "embedding", dims=128, kind="bit", keep=keep
                    )
                    create = (
                        *("create", "docs", "embedding", "--dims", "128"),
                        *("--kind", "bit", "--keep", keep),
                    )
                    how = draw.choice(HITS)
                    running = shell(url, *create)
                    time.sleep(draw.uniform(0.7, 0.7 + args.rows / 3000))
                    at = time.monotonic()
                    struck = hit(how, running, folder, url)
                    if not struck:
                        running.communicate()
                    hits[keep, how] += struck
                    again = time.monotonic()
                    finish(url, *create)
                    # while the server was down, writers waited for it, not for us
                    worst = max(worst, longest(writers, again, time.monotonic()))
                    check(url, index, writers)
                    print(
                        f"{sum(hits.values())} of {args.hits}: {keep}, {how} "
                        f"{'hit' if struck else 'missed'} after {at - start:.0f} s",
                        flush=True,
                    )
                    found = recall(url, index)
                    with psycopg.connect(url, autocommit=True) as conn:
                        conn.execute(
                            f"reindex index concurrently {index.name}".encode()
                        )
                    fresh = recall(url, index)
                    if found < fresh - 0.03:
                        raise SystemExit(f"recall {found} against {fresh} built again")
                    finish(
                        url,
                        *(
                            "drop",
                            "docs",
                            "embedding",
                            "--dims",
                            "128",
                            "--kind",
                            "bit",
                        ),
                    )
        finally:
            server.stop(folder)
    print("hits in mid-operation:")
    for (keep, how), count in sorted(hits.items()):
        print(f"  {keep:10} {how:10} {count}")
    print(
        f"longest wait of a writer: {alone:.0f} ms without us, {worst:.0f} ms with us"
    )


if __name__ == "__main__":
    main()
