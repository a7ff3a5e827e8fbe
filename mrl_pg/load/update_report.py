"""The report of an update by key."""

from collections.abc import Iterable
from dataclasses import dataclass

from mrl_pg.load.block import NAMED_ROWS

LISTS = {
    "missing": "no row of the table has their key",
    "refused": "the server refused them",
    "kept": "a trigger of the table, or another row of the file with an equal key, "
    "kept the row as it was",
    "held": "other transactions held the row for a minute; run this again",
}
"""Why rows of the file updated nothing, by the name of the report's field."""


@dataclass(frozen=True, slots=True)
class SkippedRows:
    """How many rows of a file updated nothing for one reason, and the first of them."""

    count: int = 0
    named: tuple[str, ...] = ()

    def plus(self, named: Iterable[str]) -> "SkippedRows":
        """These rows and further ones; only the first ten are named."""
        more = tuple(named)
        return SkippedRows(self.count + len(more), (*self.named, *more)[:NAMED_ROWS])


NONE = SkippedRows()


@dataclass(frozen=True, slots=True)
class UpdateReport:
    """What an update by key did to one column.

    Of `rows` in the file, `updated` now have the vector of the file, and `unchanged`
    had it before, or any vector if `only_missing`. `null_vectors` have no vector in the
    file, so their rows were left alone. `missing` have no row in the table, `refused`
    were refused by the server, `kept` were kept by a trigger, and `held` were held by
    other transactions. `added` says that the column was added. `bytes` were sent to the
    server.
    """

    table: str
    column: str
    dims: int
    rows: int = 0
    updated: int = 0
    unchanged: int = 0
    null_vectors: int = 0
    missing: SkippedRows = NONE
    refused: SkippedRows = NONE
    kept: SkippedRows = NONE
    held: SkippedRows = NONE
    added: bool = False
    only_missing: bool = False
    seconds: float = 0.0
    bytes: int = 0
    counted: str = ""
    notes: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every row of the file has its vector in the table now."""
        return not any(getattr(self, name).count for name in LISTS)

    def __str__(self) -> str:
        """`Updated 9,990 rows of docs.embedding_v2 (1536 dimensions) in 0.9 s …`."""
        rate = self.rows / self.seconds if self.seconds else 0.0
        size = f"{self.bytes / 1e6:,.1f} MB"
        same = "a vector" if self.only_missing else "the same vector"
        counts = (
            (self.unchanged, f"held {same} already"),
            (self.null_vectors, "without a vector in the file"),
        )
        more = "".join(f", {count:,} {what}" for count, what in counts if count)
        lines = [
            f"Updated {self.updated:,} row{'' if self.updated == 1 else 's'} of "
            f"{self.table}.{self.column} ({self.dims} dimensions"
            f"{', new column' if self.added else ''}){more}; {self.rows:,} in the file,"
            f" in {self.seconds:.1f} s ({rate:,.0f} rows/s, {size})."
        ]
        for name, why in LISTS.items():
            skipped: SkippedRows = getattr(self, name)
            if skipped.count:
                lines += [
                    f"{skipped.count:,} of the file's rows updated nothing, because "
                    f"{why} (rows are {self.counted}):",
                    *(f"  {named}" for named in skipped.named),
                ]
                rest = skipped.count - len(skipped.named)
                lines += [f"  and {rest:,} more"] if rest else []
        return "\n".join((*lines, *self.notes))
