"""How far the change from one full column to that of another model is."""

import shlex
from dataclasses import dataclass, replace

from mrl_pg.build.rotated_rows import count_apart, read_linked
from mrl_pg.build.status import IndexStatus, read_status
from mrl_pg.build.switch_column import count_rows, read_column
from mrl_pg.catalog.facts import Facts
from mrl_pg.catalog.in_use import column_in_use
from mrl_pg.errors import ColumnNotFound, InvalidSetting
from mrl_pg.exchange import Exchange
from mrl_pg.layout import ColumnLayout


@dataclass(frozen=True, slots=True)
class RemodelStatus:
    """How far the change from `column` to the column `to` of another model is.

    `added` says whether the table has the new column. `filled` counts the rows with
    vectors in both columns, `missing` those with an old vector and no new one.
    `linked` says that the server rotates the old column into the new one as rows are
    written, and `outdated` counts the rows whose vectors nevertheless are of different
    texts; they are counted until the switch.
    `indexes` are the short indexes of the new column that can be used. `in_use` is the
    column that searches with a query for each column use. `next_step` is what to do
    now, a command where that is possible.
    """

    table: str
    column: str
    to: str
    added: bool
    filled: int
    missing: int
    indexes: tuple[str, ...]
    in_use: str
    next_step: str
    linked: bool = False
    outdated: int = 0

    @property
    def switched(self) -> bool:
        """Whether searches use the new column."""
        return self.in_use == self.to

    def __str__(self) -> str:
        """A line for each step of the change, and what to do now."""
        both = self.filled + self.missing
        filled = f"{self.filled:,} of {both:,} rows that have an old vector"
        if self.missing:
            filled += f", {self.missing:,} missing"
        if self.outdated:
            filled += f", {self.outdated:,} with the vector of an older text"
        lines = {
            "new column": "there" if self.added else "not there yet",
            "filled": filled if self.added else "no row yet",
            "short index": ", ".join(self.indexes) or "none that can be used",
            "in use": self.in_use,
            "next": self.next_step,
        }
        said = [f"{name:<13}{text}" for name, text in lines.items()]
        return "\n".join([f"{self.table}: from {self.column} to {self.to}", *said])


def remodel_status(searched: ColumnLayout, to_column: str) -> Exchange[RemodelStatus]:
    """Reads every row of the table to count those without a new vector."""
    to = ColumnLayout(searched.table, to_column, searched.schema)
    if to.column == searched.column:
        raise InvalidSetting(
            f"column {searched} is both the old and the new one: name the column with "
            "the vectors of the other model"
        )
    facts = yield from read_column(searched)
    added = True
    try:
        yield from read_column(to)
    except ColumnNotFound:
        added = False
    filled, missing, outdated = 0, 0, 0
    linked = False
    in_use = (yield from column_in_use(searched)).column
    if added:
        counted = yield from count_rows(facts, searched.column, to.column)
        filled, missing = counted["filled"], counted["missing"]
        linked, outdated = yield from _outdated(facts, searched, to, in_use)
    undo = linked and facts.rotation is not None
    states = yield from read_status(facts.table_id, rows=False)
    usable = [state for state in states if state.usable and state.registered]
    known = RemodelStatus(
        f"{facts.schema}.{facts.table}",
        searched.column,
        to.column,
        added,
        filled,
        missing,
        tuple(state.name or "" for state in usable if state.column == to.column),
        in_use,
        "",
        linked,
        outdated,
    )
    return replace(known, next_step=_next_step(known, searched, usable, undo))


def _outdated(
    facts: Facts, searched: ColumnLayout, to: ColumnLayout, in_use: str
) -> Exchange[tuple[bool, int]]:
    """Whether one column is rotated into the other, and the rows that were missed."""
    columns = yield from read_linked(facts, searched.column, to.column)
    if not columns.linked or in_use == to.column:
        return columns.linked, 0
    return True, (yield from count_apart(facts, columns))


def _next_step(
    known: RemodelStatus, searched: ColumnLayout, usable: list[IndexStatus], undo: bool
) -> str:
    table = ".".join(filter(None, (searched.schema, searched.table)))
    place = shlex.join([table, known.to])
    if not known.added:
        return f"mrl-pg load FILE {place} --update --only-missing --add-column"
    old = shlex.join([table, known.column])
    again = f"mrl-pg rotate {old} --to {shlex.quote(known.to)}"
    if known.linked and (known.missing or known.outdated):
        return f"{again} --undo" if undo else again
    if known.missing:
        return f"mrl-pg load FILE {place} --update --only-missing"
    if not known.indexes:
        return f"mrl-pg create {place} --dims NUMBER"
    if not known.switched:
        return f"mrl-pg switch {old} --to {shlex.quote(known.to)}"
    for state in usable:
        if state.column == known.column:
            return (
                f"mrl-pg drop {old} --dims {state.dims} --kind {state.kind}, when "
                "nothing searches it any more"
            )
    if known.linked:
        return f"{again} --stop, when nothing writes the old column any more"
    return "nothing; the old column can be dropped"
