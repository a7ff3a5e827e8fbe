"""What a benchmark is asked to do."""

from dataclasses import asdict, dataclass, field
from typing import Literal, TypeAlias, get_args

from mrl_pg import arguments, server
from mrl_pg.bench.corpus import VectorSource
from mrl_pg.bench.measure import Pace
from mrl_pg.errors import InvalidSetting
from mrl_pg.load.destination import Storage

Section: TypeAlias = Literal[
    "fronts", "clients", "filters", "inserts", "updates", "deletes"
]
SECTIONS: tuple[Section, ...] = get_args(Section)
"""In the order of their importance, which is the order in which they are measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchRequest:
    """The rows, the contenders and the sections, all with defaults.

    `dims` is the size of every short vector of values; 0 chooses about a third of all
    dimensions. `only` are parts of names of contenders. `changed` is the share of
    rows that are updated, and the share that is deleted. `memory` are shares of what
    the best single pass and its rows take. No section begins after `minutes`.
    """

    source: VectorSource = field(default_factory=VectorSource)
    ks: tuple[int, ...] = (10, 1, 100)
    target: float = 0.95
    dims: int = 0
    m: int = 16
    ef_construction: int = 64
    storage: Storage = "external"
    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    pace: Pace = field(default_factory=Pace)
    clients: tuple[int, ...] = (1, 2, 4)
    percents: tuple[float, ...] = (10, 1, 0.1)
    changed: float = 0.2
    sections: tuple[Section, ...] = SECTIONS
    memory: tuple[float, ...] = ()
    minutes: float | None = None
    pg: int = server.VERSIONS[0]

    def __post_init__(self) -> None:
        """Raise InvalidSetting for values that no benchmark takes."""
        if not self.ks or min(self.ks) < 1 or max(self.ks) > 1000:
            raise InvalidSetting(f"k={self.ks}: give numbers of rows from 1 to 1000")
        if not 0 < self.target < 1:
            raise InvalidSetting(f"target={self.target}: a recall is between 0 and 1")
        if min(self.pace.rounds, self.source.rows, self.source.queries) < 1:
            raise InvalidSetting("rounds, rows and queries: give at least 1 of each")
        if not 0 < self.changed < 1:
            raise InvalidSetting(f"changed={self.changed}: give a share, such as 0.2")
        if any(not 0 < share <= 2 for share in self.memory):
            raise InvalidSetting(f"memory={self.memory}: give shares, such as 0.4")
        for section in self.sections:
            arguments.check_choice("sections", section, SECTIONS)

    @property
    def k(self) -> int:
        """The first number of rows: that of every section but the fronts."""
        return self.ks[0]

    def as_dict(self) -> dict[str, object]:
        """All of it, for a file."""
        values = asdict(self)
        for name in ("path", "queries_from"):
            path = getattr(self.source, name)
            # where a file lies is nobody's business
            values["source"][name] = None if path is None else path.name
        return values


def prefix_dims(full: int, asked: int = 0) -> int:
    """The size of short vectors: as asked, or about a third, in steps of 64.

    Raises InvalidSetting for a size that is not below the full one.
    """
    if asked:
        if not 0 < asked < full:
            raise InvalidSetting(
                f"dims={asked}: a prefix of vectors of {full} dimensions has fewer"
            )
        return asked
    third = round(full / 3 / 64) * 64
    return third if 0 < third < full else max(1, full // 2)
