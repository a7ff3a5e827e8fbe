"""The pass of some of the queries over the rows, which is the work of one thread."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mrl_pg.errors import InvalidSetting
from mrl_pg.kinds import Distance, Stored
from mrl_pg.recall.bits import apart, paired, signs
from mrl_pg.recall.curve import MOST_CANDIDATES
from mrl_pg.recall.leaders import BLOCK, Leaders, Nearest, places
from mrl_pg.recall.prefixes import Floats, Products, cosine, lengths
from mrl_pg.recall.score import TOLERANCE

TIES = 32
"""Rows to keep after the k nearest, because they may tie with the last of these."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """The forms to score: sizes of floats, then sizes of bits, each ascending.

    They ascend because the product of a size adds to the product of the size before.
    `ends` are the sizes of floats and the full size.
    """

    forms: tuple[tuple[Stored, int], ...]
    ends: tuple[int, ...]
    floats: tuple[int, ...]
    bits: tuple[int, ...]

    @classmethod
    def of(cls, forms: Sequence[tuple[Stored, int]], full: int) -> "Sizes":
        """The sizes of `forms`; raises InvalidSetting unless all are 1 to `full`."""
        sizes = [size for _, size in forms]
        if not sizes or min(sizes) < 1 or max(sizes) > full:
            raise InvalidSetting(f"sizes={sizes}. Pass sizes from 1 to {full}")
        floats = tuple(sorted({size for way, size in forms if way == "floats"}))
        bits = tuple(sorted({size for way, size in forms if way == "bits"}))
        both = (*(("floats", s) for s in floats), *(("bits", s) for s in bits))
        return cls(both, tuple(dict.fromkeys((*floats, full))), floats, bits)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class ScoredBlock:
    """Rows, the length of each prefix, and the `signs` of the rows."""

    rows: Floats
    norms: list[Floats]
    signs: Floats | None

    @classmethod
    def of(cls, rows: Floats, sizes: Sizes) -> "ScoredBlock":
        """The block with the values that all parts need."""
        norms = list(lengths(rows, sizes.ends))
        longest = sizes.bits[-1] if sizes.bits else 0
        return cls(rows, norms, signs(rows[:, :longest]) if longest else None)


class Part:
    """The leaders of some queries in every form, and the nearest by full vectors."""

    def __init__(
        self, queries: Floats, k: int, distance: Distance, sizes: Sizes
    ) -> None:
        """Make room; no row was scored yet."""
        self.queries, self.k, self.distance, self.sizes = queries, k, distance, sizes
        self.by_floats = Products(queries, sizes.ends, BLOCK)
        pairs = paired(queries[:, : max(sizes.bits, default=0)])
        self.by_bits = Products(pairs, sizes.bits, BLOCK)
        self.scores = np.empty(
            (len(sizes.ends) + 1, len(queries), BLOCK), dtype=np.float32
        )
        self.leaders = [Leaders(len(queries), MOST_CANDIDATES) for _ in sizes.forms]
        self.truth = Nearest(len(queries), k + TIES, len(sizes.forms))

    def add(self, block: ScoredBlock) -> None:
        """Score a block; each array of scores is used while it is in the cache."""
        *by_floats, by_bits = self.scores[:, :, : len(block.rows)]
        count = len(self.sizes.floats)
        products = self.by_floats.of(block.rows)
        for i, (product, norms) in enumerate(zip(products, block.norms, strict=True)):
            if i < count or self.distance == "cosine":
                cosine(product, norms, out=by_floats[i])
            if i < count:
                self.leaders[i].add(by_floats[i])
        to, chosen = self.truth.join(self._near(product, by_floats, block))
        others = self.truth.others.reshape(len(self.leaders), -1)
        for i in range(count):
            others[i, to] = by_floats[i].reshape(-1)[chosen]
        if block.signs is None:
            return
        for i, pairs in enumerate(self.by_bits.of(block.signs), start=count):
            apart(pairs, out=by_bits)
            self.leaders[i].add(by_bits)
            others[i, to] = by_bits.reshape(-1)[chosen]

    def _near(
        self, product: Floats, by_floats: list[Floats], block: ScoredBlock
    ) -> Floats:
        """Nearness by full vectors; greater is nearer."""
        if self.distance == "cosine":
            return by_floats[-1]
        if self.distance == "ip":
            return product
        return 2 * product - np.square(block.norms[-1])

    def edge(self) -> Floats:
        """The least nearness of a row that counts as one of the k, ties included."""
        last = self.truth.best()[:, -self.k]
        slack = np.maximum(1, np.abs(last)) * TOLERANCE
        edge: Floats = last - slack.astype(np.float32)
        return edge

    def places(self) -> list[NDArray[np.int32]]:
        """Positions of the true k nearest rows in every form, see `Curve`."""
        best = self.truth.best()
        true = best >= self.edge()[:, np.newaxis]
        others = self.truth.others[:, :, : self.truth.most]
        return [
            places(leaders.best(), np.where(true, other, -np.inf), self.k)
            for leaders, other in zip(self.leaders, others, strict=True)
        ]

    def distance_of(self, near: Floats) -> NDArray[np.float64]:
        """The distances of pgvector that belong to the nearnesses."""
        wide = near.astype(np.float64)
        if self.distance == "l2":
            squares = np.sum(np.square(self.queries, dtype=np.float64), axis=1)
            far: NDArray[np.float64] = np.sqrt(np.maximum(squares - wide, 0))
            return far
        return -wide if self.distance == "ip" else 1 - wide
