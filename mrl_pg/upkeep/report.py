"""What `maintain` did, and what is left."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MaintenanceStep:
    """One thing that was due on a table or its index, and why.

    `step` is "drop" (what an interrupted reindex left), "vacuum", "analyze",
    "measure", "reindex", "calibrate", or "left" for what only you can do, with a
    `remedy`. `reason` has the figures that decided. `outcome` says what came of it and
    `seconds` how long it took; both are empty for what was not done. `k` and `filter`
    are those of a measurement or a calibration. `statement` does the same in SQL.
    """

    step: str
    table: str
    index: str | None
    reason: str
    statement: str | None
    remedy: str | None
    k: int | None = None
    filter: str | None = None
    outcome: str = ""
    seconds: float = 0.0

    def __str__(self) -> str:
        """`public.docs: vacuum: 3000 of 9000 rows are dead (2.1 s)`."""
        where = ", ".join(filter(None, (self.index, self._measured)))
        text = f"{self.table}: {self.step}{f' ({where})' if where else ''}: "
        text += self.reason
        if self.remedy:
            text += f"; {self.remedy}"
        if self.seconds:
            text += f" → {self.outcome or 'done'} in {self.seconds:.1f} s"
        return text

    @property
    def _measured(self) -> str:
        named = "" if self.k is None else f"k {self.k}"
        return f"{named} where {self.filter}" if self.filter else named


@dataclass(frozen=True, slots=True)
class MaintenanceReport:
    """What a `maintain` did, in order, and what is left for you.

    `due` is empty, or with `dry_run=True` what is due now. What comes after a step in
    `due` may depend on its outcome.
    """

    done: tuple[MaintenanceStep, ...]
    due: tuple[MaintenanceStep, ...]
    left: tuple[MaintenanceStep, ...]

    @property
    def changed(self) -> bool:
        """Whether anything was done."""
        return bool(self.done)

    def __str__(self) -> str:
        """One line for each step."""
        lines = list(map(str, (*self.done, *self.due, *self.left)))
        return "\n".join(lines) or "nothing is due"
