"""The goal of a choice, and the prediction for one size and kind, as plain values."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from mrl_pg import arguments
from mrl_pg.arguments import shown
from mrl_pg.calibration.margin import least_ef_search, misses_of_rows
from mrl_pg.errors import InvalidSetting
from mrl_pg.kinds import KINDS, OPERATORS, Distance, Kind, Stored
from mrl_pg.layout import Graph
from mrl_pg.recall.curve import MOST_CANDIDATES
from mrl_pg.recall.score import Recall
from mrl_pg.tune.predict.growth import GROWTH

PREFIX_SHARE = 0.5
"""Share of the allowed loss that the prefix may cause. HNSW may cause the rest."""


@dataclass(frozen=True, slots=True)
class Goal:
    """The recall at k that searches of a column must reach, by a distance.

    Every index that is tried has the graph parameters `m` and `ef_construction`, unless
    its option has a graph of its own. With `rows_as_queries`, which are easier to find,
    more is asked of a measurement, and of `ef_search`: see `mrl_pg.calibration.margin`.
    """

    k: int = 10
    recall: float = 0.99
    distance: Distance = "cosine"
    m: int = 16
    ef_construction: int = 64
    rows_as_queries: bool = False

    def __post_init__(self) -> None:
        """Raise InvalidSetting for a goal that no search can reach."""
        k = arguments.whole("k", self.k)
        if not 1 <= k <= MOST_CANDIDATES // 2:
            raise InvalidSetting(
                f"k={shown(self.k)} is outside 1 to {MOST_CANDIDATES // 2}, "
                f"because a first pass returns at most {MOST_CANDIDATES} candidates"
            )
        recall = arguments.number("recall", self.recall)
        if not 0 < recall < 1:
            raise InvalidSetting(
                f"recall={shown(self.recall)} is not between 0 and 1. Pass "
                "a share such as 0.99. Only an exact search surely finds all rows"
            )
        arguments.check_choice("distance", self.distance, OPERATORS)
        object.__setattr__(self, "k", k)
        object.__setattr__(self, "recall", recall)

    def with_graph(self, graph: Graph | None) -> "Goal":
        """The goal for an index with a graph of its own, if it has one."""
        if graph is None:
            return self
        return replace(self, m=graph.m, ef_construction=graph.ef_construction)

    @property
    def wanted(self) -> float:
        """The mean recall that a measurement must reach."""
        return 1 - misses_of_rows(self.recall) if self.rows_as_queries else self.recall

    @property
    def least_ef(self) -> int:
        """The smallest `ef_search` to try."""
        return least_ef_search("rows" if self.rows_as_queries else "queries")

    @property
    def prefix_recall(self) -> float:
        """The recall that the prefix must reach, so that HNSW may miss rows, too."""
        return 1 - PREFIX_SHARE * (1 - self.wanted)


@dataclass(frozen=True, slots=True)
class Option:
    """The prediction for one size and kind.

    `ceiling` is the recall if MOST_CANDIDATES rows go to the second pass. `candidates`
    is the number of first rows in the prefix's exact order that reach the target, with
    room for rows that HNSW misses. It is None if more than MOST_CANDIDATES are needed.
    `sure` says whether the lower end of the interval reaches the target with that many.
    Bytes are predicted for the whole table. Seconds and milliseconds are rough guesses.
    If `build_scaled_by` names indexes, their measured build times scale the seconds.
    `growth` says how the needed candidates grow with the rows, see `growth.grown`. The
    index has the graph of the goal, unless it has a `graph` of its own. `from_disk` is
    the share of the pages a search touches that come from disk with the memory that was
    asked for, if any; `search_ms` counts them. `rotated` options are for rows that are
    rotated first.
    """

    dims: int
    kind: Kind
    ceiling: Recall
    candidates: int | None
    sure: bool
    index_bytes: int
    column_bytes: int
    build_seconds: float
    search_ms: float | None
    build_scaled_by: tuple[str, ...] = ()
    growth: float = GROWTH
    graph: Graph | None = None
    from_disk: float | None = None
    rotated: bool = False

    @property
    def form(self) -> str:
        """`halfvec(256)`, or `halfvec(256) rotated`."""
        return f"{self.kind}({self.dims}){' rotated' * self.rotated}"

    @property
    def name(self) -> str:
        """`halfvec(256)`, or `halfvec(256) m 32` with a graph of its own."""
        return self.form if self.graph is None else f"{self.form} m {self.graph.m}"

    @property
    def stored(self) -> Stored:
        """Whether the first pass compares the values of the prefix, or its signs."""
        return KINDS[self.kind].stored

    def as_dict(self) -> dict[str, Any]:
        """All fields as types that JSON has, and the name."""
        plain = asdict(self)
        plain["build_scaled_by"] = list(self.build_scaled_by)
        return {"name": self.name, **plain}


def smallest_alike(options: Iterable[Option]) -> list[Option]:
    """The options without `vector` where `halfvec` of the same size is among them.

    Both find the same rows in a first pass, but `halfvec` takes fewer bytes.
    """
    known = list(options)
    fewest: dict[tuple[Stored, int, bool], int] = {}
    for option in known:
        form = option.stored, option.dims, option.rotated
        bits = KINDS[option.kind].bits
        fewest[form] = min(bits, fewest.get(form, bits))
    return [
        option
        for option in known
        if KINDS[option.kind].bits == fewest[option.stored, option.dims, option.rotated]
    ]
