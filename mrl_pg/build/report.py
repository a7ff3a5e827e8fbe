"""What a `create` or a `drop` did."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from mrl_pg.layout import IndexLayout

Waited: TypeAlias = Literal["readers and writers", "writers"]
"""Who waits for a table while its index is built."""


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What a `create` or a `drop` did.

    `done` names the steps in order with the seconds each took; empty when there
    was nothing to do. `index_bytes` and `rows` are 0 after a drop, and for a table
    of Citus, whose shards hold them. `kept_as` says how
    the short values are kept, "generated", "trigger" or "expression", and `why` gives
    the reason; both are None after a drop. `recall` is the share of the nearest short
    values that the new index found on a sample; None if that was not measured, as in a
    transaction.

    `waited` says who could not use the table meanwhile, and `waited_seconds` for how
    long, up to the end of the build: "readers and writers", "writers", or None if every
    lock was held for a moment. In a transaction of yours they wait until you commit.
    """

    layout: IndexLayout
    done: tuple[tuple[str, float], ...]
    index_bytes: int = 0
    rows: int = 0
    kept_as: str | None = None
    why: str | None = None
    recall: float | None = None
    waited: Waited | None = None
    waited_seconds: float = 0.0

    @property
    def changed(self) -> bool:
        """Whether anything was done."""
        return bool(self.done)

    @property
    def seconds(self) -> float:
        """Seconds of all steps."""
        return sum(seconds for _, seconds in self.done)

    def __str__(self) -> str:
        """What happened, in one sentence."""
        if not self.changed:
            return f"{self.layout}: nothing to do"
        steps = ", ".join(f"{label} in {took:.1f} s" for label, took in self.done)
        if not self.index_bytes:
            return f"{self.layout}: {steps}"
        size = f"{self.index_bytes / 1e6:,.1f} MB for {self.rows:,} rows"
        if self.recall is not None:
            size += f", and finds {self.recall:.0%} of the nearest short values"
        kept = f"; kept as {self.kept_as}: {self.why}" if self.kept_as else ""
        wait = "; nobody had to wait for the table"
        if self.waited is not None:
            wait = (
                f"; {self.waited} waited for the table for {self.waited_seconds:.1f} s"
            )
        return f"{self.layout}: {steps}; the index takes {size}{kept}{wait}"
