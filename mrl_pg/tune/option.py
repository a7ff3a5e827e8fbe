"""What is asked for, and one size and kind as predicted: plain values."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from mrl_pg import arguments
from mrl_pg.arguments import shown
from mrl_pg.errors import InvalidSetting
from mrl_pg.kinds import KINDS, OPERATORS, Distance, Kind, Stored
from mrl_pg.recall.curve import MOST_CANDIDATES
from mrl_pg.recall.score import Recall
from mrl_pg.tune.predict.growth import GROWTH

PREFIX_SHARE = 0.5
"""Share of the allowed loss that the prefix may have; HNSW has the rest."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What is asked for: recall at k of a table's column by a distance.

    `ef_construction` and `m` are the graph's, of every index that is tried.
    """

    k: int = 10
    recall: float = 0.99
    distance: Distance = "cosine"
    m: int = 16
    ef_construction: int = 64

    def __post_init__(self) -> None:
        """Raise InvalidSetting for what no search can be asked for."""
        k = arguments.whole("k", self.k)
        if not 1 <= k <= MOST_CANDIDATES // 2:
            raise InvalidSetting(
                f"k={shown(self.k)} is outside 1 to {MOST_CANDIDATES // 2}: a "
                f"first pass hands over {MOST_CANDIDATES} candidates at most"
            )
        recall = arguments.number("recall", self.recall)
        if not 0 < recall < 1:
            raise InvalidSetting(
                f"recall={shown(self.recall)} is not between 0 and 1: ask for "
                "some share such as 0.99; all of them only an exact search finds"
            )
        arguments.check_choice("distance", self.distance, OPERATORS)
        object.__setattr__(self, "k", k)
        object.__setattr__(self, "recall", recall)

    @property
    def prefix_recall(self) -> float:
        """What the prefix itself has to reach, so that HNSW may miss some, too."""
        return 1 - PREFIX_SHARE * (1 - self.recall)


@dataclass(frozen=True, slots=True)
class Option:
    """One size and kind, as predicted.

    `ceiling` is the recall if MOST_CANDIDATES were ranked again. `candidates` of the
    prefix's exact order reach the target with room for what HNSW misses; None: more
    than MOST_CANDIDATES. `sure`: the lower end of the interval reaches the target
    there. Bytes are of the whole table; seconds and ms are guesses, the seconds scaled
    by the builds that `build_scaled_by` names, if any. `growth` is that of needed
    candidates with rows, see `growth.grown`.
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

    @property
    def name(self) -> str:
        """`halfvec(256)`."""
        return f"{self.kind}({self.dims})"

    @property
    def stored(self) -> Stored:
        """How the first pass compares: by the values of the prefix, or by its signs."""
        return KINDS[self.kind].stored

    def as_dict(self) -> dict[str, Any]:
        """All of it in what JSON knows."""
        plain = asdict(self)
        plain["build_scaled_by"] = list(self.build_scaled_by)
        return {"name": self.name, **plain}


def smallest_alike(options: Iterable[Option]) -> list[Option]:
    """Options, less those that another one of the same size stores in fewer bits.

    Their first passes find the same: halves rank as whole values do.
    """
    known = list(options)
    fewest: dict[tuple[Stored, int], int] = {}
    for option in known:
        form, bits = (option.stored, option.dims), KINDS[option.kind].bits
        fewest[form] = min(bits, fewest.get(form, bits))
    return [o for o in known if KINDS[o.kind].bits == fewest[o.stored, o.dims]]
