"""What was promised and what was found, and a summary by standing."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

PROMISING = ("kept", "measured", "corrected", "rows", "borrowed")
"""Standings that promise. `kept` is the word of mrl_pg 0.2."""

SLACK = 0.005
"""A promise holds if the measured recall is at most this much below the target."""

QUANTILE_SLACK = 0.01
"""The same for a share of queries, of which 500 tell half as much as of a mean."""


@dataclass(frozen=True, slots=True)
class Oracle:
    """The cheapest search that reaches a recall on the very queries measured."""

    candidates: int
    ef_search: int


@dataclass(frozen=True, slots=True)
class Cell:
    """One promise: what was asked, said and found.

    `candidates` are those that were read in full; they and `ef_search` are None for an
    exact search. `p05` is the 5th percentile of the recall of single queries. With a
    `quantile`, `found_by` is the share of the queries that found the target. `taken` is
    the mean of rows read, those of a second search included, and `beyond` the share of
    the queries whose answers were too far away to promise; these queries do not count.
    `chosen_from` are the candidates of a search that reads only the best.
    """

    data: str
    case: str
    k: int
    target: float
    standing: str
    promised: float | None
    measured: float
    p05: float
    candidates: int | None
    ef_search: int | None
    oracle: Oracle | None
    quantile: float | None = None
    found_by: float | None = None
    taken: float = 0.0
    beyond: float = 0.0
    chosen_from: int | None = None

    @property
    def promises(self) -> bool:
        """Whether the search claims to reach the target."""
        return self.standing in PROMISING

    @property
    def holds(self) -> bool:
        """Whether the mean, or the share of the queries, is what was asked for."""
        if self.quantile is not None and self.found_by is not None:
            return self.found_by >= self.quantile - QUANTILE_SLACK
        return self.measured >= self.target - SLACK

    @property
    def missed(self) -> float:
        """What was measured, less what was asked for."""
        if self.quantile is not None and self.found_by is not None:
            return self.found_by - self.quantile
        return self.measured - self.target

    @property
    def spent(self) -> float | None:
        """Candidates to the oracle's."""
        if self.candidates is None or self.oracle is None:
            return None
        return (self.taken or self.candidates) / self.oracle.candidates

    @property
    def walked(self) -> float | None:
        """Rows walked in the graph to the oracle's."""
        if self.ef_search is None or self.oracle is None:
            return None
        return self.ef_search / self.oracle.ef_search


def to_json(name: str, cell: Cell) -> str:
    """What the cell was measured for, and the cell."""
    return json.dumps({"measured for": name, **asdict(cell)})


def from_json(text: str) -> tuple[str, Cell]:
    """What `to_json` was given."""
    values = json.loads(text)
    name = values.pop("measured for")
    oracle = values.pop("oracle")
    return name, Cell(**values, oracle=oracle and Oracle(**oracle))


def line(cell: Cell) -> str:
    """A line of the table."""
    promised = "none " if cell.promised is None else f"{cell.promised:.3f}"
    search = "exact search"
    if cell.candidates is not None:
        search = f"{cell.candidates:>5,} of {cell.ef_search:<5,}"
        if cell.chosen_from is not None:
            search += f" (the best of {cell.chosen_from:,})"
        if cell.taken > cell.candidates:
            search += f" ({cell.taken:,.0f} in the mean)"
        if cell.beyond:
            search += f" {cell.beyond:.1%} beyond"
    best = ""
    if cell.oracle is not None:
        best = f"oracle {cell.oracle.candidates:,} of {cell.oracle.ef_search:,}"
    broken = "BROKEN" if cell.promises and not cell.holds else ""
    single = ""
    if cell.quantile is not None:
        single = f"by {cell.found_by:.3f} of queries, asked {cell.quantile} "
    return (
        f"{cell.data:24} {cell.case:30} k {cell.k:<4} asked {cell.target:<6} "
        f"{cell.standing:12} said {promised} got {cell.measured:.4f} "
        f"p05 {cell.p05:.2f} {single}with {search:14} {best:20} {broken}"
    ).rstrip()


def summary(cells: Sequence[Cell]) -> list[str]:
    """A line for each standing, and one for all that promise."""
    lines = [
        f"{'standing':14} {'cells':>5} {'hold':>12} {'worst':>7} "
        f"{'broken by > .02':>16} "
        f"{'candidates':>11} {'walked':>7} {'p05 below':>10}"
    ]
    standings = sorted({cell.standing for cell in cells})
    groups = [(name, [c for c in cells if c.standing == name]) for name in standings]
    groups.append(("all promises", [cell for cell in cells if cell.promises]))
    for name, some in groups:
        if not some:
            continue
        held = sum(cell.holds for cell in some)
        worst = min(cell.missed for cell in some)
        far = sum(cell.missed < -0.02 for cell in some)
        spent = [cell.spent for cell in some if cell.spent is not None]
        walked = [cell.walked for cell in some if cell.walked is not None]
        lines.append(
            f"{name:14} {len(some):5} {held:5} {held / len(some):6.1%} {worst:7.3f} "
            f"{far:16} {_median(spent):>11} {_median(walked):>7} "
            f"{min(cell.p05 for cell in some):10.2f}"
        )
    return lines


def _median(numbers: Sequence[float]) -> str:
    return f"{np.median(numbers):.2f}" if numbers else "-"
