"""The measured recall and time of one setting of an index."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from mrl_pg.recall.score import Recall, summarise
from mrl_pg.search.effort import candidates_read
from mrl_pg.tune.option import Option

FEWEST_FOR_P95 = 20
"""With fewer times, the 95th percentile would be nearly the slowest time."""


@dataclass(frozen=True, slots=True)
class Point:
    """The measured recall and milliseconds per search of one setting of an index.

    `candidates` and `option` are None for one pass over full vectors. For an exact
    search, `ef_search` is None as well. `p95_ms` is None if fewer than FEWEST_FOR_P95
    queries were timed. `note` says more about the time. `rerank` of the candidates are
    read in full, None if all are.
    """

    name: str
    candidates: int | None
    ef_search: int | None
    recall: Recall
    median_ms: float
    p95_ms: float | None
    option: Option | None = None
    note: str = ""
    rerank: int | None = None

    @property
    def reads(self) -> int | None:
        """How many candidates are read in full; None without a short index."""
        return self.candidates if self.rerank is None else self.rerank

    @property
    def p95(self) -> str:
        """`3.40`, or `-` when too few queries were timed."""
        return "-" if self.p95_ms is None else f"{self.p95_ms:.2f}"

    @property
    def exact(self) -> bool:
        """Whether this is an exact search, which has no interval: it misses nothing."""
        return self.ef_search is None

    @property
    def setting(self) -> str:
        """`bit(1536), 160 candidates, ef_search 320`."""
        parts = [self.name]
        if self.candidates is not None:
            parts.append(candidates_read(self.candidates, self.rerank))
        if self.ef_search is not None:
            parts.append(f"ef_search {self.ef_search}")
        return ", ".join(parts)

    def __str__(self) -> str:
        """`bit(1536), 160 candidates, ef_search 320: recall …, 2.1 ms (p95 3.4)`."""
        few = f"median of {self.recall.queries}"
        known = few if self.p95_ms is None else f"p95 {self.p95}"
        recall = "" if self.exact else f"recall {self.recall}, "
        return f"{self.setting}: {recall}{self.median_ms:.2f} ms ({self.note or known})"

    def as_dict(self) -> dict[str, Any]:
        """All fields as types that JSON has, without the option."""
        recall: dict[str, Any] = asdict(self.recall)
        if self.exact:
            recall |= {"low": None, "high": None}
        return {
            "name": self.name,
            "candidates": self.candidates,
            "ef_search": self.ef_search,
            "rerank": self.rerank,
            "recall": recall,
            "median_ms": self.median_ms,
            "p95_ms": self.p95_ms,
        }


def point(
    name: str,
    candidates: int | None,
    ef_search: int | None,
    option: Option | None,
    *,
    recalls: Sequence[float],
    times: Sequence[float],
    k: int,
    rerank: int | None = None,
) -> Point:
    """The point of a setting, from the recall and the milliseconds of each query."""
    enough = len(times) >= FEWEST_FOR_P95
    recall = summarise(recalls)
    if ef_search is None:
        recall = replace(recall, low=recall.mean, high=recall.mean)
    return Point(
        name,
        candidates,
        ef_search,
        recall,
        float(np.median(times)),
        float(np.quantile(times, 0.95)) if enough else None,
        option,
        rerank=rerank,
    )
