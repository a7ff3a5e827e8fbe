"""What a benchmark found, as values, as JSON, and as sentences."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from mrl_pg.bench.contender import Costs
from mrl_pg.bench.front import FrontPoint
from mrl_pg.bench.measure import ClientsPoint
from mrl_pg.bench.squeeze import SqueezedPoint
from mrl_pg.bench.writes import Changed, Writes

TARGETS = (0.9, 0.95, 0.97, 0.99)
"""Recalls at which fronts are compared."""

FORM = 1
"""The version of the form of the file."""


@dataclass(slots=True)
class BenchEntry:
    """All that was measured of one contender; `fronts` by k, `filtered` by percent."""

    name: str
    two_passes: bool
    version: str | None
    costs: Costs
    fronts: dict[int, tuple[FrontPoint, ...]] = field(default_factory=dict)
    clients: tuple[ClientsPoint, ...] = ()
    filtered: dict[float, tuple[FrontPoint, ...]] = field(default_factory=dict)
    inserts: Writes | None = None
    updated: Changed | None = None
    deleted: Changed | None = None
    memory: tuple[SqueezedPoint, ...] = ()


@dataclass(slots=True)
class BenchResult:
    """A benchmark of one run on one machine.

    `skipped` are contenders that took no part, and `left_out` sections, each with the
    reason.
    """

    about: dict[str, object]
    entries: list[BenchEntry] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    section_seconds: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0

    def as_dict(self) -> dict[str, object]:
        """All of it, for a file."""
        return {"form": FORM, **asdict(self)}

    def write(self, path: Path) -> None:
        """Write a file with all that is needed to judge and to repeat it."""
        text = json.dumps(self.as_dict(), indent=1, default=str)
        path.write_text(text + "\n", encoding="utf-8")


def single(entries: Sequence[BenchEntry]) -> list[BenchEntry]:
    """Those that search in one pass, on the server."""
    return [
        entry
        for entry in entries
        if not entry.two_passes and entry.name.startswith("pgvector")
    ]


def ours(entries: Sequence[BenchEntry]) -> list[BenchEntry]:
    """Those of mrl_pg."""
    return [entry for entry in entries if entry.name.startswith("mrl_pg")]
