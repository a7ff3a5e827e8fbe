"""The commands of a life, as the shell runs them, and where they are hit."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg

from mrl_pg import MatryoshkaIndex
from mrl_pg.kinds import Keep
from soaking.process import Running

BUILT: dict[Keep, tuple[str, ...]] = {
    "expression": ("create index concurrently", "mrl.register("),
    "trigger": (
        "mrl._add_kept_column(",
        "mrl._fill_next(",
        "create index concurrently",
        "mrl._check_values(",
        "mrl.register(",
    ),
    "generated": ("alter table", "create index", "mrl.register("),
}
"""Parts of the statements that build an index, in the order in which they run."""

DROPPED: dict[Keep, tuple[str, ...]] = {
    "expression": ("drop index concurrently", "mrl.unregister("),
    "trigger": ("lock table", "drop index", "mrl.unregister("),
    "generated": ("lock table", "drop index", "mrl.unregister("),
}

MENDED: dict[Keep, tuple[str, ...]] = {
    "expression": ("create index concurrently", "mrl.register("),
    "trigger": ("alter table", "mrl.fill_short_column("),
    "generated": ("create index concurrently", "mrl.register("),
}

REPLACED: dict[Keep, tuple[str, ...]] = {
    "expression": ("drop index concurrently", "mrl.unregister("),
    "trigger": ("drop index concurrently", "mrl.drop_index("),
    "generated": ("drop index concurrently", "mrl.drop_index("),
}
"""Parts of the statements that drop the old index of `keep-as`."""

MEASURED = ("mrl._truth(", "mrl._walk(", "mrl._keep_calibration(")
SWITCHED = ("mrl.switch_index(",)
LOADED = ("add column", "mrl_file")

HELD = {
    "mrl.register(": "mrl._registry in share row exclusive",
    "mrl.unregister(": "mrl._registry in share row exclusive",
    "mrl.switch_index(": "mrl._registry in share row exclusive",
    "mrl.switch_column(": "mrl._registry in share row exclusive",
    "mrl._swap_kept(": "mrl._registry in share row exclusive",
    "mrl.drop_index(": "docs in row exclusive",
    "lock table": "docs in share update exclusive",
    "drop index": "docs in row exclusive",
    "add column": "docs in row exclusive",
    "alter table": "docs in row exclusive",
}
"""What another session locks, so that a step of milliseconds waits until it is hit.

An earlier step that waits for that lock, too, may pass.
"""

AGAIN = (6, 10)
"""Exit codes after which a command is run again; another session may still build."""

LONG = ("create index", "mrl_file", "mrl.fill_short_column(", "mrl._truth(")
"""Steps that take long enough to be hit at a random moment."""


@dataclass(frozen=True, slots=True)
class Verb:
    """A command, what it is called in the report, and its steps."""

    name: str
    keep: Keep
    arguments: tuple[str, ...]
    steps: tuple[str, ...]
    again: tuple[int, ...] = AGAIN
    then: "Verb | None" = None
    """The command that it names if it finds that only this is left to do."""
    partly: bool = False
    """Whether it is done, too, if some rows are gone meanwhile."""
    between: Callable[[], object] | None = None
    """What the application does before it runs the command again."""

    @property
    def is_long(self) -> bool:
        """Whether it takes long enough to be hit at a random moment."""
        return any(part in step for step in self.steps for part in LONG)

    def start(self, url: str) -> Running:
        """Run it in a process of its own."""
        return Running([*self.arguments, "--dsn", url])

    def finish(self, url: str) -> None:
        """Run it until it succeeds."""
        said = ""
        for _ in range(120):
            running = self.start(url)
            said = running.wait()
            code = running.returncode
            if code == 0 or (code == 2 and self.partly and '"refused"' in said):
                return
            if code == 2 and self.then and f"mrl-pg {self.then.name}" in said:
                self.then.finish(url)
                return
            if code not in self.again:
                raise SystemExit(f"mrl-pg {self.arguments} exits {code}: {said}")
            if self.between is not None:
                self.between()
            time.sleep(0.5)
        raise SystemExit(f"mrl-pg {self.arguments} never succeeds: {said}")


def create(index: MatryoshkaIndex, keep: Keep) -> Verb:
    """Build an index."""
    # a generated column rebuilds the vector index of the table
    rest = ("--keep", keep, "--yes")
    return Verb("create", keep, (*_named("create", index), *rest), BUILT[keep])


def resize(
    old: MatryoshkaIndex, new: MatryoshkaIndex, keep: Keep, *, drop_old: bool = False
) -> Verb:
    """Build another size, measure both, switch, and perhaps drop the old one."""
    rest = ("--keep", keep, "--k", "50", "--sample", "5", "--switch", "--yes")
    arguments = (*_named("resize", new), *rest)
    steps = (*BUILT[keep], *MEASURED, *SWITCHED)
    if not drop_old:
        return Verb("resize", keep, arguments, steps)
    # the new one is there already
    steps = (*MEASURED, *SWITCHED, *DROPPED[keep])
    return Verb("resize", keep, (*arguments, "--drop-old"), steps, then=drop(old, keep))


def keep_as(index: MatryoshkaIndex, old: Keep, new: Keep, keep: Keep) -> Verb:
    """Keep the short values in another way; counted for the way `keep`."""
    name, *rest = _named("keep-as", index)
    arguments = (name, *rest[:2], new, *rest[2:])
    if new == "generated":
        arguments = (*arguments, "--yes")
    steps = (*BUILT[new], "mrl._swap_kept(", *REPLACED[old])
    return Verb("keep-as", keep, arguments, steps)


def repair(keep: Keep) -> Verb:
    """Mend what is wrong with the table."""
    arguments = ("repair", "docs", "--rows")
    return Verb("repair", keep, arguments, MENDED[keep], again=(4, *AGAIN))


def drop(index: MatryoshkaIndex, keep: Keep) -> Verb:
    """Drop an index."""
    return Verb("drop", keep, _named("drop", index), DROPPED[keep])


def fill(path: Path, column: str, keep: Keep) -> Verb:
    """Add a column for the vectors of another model, and fill it from a file."""
    into = ("docs", column, "--update", "--add-column")
    arguments = ("load", str(path), *into, "--json")
    return Verb("load", keep, arguments, LOADED, partly=True)


def switch_column(old: str, new: str, keep: Keep, write: Callable[[], object]) -> Verb:
    """Make another full column the one in use.

    `write` writes the vectors that it says are missing, with exit code 3.
    """
    arguments = ("switch", "docs", old, "--to", new)
    steps = ("mrl.switch_column(",)
    return Verb("switch", keep, arguments, steps, again=(3, *AGAIN), between=write)


def _named(command: str, index: MatryoshkaIndex) -> tuple[str, ...]:
    size = ("--dims", str(index.dims), "--kind", index.kind)
    return (command, "docs", index.column, *size)


def break_by_hand(url: str, index: MatryoshkaIndex, keep: Keep) -> None:
    """Break what a repair is to mend."""
    with psycopg.connect(url, autocommit=True) as conn:
        if keep != "trigger":
            conn.execute(f"drop index concurrently {index.name}".encode())
            return
        conn.execute(f"alter table docs disable trigger {index.trigger}".encode())
        # until some rows have wrong values
        time.sleep(0.3)
