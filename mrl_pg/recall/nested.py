"""What prefixes of each size can find, from one pass over the rows, in NumPy."""

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mrl_pg.errors import InvalidSetting
from mrl_pg.layout import Distance
from mrl_pg.recall.curve import MOST_CANDIDATES, Curve, Stored
from mrl_pg.recall.leaders import BLOCK, Leaders, places
from mrl_pg.recall.score import TOLERANCE
from mrl_pg.vectors import normalise

TIES = 32
"""Rows beyond the k nearest that may be as near as the last of them."""


@dataclass(frozen=True, slots=True)
class Nested:
    """What one pass over the rows found.

    `limits`, shape (queries,): pgvector's distance within which a row is one of the
    true k, ties included; `best`: that of the nearest row. `rows` were seen, `zeros`
    of them without a direction.
    """

    curves: list[Curve]
    limits: NDArray[np.float64]
    best: NDArray[np.float64]
    rows: int
    zeros: int


def nested(
    blocks: Iterable[NDArray[np.floating]],
    queries: NDArray[np.floating],
    *,
    forms: Sequence[tuple[Stored, int]],
    k: int,
    distance: Distance = "cosine",
) -> Nested:
    """A curve for each way to store and size, from rows that pass once.

    `blocks`: rows (n, d), in any number of arrays; `queries` (q, d), none of them a
    row, or it is its own answer. Prefixes are compared by cosine, as short vectors
    are unit length; the truth is by `distance` on full vectors.

    Work: two matrix products of (q, d) with (d, n) for both ways to store, because
    each size adds to the product of the one before. Memory: 8 kB a query and
    curve, and blocks of BLOCK rows; not the rows.

    Curves come with floats first, then by size. Raises InvalidSetting for sizes that
    are none of a prefix, or too few rows.
    """
    # under cosine a query's length says nothing, and would scale the scores
    floats = normalise(queries) if distance == "cosine" else queries
    wanted: NDArray[np.float32] = np.asarray(floats, dtype=np.float32)
    keys = _checked(forms, wanted.shape[1])
    ends = {way: [size for w, size in keys if w == way] for way in ("floats", "bits")}
    leaders = [Leaders(len(wanted), MOST_CANDIDATES) for _ in keys]
    truth = Leaders(len(wanted), k + TIES, beside=len(keys))
    signs = 2 * _signs(wanted) - 1
    seen = zeros = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for rows in _cut(blocks):
            near, by_floats = _products(rows, wanted, ends["floats"], distance)
            by_signs = _sign_products(rows, signs, ends["bits"])
            scores = [(by_floats if w == "floats" else by_signs)[s] for w, s in keys]
            truth.add(near, scores)
            # NumPy lets go of the interpreter, so the leaders really run together
            list(pool.map(Leaders.add, leaders, scores))
            seen += len(rows)
            zeros += int((~rows.any(axis=1)).sum())
        if seen <= k:
            raise InvalidSetting(f"{seen} rows are too few for k={k}: sample more")
        best = truth.best()
        last = best[:, -k]
        edge: NDArray[np.floating] = last - TOLERANCE * np.maximum(1, np.abs(last))
        true = best >= edge[:, np.newaxis]
        everywhere = pool.map(
            lambda i: places(
                leaders[i].best(),
                np.where(true, truth.beside[i, :, : truth.most], -np.inf),
                k,
            ),
            range(len(keys)),
        )
        found = [
            Curve(size, way, p) for (way, size), p in zip(keys, everywhere, strict=True)
        ]
    return Nested(
        found,
        _distance(edge, wanted, distance),
        _distance(best[:, -1], wanted, distance),
        seen,
        zeros,
    )


def _cut(blocks: Iterable[NDArray[np.floating]]) -> Iterator[NDArray[np.float32]]:
    for block in blocks:
        for start in range(0, len(block), BLOCK):
            yield np.asarray(block[start : start + BLOCK], dtype=np.float32)


def _distance(
    near: NDArray[np.float32], queries: NDArray[np.floating], distance: Distance
) -> NDArray[np.float64]:
    """pgvector's distance of a nearness as `_products` gives it."""
    wide = near.astype(np.float64)
    if distance == "l2":
        squares = np.sum(np.square(queries, dtype=np.float64), axis=1)
        far: NDArray[np.float64] = np.sqrt(np.maximum(squares - wide, 0))
        return far
    return -wide if distance == "ip" else 1 - wide


def _checked(
    forms: Sequence[tuple[Stored, int]], full: int
) -> list[tuple[Stored, int]]:
    sizes = [size for _, size in forms]
    if not sizes or min(sizes) < 1 or max(sizes) > full:
        raise InvalidSetting(f"sizes={list(sizes)}: give some from 1 to {full}")
    # floats first, ascending: products add up from size to size
    return sorted(set(forms), key=lambda form: (form[0] == "bits", form[1]))


def _products(
    rows: NDArray[np.float32],
    queries: NDArray[np.float32],
    ends: Sequence[int],
    distance: Distance,
) -> tuple[NDArray[np.float32], dict[int, NDArray[np.float32]]]:
    """Nearness by full vectors, and by each prefix; every dimension multiplied once."""
    product = np.zeros((len(queries), len(rows)), dtype=np.float32)
    more = np.empty_like(product)
    squares = np.zeros(len(rows), dtype=np.float32)
    scores: dict[int, NDArray[np.float32]] = {}
    start = 0
    for end in dict.fromkeys([*ends, queries.shape[1]]):
        part = rows[:, start:end]
        product += np.matmul(queries[:, start:end], part.T, out=more)
        squares += np.einsum("ij,ij->i", part, part)
        scores[end] = _cosine(product, squares)
        start = end
    if distance == "cosine":
        return scores[queries.shape[1]], scores
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
    """1 where pgvector's binary_quantize has a one, else 0."""
    return (vectors > 0).view(np.int8).astype(np.float32)


def _sign_products(
    rows: NDArray[np.float32], queries: NDArray[np.float32], ends: Sequence[int]
) -> dict[int, NDArray[np.float32]]:
    """Minus the Hamming distance of each prefix, but for a constant of the query.

    `queries` are 1 where their sign bit is, else -1.
    """
    if not ends:
        return {}
    signs = _signs(rows)
    product = np.zeros((len(queries), len(rows)), dtype=np.float32)
    more = np.empty_like(product)
    scores = {}
    start = 0
    for end in ends:
        product += np.matmul(queries[:, start:end], signs[:, start:end].T, out=more)
        scores[end] = product.copy()
        start = end
    return scores
