"""The verbs of a round, as the shell runs them, and their steps."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass

import psycopg

from mrl_pg import MatryoshkaIndex
from mrl_pg.kinds import Keep
from soaking.watcher import APPLICATION

STEPS = {
    ("create", "expression"): ("create index concurrently", "mrl.register("),
    ("create", "trigger"): (
        "mrl._add_kept_column(",
        "mrl._fill_next(",
        "create index concurrently",
        "mrl._check_values(",
        "mrl.register(",
    ),
    ("create", "generated"): ("alter table", "create index", "mrl.register("),
    ("repair", "expression"): ("create index concurrently", "mrl.register("),
    ("repair", "trigger"): ("alter table",),
    ("repair", "generated"): ("create index concurrently", "mrl.register("),
    ("drop", "expression"): ("drop index concurrently", "mrl.unregister("),
    ("drop", "trigger"): ("lock table", "drop index", "mrl.unregister("),
    ("drop", "generated"): ("lock table", "drop index", "mrl.unregister("),
}
"""Parts of the statements at which a verb is hit, in the order in which they run."""

HELD = {
    "mrl.register(": "mrl._registry in share row exclusive",
    "mrl.unregister(": "mrl._registry in share row exclusive",
    "lock table": "docs in share update exclusive",
    "drop index": "docs in row exclusive",
    "alter table": "docs in row exclusive",
}
"""What another session locks, so that a step of milliseconds waits until it is hit."""

AGAIN = {"repair": (4, 6, 10)}
"""Exit codes after which a verb is run again; another session may still build."""


@dataclass(frozen=True, slots=True)
class Verb:
    """A command on an index, and what it is called in the report."""

    name: str
    index: MatryoshkaIndex
    keep: Keep

    @property
    def arguments(self) -> tuple[str, ...]:
        """The arguments of `mrl-pg`."""
        if self.name == "repair":
            return ("repair", "docs", "--rows")
        found = ("--dims", str(self.index.dims), "--kind", self.index.kind)
        named = (self.name, "docs", "embedding", *found)
        if self.name == "create":
            # a generated column rebuilds the vector index of the table
            return (*named, "--keep", self.keep, "--yes")
        return named

    @property
    def steps(self) -> tuple[str, ...]:
        """Parts of the statements at which it can be hit."""
        return STEPS[self.name, self.keep]

    @property
    def is_long(self) -> bool:
        """Whether it takes long enough to be hit at a random moment."""
        return any("create index" in step for step in self.steps)

    def start(self, url: str) -> "subprocess.Popen[str]":
        """Run it in a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "mrl_pg", *self.arguments, "--dsn", url],
            env={**os.environ, "PGAPPNAME": APPLICATION},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self, url: str) -> None:
        """Run it until it succeeds."""
        for _ in range(120):
            running = self.start(url)
            out, said = running.communicate()
            if running.returncode == 0:
                return
            if running.returncode not in AGAIN.get(self.name, (6, 10)):
                raise SystemExit(
                    f"mrl-pg {self.arguments} exits {running.returncode}: {out}{said}"
                )
            time.sleep(0.5)
        raise SystemExit(f"mrl-pg {self.arguments} never succeeds: {out}{said}")

    def prepare(self, url: str) -> None:
        """Break by hand what a repair is to mend."""
        if self.name != "repair":
            return
        with psycopg.connect(url, autocommit=True) as conn:
            if self.keep != "trigger":
                conn.execute(f"drop index concurrently {self.index.name}".encode())
                return
            conn.execute(
                f"alter table docs disable trigger {self.index.trigger}".encode()
            )
            # until some rows have wrong values
            time.sleep(0.3)


def switch(url: str, index: MatryoshkaIndex) -> None:
    """Make an index the one that searches use; an update of one row of the catalog."""
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(
            "select mrl.switch_index('docs', 'embedding', index_name => %s)",
            [index.name],
        )
