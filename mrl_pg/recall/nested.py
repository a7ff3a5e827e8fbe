"""What prefixes of each size can find, from one pass over the rows, in NumPy."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mrl_pg.errors import InvalidSetting
from mrl_pg.layout import Distance
from mrl_pg.recall.score import TOLERANCE, Recall, summarise

MOST_CANDIDATES = 1000
"""Candidates that curves reach to: a scan that stops hands over no more."""

BLOCK = 1024
"""Rows looked at at once: the distances of 500 queries to them fit a cache."""

Stored: TypeAlias = Literal["floats", "bits"]
"""How a prefix is compared: by its values, whole or half, or by their signs.

Rounding to halves moves a distance by some 0.0005 of itself, so `vector` and `halfvec`
share a curve (benchmarks/tune.py measures how far apart they are).
"""


@dataclass(frozen=True, slots=True)
class Curve:
    """How near the top of a prefix's exact order the true neighbours are.

    `places`, shape (queries, k): positions, 0 the nearest by short vectors, in
    ascending order, of the k rows that are nearest by full ones; MOST_CANDIDATES
    for those further down. So it is the ceiling of any first pass over that prefix.
    """

    dims: int
    stored: Stored
    places: NDArray[np.int32]

    def recall(self, candidates: int) -> Recall:
        """Recall, with its interval, when so many candidates are ranked again."""
        k = self.places.shape[1]
        found = (self.places < candidates).sum(axis=1) / k
        return summarise(found.tolist(), k)

    def candidates_for(self, recall: float) -> int | None:
        """Fewest candidates whose mean recall is at least `recall`; None: too many."""
        flat = np.sort(self.places, axis=None)
        needed = int(np.ceil(recall * flat.size - 1e-9))
        last = int(flat[needed - 1]) if needed else 0
        return None if last >= MOST_CANDIDATES else max(last + 1, self.places.shape[1])


class Leaders:
    """The best `most` rows of each query so far, by one score, with another beside it.

    Greater is nearer. Rows gather behind the leaders until there is no room for
    another block; only then are they sorted out.
    """

    def __init__(self, queries: int, most: int) -> None:
        """Room for the leaders of so many queries, and for two blocks."""
        self.most = most
        shape = queries, most + 2 * BLOCK
        self.scores = np.full(shape, -np.inf, dtype=np.float32)
        self.beside = np.full(shape, -np.inf, dtype=np.float32)
        self.held = np.zeros(queries, dtype=np.int64)
        self.floor = np.full((queries, 1), -np.inf, dtype=np.float32)

    def add(self, scores: NDArray[np.float32], beside: NDArray[np.float32]) -> None:
        """Take in a block, both (queries, at most BLOCK rows)."""
        if self.held.max() + scores.shape[1] > self.scores.shape[1]:
            self._sort_out()
        places = np.flatnonzero(scores > self.floor)
        queries = places // scores.shape[1]
        counts = np.bincount(queries, minlength=len(scores))
        behind = np.arange(len(places)) - np.repeat(np.cumsum(counts) - counts, counts)
        at = queries, self.held[queries] + behind
        self.scores[at] = scores.ravel()[places]
        self.beside[at] = beside.ravel()[places]
        self.held += counts

    def best(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Scores and what stands beside them, (queries, most), best score first."""
        self._sort_out()
        order = np.argsort(-self.scores[:, : self.most], axis=1, kind="stable")
        scores = np.take_along_axis(self.scores, order, axis=1)
        return scores, np.take_along_axis(self.beside, order, axis=1)

    def _sort_out(self) -> None:
        keep = np.argpartition(self.scores, -self.most, axis=1)[:, -self.most :]
        for held in (self.scores, self.beside):
            held[:, : self.most] = np.take_along_axis(held, keep, axis=1)
            held[:, self.most :] = -np.inf
        self.held = np.minimum(self.held, self.most)
        # fewer than there is room for leave the floor where it is
        self.floor = self.scores[:, : self.most].min(axis=1, keepdims=True)


def curves(
    blocks: Iterable[NDArray[np.floating]],
    queries: NDArray[np.floating],
    *,
    sizes: Sequence[int],
    k: int,
    distance: Distance = "cosine",
    stored: Sequence[Stored] = ("floats", "bits"),
    own: NDArray[np.integer] | None = None,
) -> list[Curve]:
    """A curve for each way to store and each size, from rows that pass once.

    `blocks`: rows (n, d), in any number of arrays; `queries` (q, d). `own`, shape
    (q,), says which row each query is, counted over all blocks, so that it is not
    its own answer; -1 for a query that is no row. Prefixes are compared by cosine,
    as short vectors are unit length; the truth is by `distance` on full vectors.

    Work: two matrix products of (q, d) with (d, n) for both ways to store, because
    each size adds to the product of the one before. Memory: 24 kB a query and
    curve, and blocks of BLOCK rows; not the rows.

    Raises InvalidSetting for sizes that are none of a prefix, or too few rows.
    """
    wanted = np.asarray(queries, dtype=np.float32)
    ends = _ends(sizes, wanted.shape[1])
    keys = [(way, size) for way in stored for size in ends]
    leaders = {key: Leaders(len(wanted), MOST_CANDIDATES) for key in keys}
    truth = Leaders(len(wanted), k)
    signs = _signs(wanted)
    seen = 0
    for block in blocks:
        for start in range(0, len(block), BLOCK):
            rows = np.asarray(block[start : start + BLOCK], dtype=np.float32)
            itself = _itself(own, seen, len(rows))
            near, by_floats = _products(rows, wanted, ends, distance)
            near[itself] = -np.inf
            truth.add(near, near)
            by_signs = _sign_products(rows, signs, ends) if "bits" in stored else {}
            for (way, size), leading in leaders.items():
                score = by_floats[size] if way == "floats" else by_signs[size]
                score[itself] = -np.inf
                leading.add(score, near)
            seen += len(rows)
    if seen <= k:
        raise InvalidSetting(f"{seen} rows are too few for k={k}: sample more")
    edge = truth.best()[0][:, -1:]
    edge -= TOLERANCE * np.maximum(1, np.abs(edge))
    return [
        Curve(size, way, _places(leaders[way, size].best()[1] >= edge, k))
        for way, size in keys
    ]


def _ends(sizes: Sequence[int], full: int) -> list[int]:
    ends = sorted(set(sizes))
    if not ends or ends[0] < 1 or ends[-1] > full:
        raise InvalidSetting(f"sizes={list(sizes)}: give some from 1 to {full}")
    return ends


def _itself(
    own: NDArray[np.integer] | None, seen: int, count: int
) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    """Where in a block's scores a query meets the row that it is."""
    if own is None:
        own = np.empty(0, dtype=np.int64)
    queries = np.flatnonzero((own >= seen) & (own < seen + count))
    return queries, own[queries] - seen


def _products(
    rows: NDArray[np.float32],
    queries: NDArray[np.float32],
    ends: Sequence[int],
    distance: Distance,
) -> tuple[NDArray[np.float32], dict[int, NDArray[np.float32]]]:
    """Nearness by full vectors, and by each prefix; every dimension multiplied once."""
    product = np.zeros((len(queries), len(rows)), dtype=np.float32)
    squares = np.zeros(len(rows), dtype=np.float32)
    scores: dict[int, NDArray[np.float32]] = {}
    start = 0
    for end in dict.fromkeys([*ends, queries.shape[1]]):
        part = rows[:, start:end]
        product += queries[:, start:end] @ part.T
        squares += np.einsum("ij,ij->i", part, part)
        scores[end] = _cosine(product, squares)
        start = end
    if distance == "cosine":
        # a copy: the whole vector can be one of the sizes
        return scores[queries.shape[1]].copy(), scores
    if distance == "ip":
        return product, scores
    return 2 * product - squares, scores


def _cosine(
    product: NDArray[np.float32], squares: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Greater is nearer; the query's own length changes no order. Zeros come last."""
    with np.errstate(divide="ignore", invalid="ignore"):
        scores: NDArray[np.float32] = product * (1 / np.sqrt(squares)).astype(
            np.float32
        )
    scores[:, squares == 0] = -np.inf
    return scores


def _signs(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """1 where pgvector's binary_quantize has a one, else -1."""
    signs = (vectors > 0).astype(np.float32)
    signs *= 2
    signs -= 1
    return signs


def _sign_products(
    rows: NDArray[np.float32], queries: NDArray[np.float32], ends: Sequence[int]
) -> dict[int, NDArray[np.float32]]:
    """Minus twice the Hamming distance of each prefix, but for a constant."""
    signs = _signs(rows)
    product = np.zeros((len(queries), len(rows)), dtype=np.float32)
    scores = {}
    start = 0
    for end in ends:
        product += queries[:, start:end] @ signs[:, start:end].T
        scores[end] = product.copy()
        start = end
    return scores


def _places(found: NDArray[np.bool_], k: int) -> NDArray[np.int32]:
    """Positions of the first k that are found, the rest at MOST_CANDIDATES."""
    everywhere = np.arange(found.shape[1], dtype=np.int32)
    places = np.where(found, everywhere, np.int32(MOST_CANDIDATES))
    if places.shape[1] < k:
        gap = np.full((len(places), k - places.shape[1]), MOST_CANDIDATES, np.int32)
        places = np.hstack([places, gap])
    first: NDArray[np.int32] = np.sort(places, axis=1)[:, :k]
    return first
