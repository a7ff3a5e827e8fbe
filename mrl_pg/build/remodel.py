"""How far the change from one full column to that of another model is."""

import shlex
from dataclasses import dataclass, replace

from mrl_pg.build.status import IndexStatus, read_status
from mrl_pg.build.switch_column import count_rows, read_column
from mrl_pg.catalog.in_use import column_in_use
from mrl_pg.errors import ColumnNotFound, InvalidSetting
from mrl_pg.exchange import Exchange
from mrl_pg.layout import ColumnLayout


@dataclass(frozen=True, slots=True)
class RemodelStatus:
    """How far the change from `column` to the column `to` of another model is.

    `added` says whether the table has the new column. `filled` counts the rows with
    vectors in both columns, `missing` those with an old vector and no new one.
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
    filled, missing = 0, 0
    if added:
        counted = yield from count_rows(facts, searched.column, to.column)
        filled, missing = counted["filled"], counted["missing"]
    in_use = (yield from column_in_use(searched)).column
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
    )
    return replace(known, next_step=_next_step(known, searched, usable))


def _next_step(
    known: RemodelStatus, searched: ColumnLayout, usable: list[IndexStatus]
) -> str:
    table = ".".join(filter(None, (searched.schema, searched.table)))
    place = shlex.join([table, known.to])
    if not known.added:
        return f"mrl-pg load FILE {place} --update --only-missing --add-column"
    if known.missing:
        return f"mrl-pg load FILE {place} --update --only-missing"
    if not known.indexes:
        return f"mrl-pg create {place} --dims NUMBER"
    old = shlex.join([table, known.column])
    if not known.switched:
        return f"mrl-pg switch {old} --to {shlex.quote(known.to)}"
    for state in usable:
        if state.column == known.column:
            return (
                f"mrl-pg drop {old} --dims {state.dims} --kind {state.kind}, when "
                "nothing searches it any more"
            )
    return "nothing; the old column can be dropped"
