"""Hit create, resize, switch, repair and drop while four writers work; check the rest.

    python benchmarks/soak.py --hits 100
    python benchmarks/soak.py --hits 12 --rows 3000     # in about a minute

Each round takes one way to keep short values, and runs the commands of a life: create,
create another size beside it and switch to that, drop the first, repair what was broken
by hand, drop. Each is hit while it runs, at its steps in turn and at random: the client
is killed, its server process is terminated, cancelled or killed, or the whole server is
killed with -9. Then the command runs until it succeeds.

The script fails if a committed row is lost, if a short value is not that of the full
vector, if `mrl.status()` finds anything, or nothing where something is left, or if the
index finds less than the same index built again. It prints the hits that found the
command in its work, the longest wait of a writer with and without us, and how long a
lock was held that keeps others from writing.
"""

import argparse
import random
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import psycopg
from soaking import checks, hits
from soaking.verbs import Verb, switch
from soaking.watcher import Watcher, watching
from soaking.writers import DIMS, Writer, longest, writing

import mrl_pg
from mrl_pg import MatryoshkaIndex, server
from mrl_pg.kinds import Keep, Kind
from mrl_pg.load import load_blocks
from mrl_pg.server import VERSIONS, programs

QUIET = 2.0
"""Seconds of a sample of the writers alone."""

SIZES: tuple[tuple[int, Kind], ...] = ((128, "bit"), (64, "halfvec"))
"""The first size of an index, and the size that it is changed to."""


def start(folder: Path, version: int) -> str:
    """The server of a folder; its address."""
    return server.start(folder, version).url()


def other_programs(folder: Path) -> int:
    """Let servers be started with the programs of another PostgreSQL; its version."""
    version = int(folder.resolve().parent.name)
    programs.VERSIONS = (version, *VERSIONS)  # type: ignore[assignment]
    programs.pgserver().POSTGRES_VERSIONS[version] = folder.resolve()
    return version


def load(url: str, rows: int) -> None:
    """A table in use: rows, and an index over the full vectors."""
    with psycopg.connect(url, autocommit=True) as conn:
        mrl_pg.install(conn)
        scale = np.arange(1, DIMS + 1) ** -0.5
        made = np.random.default_rng(0).normal(size=(rows, DIMS)) * scale
        load_blocks(conn, made.astype(np.float32), "docs")
        conn.execute("alter table docs add column note int")
        conn.execute(
            "create index docs_full on docs using hnsw "
            "(embedding vector_cosine_ops) with (m = 4, ef_construction = 8)"
        )


@dataclass
class Soak:
    """A server that is used, and what was seen so far."""

    url: str
    hitter: hits.Hitter
    writers: list[Writer]
    watcher: Watcher
    wanted: int
    struck: Counter[tuple[str, str]] = field(default_factory=Counter)
    steps: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    missed: int = 0
    quiet: list[float] = field(default_factory=list)
    busy: dict[str, list[float]] = field(default_factory=dict)
    hows: list[str] = field(default_factory=list)

    @property
    def over(self) -> bool:
        """Whether there were enough hits."""
        return self.struck.total() >= self.wanted

    def rest(self) -> None:
        """Note how long writers wait without us."""
        began = time.monotonic()
        time.sleep(QUIET)
        self.quiet.append(longest(self.writers, began, time.monotonic()))

    @contextmanager
    def timed(self, verb: Verb) -> Iterator[None]:
        """Note how long writers wait, and locks last, in the block."""
        self.watcher.label = verb.keep
        began = time.monotonic()
        yield
        waited = longest(self.writers, began, time.monotonic())
        self.busy.setdefault(verb.keep, []).append(waited)

    def carry_out(self, verb: Verb, there: list[MatryoshkaIndex]) -> None:
        """Run a verb, hit it, run it until it succeeds, and check what is there."""
        verb.prepare(self.url)
        if not self.over:
            self.hit(verb)
        began = time.monotonic()
        with self.timed(verb):
            verb.finish(self.url)
        kind = verb.name, verb.keep
        took = time.monotonic() - began
        self.hitter.typical[kind] = max(self.hitter.typical.get(kind, 0), took)
        checks.check(self.url, there, self.writers)

    def hit(self, verb: Verb) -> None:
        """Run a verb and hit it."""
        if not self.hows:
            self.hows = list(hits.HOWS)
            self.hitter.draw.shuffle(self.hows)
        how = self.hows.pop()
        # another session may make it wait, so that its locks are not counted
        self.watcher.label = "hit"
        struck = self.hitter.strike(verb, how)
        hits.ready(self.hitter.folder, self.url)
        if struck is None:
            self.missed += 1
        else:
            self.struck[verb.keep, how] += 1
            at = next((step for step in verb.steps if step in struck.query), "between")
            self.steps[verb.name, verb.keep, at] += 1
        checks.check_named(self.url)
        print(
            f"{self.struck.total():3} of {self.wanted}: {verb.keep} {verb.name}, {how} "
            f"{'hit' if struck else 'missed'}",
            flush=True,
        )

    def life(self, keep: Keep) -> None:
        """Create, resize, switch, drop the old, repair and drop the new."""
        first, second = (
            MatryoshkaIndex("docs", "embedding", dims=dims, kind=kind, keep=keep)
            for dims, kind in SIZES
        )
        self.carry_out(Verb("create", first, keep), [first])
        checks.check_recall(self.url, first)
        self.carry_out(Verb("create", second, keep), [first, second])
        switch(self.url, second)
        self.carry_out(Verb("drop", first, keep), [second])
        self.carry_out(Verb("repair", second, keep), [second])
        checks.check_recall(self.url, second)
        self.carry_out(Verb("drop", second, keep), [])
        self.watcher.label = ""
        self.rest()

    def report(self) -> None:
        """Print what was seen."""
        print(f"\nhits in the work of a command ({self.missed} came too late):")
        for (keep, how), count in sorted(self.struck.items()):
            print(f"  {keep:10} {how:10} {count}")
        print("at:")
        for (name, keep, step), count in sorted(self.steps.items()):
            print(f"  {name:7} {keep:10} {step:26} {count}")
        print(f"longest wait of a writer in each {QUIET:.0f} s without us, ms:")
        print(f"  {spread(self.quiet)}")
        print("longest wait of a writer in each command, ms:")
        for keep, waits in self.busy.items():
            print(f"  {keep:10} {spread(waits)}")
        print(
            "longest time that a lock above SHARE UPDATE EXCLUSIVE was held, and was "
            f"waited for, ms ({self.watcher.looks} looks, at most "
            f"{self.watcher.gap:.0f} ms apart):"
        )
        for keep in self.busy:
            held, waited = self.watcher.held, self.watcher.waited
            print(f"  {keep:10} {held.get(keep, 0):.0f}, {waited.get(keep, 0):.0f}")


def spread(waits: list[float]) -> str:
    """Median and maximum of some samples."""
    middle = statistics.median(waits)
    return f"median {middle:.0f}, most {max(waits):.0f} of {len(waits)} samples"


def main() -> None:
    """Hit commands, check, and print what was seen."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hits", type=int, default=100)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", default="expression,trigger,generated")
    parser.add_argument("--pg-bin", type=Path, help="programs of another PostgreSQL")
    args = parser.parse_args()
    version = other_programs(args.pg_bin) if args.pg_bin else VERSIONS[0]
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mrl_pg_soak_") as home:
        folder = Path(home, "data")
        url = start(folder, version)
        hitter = hits.Hitter(
            url, folder, partial(start, folder, version), random.Random(args.seed)
        )
        try:
            load(url, args.rows)
            with writing(url) as writers, watching(url) as watcher:
                soak = Soak(url, hitter, writers, watcher, args.hits)
                for _ in range(3):
                    soak.rest()
                for _ in range(2 + args.hits // 3):
                    for keep in args.keep.split(","):
                        soak.life(keep)
                    if soak.over:
                        break
                else:
                    raise SystemExit(f"only {soak.struck.total()} hits")
                check_base(url, args.rows)
            soak.report()
        finally:
            server.stop(folder, version)
    print(f"{time.monotonic() - began:.0f} s")


def check_base(url: str, rows: int) -> None:
    """Raise SystemExit if a row is lost that nobody wrote."""
    with psycopg.connect(url) as conn:
        counted = conn.execute(
            "select count(*) from docs where id <= %s", [rows]
        ).fetchone()
    if counted != (rows,):
        raise SystemExit(f"{counted} of the first {rows} rows are there")


if __name__ == "__main__":
    main()
