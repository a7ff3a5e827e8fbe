"""A few queries watched on the pass over the rows: which rows each size puts first."""

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
"""Queries that become examples: enough to look at, too few to judge by."""

AT_ONCE = 1024
"""Rows looked at at once, so that they stay in the cache."""

PLACE = np.dtype(
    [("score", "f4"), ("near", "f4"), ("table", "u4"), ("place", "u8")],
)
"""A row: its score in one form, its nearness by full vectors, where it is."""

ONES = np.array([number.bit_count() for number in range(256)], dtype=np.uint8)
Where: TypeAlias = tuple[int, int]
"""Table (a partition) and place of a row."""


@dataclass(frozen=True, slots=True)
class RankedRow:
    """A row that is answered, or is not: its distance by full vectors, whether it is
    one of the true k, its place from 1 in a form's own order (None: far down)."""

    where: Where
    distance: float
    true: bool
    place: int | None


@dataclass(frozen=True, slots=True)
class Ranked:
    """An answer, nearest first, how many of it are true, how many of the form's own
    first k `alone`, and true rows that are missing."""

    found: int
    alone: int
    rows: list[RankedRow]
    missing: list[RankedRow]


class ExampleQueries:
    """The best rows of a few queries, drawn at random, in every form and by full ones.

    Beside 500 queries these are some 6 % of the work, in the thread that reads, and
    20 kB a query and form.
    """

    def __init__(
        self,
        asked: Queries,
        forms: Sequence[tuple[Stored, int]],
        k: int,
        distance: Distance,
        seed: int,
    ) -> None:
        """Draw the queries; no row was seen yet."""
        self.k, self.distance = k, distance
        self.total = len(asked.vectors)
        few = min(WATCHED, self.total)
        drawn = np.random.default_rng(seed + 2).choice(self.total, few, replace=False)
        self.numbers: list[int] = np.sort(drawn).tolist()
        given = asked.vectors[self.numbers]
        unit = normalise(given) if distance == "cosine" else given
        self.queries: Floats = np.asarray(unit, dtype=np.float32)
        self.held: list[Where] = []
        if asked.held is not None:
            # those of zeros are held out, but are no queries
            some = np.flatnonzero(asked.held.vectors.any(axis=1))
            rows = asked.held.take(some[self.numbers])
            self.held = list(
                zip(rows.tables.tolist(), rows.places.tolist(), strict=True)
            )
        self.forms = sorted(set(forms), key=lambda form: (form[0] == "bits", form[1]))
        full = self.queries.shape[1]
        floats = [size for way, size in self.forms if way == "floats"]
        self.ends = list(dict.fromkeys([*floats, full]))
        self.bits = [size for way, size in self.forms if way == "bits"]
        self._best = [[_Best(MOST_CANDIDATES) for _ in range(few)] for _ in self.forms]
        self._true = [_Best(k) for _ in range(few)]

    def pass_on(self, blocks: Iterable[TableRows]) -> Generator[TableRows, None, None]:
        """The blocks as they come, each looked at."""
        for rows in blocks:
            for start in range(0, len(rows), AT_ONCE):
                cut = slice(start, start + AT_ONCE)
                self._add(
                    TableRows(rows.vectors[cut], rows.tables[cut], rows.places[cut])
                )
            yield rows

    def exact(self, i: int) -> "Ranked":
        """The true k nearest rows of a query."""
        best = self._true[i].ordered()
        return Ranked(len(best), len(best), self._hits(i, best, {}), [])

    def ranked(self, i: int, form: tuple[Stored, int], candidates: int) -> "Ranked":
        """What the first `candidates` by one form answer, ranked by full vectors."""
        order = self._best[self.forms.index(form)][i].ordered()
        handed = order[:candidates]
        answer = handed[np.argsort(-handed["near"], kind="stable")[: self.k]]
        place = {where: n for n, where in enumerate(_where(order), 1)}
        truth = self._true[i].ordered()
        missed = [
            place.get(where, candidates + 1) > candidates for where in _where(truth)
        ]
        found = int(self._are_true(i, answer).sum())
        return Ranked(
            found,
            int(self._are_true(i, order[: self.k]).sum()),
            self._hits(i, answer, place),
            # where rows tie at the edge, another one may stand for a missing one
            self._hits(i, truth[missed], place)[: len(truth) - found],
        )

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
        """pgvector's distances of some nearnesses."""
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
            # rows first: with so few queries the quicker way round
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
            # no distance to them, so no second pass answers them
            for form in scores:
                form[:, norms == 0] = -np.inf
        for i, nearness in enumerate(near):
            self._true[i].add(nearness, nearness, rows)
            for form, kept in zip(scores, self._best, strict=True):
                kept[i].add(form[i], nearness, rows)


class _Best:
    """The `most` rows that score best: they gather, and are sorted out when many."""

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
        found = np.empty(len(which), dtype=PLACE)
        found["score"], found["near"] = scores[which], near[which]
        found["table"], found["place"] = rows.tables[which], rows.places[which]
        self.more.append(found)
        self.waiting += len(found)
        if self.waiting > self.most:
            self._sort_out()

    def ordered(self) -> NDArray[np.void]:
        self._sort_out()
        rows = self.rows
        # of equals the one that stands first in the table
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
    """Signs as whole numbers of 64: 1 where pgvector's binary_quantize has a one."""
    bits = np.packbits(vectors > 0, axis=1)
    if rest := -bits.shape[1] % 8:
        bits = np.pad(bits, ((0, 0), (0, rest)))
    return bits.view(np.uint64)


def _ones(bits: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """How many bits are set in each number, or byte; NumPy counts them since 2.0."""
    count = getattr(np, "bitwise_count", None)
    counted: NDArray[np.uint8] = count(bits) if count else ONES[bits.view(np.uint8)]
    return counted


def _where(rows: NDArray[np.void]) -> list[Where]:
    return list(zip(rows["table"].tolist(), rows["place"].tolist(), strict=True))
