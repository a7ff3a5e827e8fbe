"""What happens to a table in use: the commands of its scenes, in their order."""

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

import psycopg
from psycopg import errors

from mrl_pg import MatryoshkaIndex
from mrl_pg.kinds import Keep, Kind
from soaking import checks, verbs
from soaking.table import COLUMNS, index_full, rows_of, write_file
from soaking.verbs import Verb
from soaking.writers import Writer, catch_up, write_to

SIZES: tuple[tuple[int, Kind], ...] = ((128, "bit"), (64, "halfvec"))
"""The first size of an index, and the size that it is changed to."""


COMMANDS = (4, 5, 6)
"""How many commands each scene has."""


class CarryOut(Protocol):
    """Runs a command, perhaps hits it, and checks that these indexes are there."""

    def __call__(self, verb: Verb, there: list[MatryoshkaIndex]) -> None:
        """Run it until it succeeds."""


@dataclass(slots=True)
class Lives:
    """The table, the column of full vectors that it has now, and who writes it."""

    url: str
    folder: Path
    writers: list[Writer]
    carry_out: CarryOut
    column: str = COLUMNS[0]
    recalls: list[tuple[float, float]] = field(default_factory=list)
    """Of an index after its scene, and built again."""

    def scene(self, number: int, keep: Keep) -> None:
        """One of the scenes of a life; each begins and ends without an index."""
        (self._resize, self._keep_as, self._remodel)[number](keep)

    def _index(self, keep: Keep, size: int = 0, column: str = "") -> MatryoshkaIndex:
        dims, kind = SIZES[size]
        column = column or self.column
        return MatryoshkaIndex("docs", column, dims=dims, kind=kind, keep=keep)

    def _compare(self, index: MatryoshkaIndex) -> None:
        self.recalls.append(checks.check_recall(self.url, index))

    def _resize(self, keep: Keep) -> None:
        """Create, resize, and back, without the index between."""
        first, second = self._index(keep), self._index(keep, 1)
        self.carry_out(verbs.create(first, keep), [first])
        self.carry_out(verbs.resize(first, second, keep), [first, second])
        self._compare(second)
        back = verbs.resize(second, first, keep, drop_old=True)
        self.carry_out(back, [first])
        self._compare(first)
        self.carry_out(verbs.drop(first, keep), [])

    def _keep_as(self, keep: Keep) -> None:
        """Create, keep in another way, and back, and repair."""
        index = self._index(keep)
        other: Keep = "trigger" if keep == "expression" else "expression"
        self.carry_out(verbs.create(index, keep), [index])
        self.carry_out(verbs.keep_as(index, keep, other, keep), [index])
        self._compare(self._index(other))
        self.carry_out(verbs.keep_as(index, other, keep, keep), [index])
        verbs.break_by_hand(self.url, index, keep)
        self.carry_out(verbs.repair(keep), [index])
        self._compare(index)
        self.carry_out(verbs.drop(index, keep), [])

    def _remodel(self, keep: Keep) -> None:
        """Give the rows the vectors of another model, and drop those of the first."""
        old, new = self.column, COLUMNS[1 - COLUMNS.index(self.column)]
        before, after = self._index(keep), self._index(keep, 0, new)
        self.carry_out(verbs.create(before, keep), [before])
        path = self.folder / f"{new}.npz"
        with psycopg.connect(self.url) as conn:
            write_file(path, rows_of(conn), new)
        self.carry_out(verbs.fill(path, new, keep), [before])
        # the application writes both; what was written meanwhile is its part, too
        write_to(self.writers, old, new)
        catch_up(self.url, new)
        checks.check_filled(self.url, new, self.writers)
        index_full(self.url, new)
        self.carry_out(verbs.create(after, keep), [before, after])
        checks.check_both(self.url, old, before)
        write = partial(catch_up, self.url, new)
        switch = verbs.switch_column(old, new, keep, write)
        self.carry_out(switch, [before, after])
        checks.check_both(self.url, old, after)
        self.carry_out(verbs.drop(before, keep), [after])
        checks.check_both(self.url, old, after)
        write_to(self.writers, new)
        _drop_column(self.url, old)
        self.column = new
        self._compare(after)
        self.carry_out(verbs.drop(after, keep), [])


def _drop_column(url: str, column: str) -> None:
    """Drop a column, as an application does that waits for nobody."""
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("set lock_timeout = '500ms'")
        for _ in range(60):
            try:
                conn.execute(f"alter table docs drop column {column}".encode())
            except errors.LockNotAvailable:
                continue
            return
    raise SystemExit(f"column {column} could not be dropped")
