"""What the verbs of rows return."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class UpsertReport:
    """What an upsert did; printed, it is one sentence and the notes.

    Of `rows` that were given, `inserted` are new, `updated` had their key in the table
    before, and `skipped` changed nothing: their key was there and `if_exists` is
    "skip", or a trigger of the table left them out. `notes` say what was cut.
    """

    table: str
    rows: int
    inserted: int
    updated: int
    skipped: int
    seconds: float
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """`Wrote 1,000 rows of public.docs (900 new, 100 updated) in 0.9 s …`."""
        written = self.inserted + self.updated
        rate = self.rows / self.seconds if self.seconds else 0.0
        skipped = f"; {self.skipped:,} skipped" if self.skipped else ""
        return (
            f"Wrote {written:,} row{'' if written == 1 else 's'} of {self.table} "
            f"({self.inserted:,} new, {self.updated:,} updated{skipped}) in "
            f"{self.seconds:.1f} s ({rate:,.0f} rows/s)."
            + "".join(f"\n{note}" for note in self.notes)
        )


@dataclass(frozen=True, slots=True)
class StoredRow:
    """One row of a table: its key (a tuple if composite) and its columns."""

    key: Any
    columns: Mapping[str, Any]

    def __getitem__(self, column: str) -> Any:
        """Value of a column that was read."""
        return self.columns[column]
