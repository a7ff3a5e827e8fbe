"""The queries of one measurement, with what the true answers are."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mrl_pg.bench.corpus import Corpus, Floats, below
from mrl_pg.kinds import Distance
from mrl_pg.recall.score import Recall, recall_at_k, summarise
from mrl_pg.recall.truth import distances, nearest


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """Queries for the k nearest of all rows, or of those whose part is below `percent`.

    `edges` are the exact distances of the true answers, ascending, one line per query.
    """

    queries: Sequence[Floats]
    k: int
    percent: float | None
    rows: Floats
    allowed: NDArray[np.bool_]
    edges: NDArray[np.float64]
    distance: Distance

    def first(self, count: int) -> "Asked":
        """The first queries alone."""
        return replace(self, queries=self.queries[:count], edges=self.edges[:count])

    def recall(self, answers: Sequence[Sequence[int]]) -> Recall:
        """What share of the true rows the answers hold, one answer per query."""
        shares = [
            recall_at_k(self._exact(query, answer), edge)
            for query, answer, edge in zip(
                self.queries, answers, self.edges, strict=True
            )
        ]
        return summarise(shares)

    def _exact(self, query: Floats, answer: Sequence[int]) -> list[float]:
        places = np.unique(np.asarray(answer, dtype=np.int64))
        places = places[self.allowed[places]]
        if not len(places):
            return []
        near = self.rows[places]
        exact = distances(near, query[np.newaxis], self.distance)[0]
        return [float(distance) for distance in exact]


def ask(
    corpus: Corpus,
    k: int,
    percent: float | None = None,
    rows: Floats | None = None,
    gone: NDArray[np.int64] | None = None,
) -> Asked:
    """All queries of a corpus.

    `rows` are the rows by now, if some were updated; `gone` were deleted.
    """
    there = corpus.rows if rows is None else rows
    allowed = np.ones(len(there), dtype=np.bool_)
    if percent is not None:
        allowed = corpus.parts < below(percent)
    if gone is not None:
        allowed[gone] = False
    inside = there if allowed.all() else there[allowed]
    truth = nearest(
        inside, corpus.queries, k=min(k, len(inside)), distance=corpus.distance
    )
    return Asked(
        list(corpus.queries),
        k,
        percent,
        there,
        allowed,
        truth.distances,
        corpus.distance,
    )
