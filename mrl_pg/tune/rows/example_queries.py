"""Follows a few queries through the pass over the rows, and ranks rows by each size."""

import heapq
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mrl_pg.kinds import Distance, Stored
from mrl_pg.recall.curve import MOST_CANDIDATES
from mrl_pg.recall.prefixes import Floats, cosine, lengths
from mrl_pg.recall.score import TOLERANCE
from mrl_pg.tune.queries import Queries
from mrl_pg.tune.rows.stream import TableRows
from mrl_pg.vectors import normalise

WATCHED = 3
"""How many queries become examples. So few show answers, but do not measure recall."""

AT_ONCE = 1024
"""Rows to score at a time, so that they stay in the processor's cache."""

PLACE = np.dtype(
    [("score", "f4"), ("near", "f4"), ("table", "u4"), ("place", "u8"), ("hash", "i8")],
)
"""A row: its score in one form, its nearness by full vectors, its place and hash.

A form is a way to store and a size. Greater nearness means a smaller distance.
"""

ONES = np.array([number.bit_count() for number in range(256)], dtype=np.uint8)
Where: TypeAlias = tuple[int, int, int]
"""Table (a partition), place and hash of a row."""


@dataclass(frozen=True, slots=True)
class RankedRow:
    """A row that an answer has or lacks.

    `distance` is by full vectors. `true` says whether the row is one of the true k.
    `place` is its place in a form's own order, from 1; None means after the best
    MOST_CANDIDATES rows, or no form.
    """

    where: Where
    distance: float
    true: bool
    place: int | None


@dataclass(frozen=True, slots=True)
class Ranked:
    """The answer to a query: `rows`, nearest first.

    `found` of these rows are true. `alone` of the first k rows in the form's own order
    are true. `missing` are the true rows that the answer lacks.
    """

    found: int
    alone: int
    rows: list[RankedRow]
    missing: list[RankedRow]


class ExampleQueries:
    """The best rows of a few random queries, in every form and by full vectors.

    With 500 queries, this takes about 6 % of the work, in the thread that reads, and
    20 kB of memory per query and form.
    """

    def __init__(
        self,
        queries: Queries,
        forms: Sequence[tuple[Stored, int]],
        k: int,
        distance: Distance,
        seed: int,
    ) -> None:
        """Draw the queries; they have no rows yet."""
        self.k, self.distance = k, distance
        self.total = len(queries.vectors)
        few = min(WATCHED, self.total)
        drawn = np.random.default_rng(seed + 2).choice(self.total, few, replace=False)
        self.numbers: list[int] = np.sort(drawn).tolist()
        given = queries.vectors[self.numbers]
        unit = normalise(given) if distance == "cosine" else given
        self.queries: Floats = np.asarray(unit, dtype=np.float32)
        self.held: list[Where] = []
        if queries.held is not None:
            # held-out rows of zeros are not queries
            some = np.flatnonzero(queries.held.vectors.any(axis=1))
            rows = queries.held.take(some[self.numbers])
            self.held = list(
                zip(
                    rows.tables.tolist(),
                    rows.places.tolist(),
                    rows.hashes.tolist(),
                    strict=True,
                )
            )
        self.forms = sorted(set(forms), key=lambda form: (form[0] == "bits", form[1]))
        full = self.queries.shape[1]
        floats = [size for way, size in self.forms if way == "floats"]
        self.ends = list(dict.fromkeys([*floats, full]))
        self.bits = [size for way, size in self.forms if way == "bits"]
        self._best = [[_Best(MOST_CANDIDATES) for _ in range(few)] for _ in self.forms]
        self._true = [_Best(k) for _ in range(few)]

    def pass_on(self, blocks: Iterable[TableRows]) -> Generator[TableRows, None, None]:
        """The same blocks; the rows of each are scored before it is passed on."""
        for rows in blocks:
            for start in range(0, len(rows), AT_ONCE):
                cut = slice(start, start + AT_ONCE)
                self._add(rows.take(cut))
            yield rows

    def exact(self, i: int) -> "Ranked":
        """The true k nearest rows of a query."""
        best = self._true[i].ordered()
        return Ranked(len(best), len(best), self._hits(i, best, {}), [])

    def ranked(self, i: int, form: tuple[Stored, int], candidates: int) -> "Ranked":
        """The answer of one form when its first `candidates` go to the second pass."""
        order = self._best[self.forms.index(form)][i].ordered()
        handed = order[:candidates]
        answer = handed[np.argsort(-handed["near"], kind="stable")[: self.k]]
        place = {where: n for n, where in enumerate(_where(order), 1)}
        truth = self._true[i].ordered()
        missed = [
            place.get(where, candidates + 1) > candidates for where in _where(truth)
        ]
        true_rows = int(self._are_true(i, answer).sum())
        return Ranked(
            true_rows,
            int(self._are_true(i, order[: self.k]).sum()),
            self._hits(i, answer, place),
            # if rows tie with the last true row, another row may replace a missing row
            self._hits(i, truth[missed], place)[: len(truth) - true_rows],
        )

    def may_be_listed(self, most: int) -> list[Where]:
        """The queries that are rows, and the rows among the first `most` of any answer.

        An answer has `candidates` that are not known yet, so these are more rows.
        """
        rows = [*self.held]
        for i, true in enumerate(self._true):
            rows += _where(true.ordered())
            for best in self._best:
                order = best[i].ordered()
                rows += _where(order[_ever_nearest(order["near"], most)])
        return list(dict.fromkeys(rows))

    def _are_true(self, i: int, rows: NDArray[np.void]) -> NDArray[np.bool_]:
        last = float(self._true[i].ordered()["near"][-1])
        true: NDArray[np.bool_] = rows["near"] >= last - max(1, abs(last)) * TOLERANCE
        return true

    def _hits(
        self, i: int, rows: NDArray[np.void], place: dict[Where, int]
    ) -> list["RankedRow"]:
        near, true = (
            self._far(i, rows["near"]).tolist(),
            self._are_true(i, rows).tolist(),
        )
        return [
            RankedRow(where, far, is_true, place.get(where))
            for where, far, is_true in zip(_where(rows), near, true, strict=True)
        ]

    def _far(self, i: int, near: Floats) -> NDArray[np.float64]:
        """The distances of pgvector that belong to some nearnesses."""
        wide = near.astype(np.float64)
        if self.distance == "l2":
            square = np.sum(np.square(self.queries[i], dtype=np.float64))
            far: NDArray[np.float64] = np.sqrt(np.maximum(square - wide, 0))
            return far
        return -wide if self.distance == "ip" else 1 - wide

    def _add(self, rows: TableRows) -> None:
        vectors = rows.vectors
        product = np.zeros((len(self.queries), len(vectors)), dtype=np.float32)
        scores: list[Floats] = []
        start = 0
        for end, norms in zip(self.ends, lengths(vectors, self.ends), strict=True):
            # rows times queries, because this order is faster with so few queries
            product += (vectors[:, start:end] @ self.queries[:, start:end].T).T
            scores.append(cosine(product, norms))
            start = end
        if self.distance == "cosine":
            near = scores[-1]
        else:
            near = product if self.distance == "ip" else 2 * product - norms**2
        del scores[len(self.forms) - len(self.bits) :]
        alike = np.zeros_like(product)
        start = 0
        for end in self.bits:
            theirs = _packed(vectors[:, start:end])
            differ = _packed(self.queries[:, start:end])[:, np.newaxis] ^ theirs
            alike = alike - _ones(differ).sum(axis=2, dtype=np.float32)
            scores.append(alike)
            start = end
        if self.distance == "cosine" and not norms.all():
            # rows of zeros have no cosine distance, so no answer has them
            for form in scores:
                form[:, norms == 0] = -np.inf
        for i, nearness in enumerate(near):
            self._true[i].add(nearness, nearness, rows)
            for form, best in zip(scores, self._best, strict=True):
                best[i].add(form[i], nearness, rows)


class _Best:
    """The `most` rows that score best. New rows wait until more than `most` wait."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.rows = np.empty(0, dtype=PLACE)
        self.more: list[NDArray[np.void]] = []
        self.waiting = 0
        self.floor = -np.inf

    def add(self, scores: Floats, near: Floats, rows: TableRows) -> None:
        which = np.flatnonzero(scores > self.floor)
        if not len(which):
            return
        fresh = np.empty(len(which), dtype=PLACE)
        fresh["score"], fresh["near"] = scores[which], near[which]
        fresh["table"], fresh["place"] = rows.tables[which], rows.places[which]
        fresh["hash"] = rows.hashes[which]
        self.more.append(fresh)
        self.waiting += len(fresh)
        if self.waiting > self.most:
            self._sort_out()

    def ordered(self) -> NDArray[np.void]:
        self._sort_out()
        rows = self.rows
        # rows with equal scores keep the order of the table
        return rows[np.lexsort((rows["place"], rows["table"], -rows["score"]))]

    def _sort_out(self) -> None:
        rows = np.concatenate([self.rows, *self.more])
        if len(rows) >= self.most:
            first = len(rows) - self.most
            leaders = np.argpartition(rows["score"], first)[first:]
            self.floor = float(rows["score"][leaders[0]])
            rows = rows[leaders]
        self.rows, self.more, self.waiting = rows, [], 0


def _packed(vectors: Floats) -> NDArray[np.uint64]:
    """Signs in 64-bit numbers: bit 1 where pgvector's binary_quantize has bit 1."""
    bits = np.packbits(vectors > 0, axis=1)
    if rest := -bits.shape[1] % 8:
        bits = np.pad(bits, ((0, 0), (0, rest)))
    return bits.view(np.uint64)


def _ones(bits: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """The count of set bits per number with NumPy 2.0 or later, else per byte."""
    count = getattr(np, "bitwise_count", None)
    counted: NDArray[np.uint8] = count(bits) if count else ONES[bits.view(np.uint8)]
    return counted


def _where(rows: NDArray[np.void]) -> list[Where]:
    columns = (rows[name].tolist() for name in ("table", "place", "hash"))
    return list(zip(*columns, strict=True))


def _ever_nearest(near: Floats, most: int) -> list[int]:
    """Places in an order where a row is among the `most` nearest up to there."""
    nearest: list[float] = []
    places = []
    for place, value in enumerate(near.tolist()):
        if len(nearest) < most:
            heapq.heappush(nearest, value)
        elif value > nearest[0]:
            heapq.heapreplace(nearest, value)
        else:
            continue
        places.append(place)
    return places
