"""Hit every command that changes a table while others write and search; check the rest.

    python benchmarks/soak.py --hits 100
    python benchmarks/soak.py --hits 12 --rows 1000 --look 200     # in about a minute

A life has three scenes, for each way to keep short values. Another size: create, resize
and switch, and back, which drops the one between. Another way: create, keep-as, and
back, repair what was broken by hand. Another model: create, fill a second column of
full vectors from a file while the application writes both, create, switch, drop the
index and the column of the old model. Commands are hit while they run, at their steps
in turn and at random: the client is killed, its server process is terminated, cancelled
or killed, or the whole server is killed with -9. Then the command runs until it
succeeds. The hits are spread over all commands.

Four writers and a reader work all the time. The script fails if a committed row is
lost, if a search fails or misses its row, if a short value is not that of the full
vector, if `mrl.status()` finds anything, or nothing where something is left, or if an
index finds less than the same index built again. It prints the hits that found the
command in its work, the longest wait of a writer with and without us, what writers
waited for, and how long a lock was held that keeps others from writing.
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
from itertools import product
from pathlib import Path

import psycopg
from soaking import checks, hits, lives, table
from soaking.reader import Reader, reading
from soaking.verbs import Verb
from soaking.watcher import Watcher, watching
from soaking.writers import Writer, longest, writing

from mrl_pg import MatryoshkaIndex, server
from mrl_pg.server import VERSIONS, programs

MOST_HITS = 5
"""How often a command is hit at most before it may succeed."""

QUIET = 2.0
"""Seconds of a sample of the writers alone."""


def start(folder: Path, version: int) -> str:
    """The server of a folder; its address."""
    return server.start(folder, version).url()


def other_programs(folder: Path) -> int:
    """Let servers be started with the programs of another PostgreSQL; its version."""
    version = int(folder.resolve().parent.name)
    programs.VERSIONS = (version, *VERSIONS)  # type: ignore[assignment]
    programs.pgserver().POSTGRES_VERSIONS[version] = folder.resolve()
    return version


@dataclass
class Soak:
    """A server that is used, and what was seen so far."""

    url: str
    hitter: hits.Hitter
    writers: list[Writer]
    reader: Reader
    watcher: Watcher
    rows: int
    wanted: int
    until: float
    """The moment after which nothing is hit any more."""
    commands: int
    """In each round; the hits are spread over those of one."""
    run: int = 0
    """Commands so far."""
    before: int = 0
    """How many indexes there were before this command."""
    struck: Counter[tuple[str, str]] = field(default_factory=Counter)
    steps: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    missed: int = 0
    quiet: list[float] = field(default_factory=list)
    busy: dict[str, list[float]] = field(default_factory=dict)
    hows: list[str] = field(default_factory=list)

    @property
    def over(self) -> bool:
        """Whether there were enough hits."""
        return self.struck.total() >= self.wanted or time.monotonic() > self.until

    def rest(self) -> None:
        """Note how long writers wait without us."""
        began = time.monotonic()
        time.sleep(QUIET)
        self.quiet.append(longest(self.writers, began, time.monotonic()))

    @property
    def due(self) -> bool:
        """Whether the next command is to be hit."""
        hit = self.struck.total()
        return not self.over and hit < min(
            self.wanted, self.wanted * self.run / self.commands
        )

    @contextmanager
    def timed(self, verb: Verb) -> Iterator[None]:
        """Note how long writers wait, and locks last, in the block."""
        self.watcher.label = f"{verb.name} {verb.keep}"
        began = time.monotonic()
        yield
        waited = longest(self.writers, began, time.monotonic())
        self.busy.setdefault(self.watcher.label, []).append(waited)

    def carry_out(self, verb: Verb, there: list[MatryoshkaIndex]) -> None:
        """Run a verb, hit it, run it until it succeeds, and check what is there."""
        self.run += 1
        self.reader.during = f"{verb.keep} {verb.name}"
        # what is broken by hand may have no index
        self.reader.must = bool(self.before and there) and verb.name != "repair"
        self.before = len(there)
        for _ in range(MOST_HITS):
            if self.due:
                self.hit(verb)
        began = time.monotonic()
        with self.timed(verb):
            verb.finish(self.url)
        kind = verb.name, verb.keep
        took = time.monotonic() - began
        self.hitter.typical[kind] = max(self.hitter.typical.get(kind, 0), took)
        self.watcher.label = ""
        self.reader.during = f"after {verb.keep} {verb.name}"
        checks.check(self.url, there, self.writers, self.rows)
        self.reader.must = False

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
        try:
            checks.check_named(self.url)
        except psycopg.OperationalError:
            # the server noticed only now that one of its processes was killed
            hits.ready(self.hitter.folder, self.url)
            checks.check_named(self.url)
        print(
            f"{self.struck.total():3} of {self.wanted}: {verb.keep} {verb.name}, {how} "
            f"{'hit' if struck else 'missed'}",
            flush=True,
        )

    def report(self) -> None:
        """Print what was seen."""
        print(f"\nhits in the work of a command ({self.missed} came too late):")
        for (keep, how), count in sorted(self.struck.items()):
            print(f"  {keep:10} {how:10} {count}")
        print(
            f"searches: {self.reader.searches}, of which {self.reader.found} found the "
            f"row whose vector was the query; {self.reader.without} while no index was "
            f"there; {len(self.reader.failed)} failed"
        )
        print("at:")
        for (name, keep, step), count in sorted(self.steps.items()):
            print(f"  {name:7} {keep:10} {step:28} {count}")
        print(f"longest wait of a writer in each {QUIET:.0f} s without us, ms:")
        print(f"  {spread(self.quiet)}")
        print(
            "longest wait of a writer in each command, ms; and how long a lock above "
            "SHARE UPDATE EXCLUSIVE was held, and waited for, at most, ms "
            f"({self.watcher.looks} looks, at most {self.watcher.gap:.0f} ms apart):"
        )
        held, waited = self.watcher.held, self.watcher.waited
        for label, waits in sorted(self.busy.items()):
            locks = f"{held.get(label, 0):.0f}, {waited.get(label, 0):.0f}"
            print(f"  {label:20} {spread(waits)}; {locks}")
        print("what writers waited for, outside hits, 20 ms and more:")
        blocked = sorted((-most, what) for what, most in self.watcher.blocked.items())
        for most, what in blocked:
            if most < -20 and not what.startswith("hit"):
                print(f"  {-most:5.0f} ms  {what}")


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
    parser.add_argument("--minutes", type=float, default=1e6, help="of hits, at most")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--look", type=float, default=5, help="ms between looks")
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
            table.load(url, args.rows)
            keeps = args.keep.split(",")
            commands = len(keeps) * sum(lives.COMMANDS)
            with (
                writing(url) as writers,
                reading(url, args.rows, writers) as reader,
                watching(url, args.look / 1000) as watcher,
            ):
                soak = Soak(
                    url,
                    hitter,
                    writers,
                    reader,
                    watcher,
                    args.rows,
                    args.hits,
                    time.monotonic() + 60 * args.minutes,
                    commands,
                )
                scenes = lives.Lives(url, Path(home), writers, soak.carry_out)
                for _ in range(3):
                    soak.rest()
                try:
                    for _ in range(2 + args.hits // len(keeps)):
                        for number, keep in product(range(len(lives.COMMANDS)), keeps):
                            scenes.scene(number, keep)
                        soak.rest()
                        if soak.over:
                            break
                finally:
                    # also what was seen before a fault
                    soak.report()
            reader.check()
            if soak.struck.total() < args.hits:
                raise SystemExit(f"only {soak.struck.total()} hits")
        finally:
            server.stop(folder, version)
    print(f"{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
