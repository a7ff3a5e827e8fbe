"""Are these vectors made for truncation? Told from rows, not from a model's name.

Leading dimensions are compared with other ones of the same number: with random
subsets and with the last. Only if they find more of the true neighbours, at most
sizes, do the rows carry their meaning in front. How much of the vectors' length is in
front says nothing: a large coordinate that is alike in all rows tells none apart.

A Matryoshka loss is one way to get there; ordering dimensions by variance (PCA) is
another, and as good. So the verdict is about the rows: fit, or not fit, for truncation.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mrl_pg.errors import InvalidSetting, InvalidVector
from mrl_pg.models import ladder
from mrl_pg.recall.judgement import Judgement, PrefixRecall, Verdict
from mrl_pg.recall.score import Z95, three_digits
from mrl_pg.recall.subsets import BLOCK, recalls
from mrl_pg.vectors import normalise

MORE = 0.01
"""Leading dimensions that surely find this much more than others: fit.

Measured with the defaults on samples of 150 to 5,000 rows. Trained with a Matryoshka
loss: the demo's model +.133 to +.174, another of 1536 dimensions on sentences +.071 to
+.099. Not trained (all-MiniLM-L6-v2 on the same sentences; and all of these with their
dimensions shuffled or rotated): from 5,000 rows -.009 to +.014, from 150 -.031 to
+.051. None of 320 samples of those was called fit, all 51 of the trained ones were.
"""

SAME = 0.06
"""Leading dimensions that surely find less than this share of what random ones miss,
beyond what these find: not fit.

A share, because few rows leave little to miss and so little to tell. From 5,000 rows,
trained models find .23 (the demo's) and .19 of it, dimensions in no order at most .03.
From 206 rows of text-embedding-3-small, five times out of five the answer is unclear.
"""

ROOM = 0.03
"""What random subsets must miss on average, or there is nothing to tell."""

HELD_OUT = 200
"""Rows that are the queries when none are given: at most a fifth of the rows."""

FEWEST_QUERIES = 20


def judge(
    rows: NDArray[np.floating],
    queries: NDArray[np.floating] | None = None,
    *,
    sizes: Sequence[int] | None = None,
    k: int = 10,
    subsets: int = 8,
    seed: int = 0,
) -> Judgement:
    """Tell by recall@k whether the rows' leading dimensions carry more than others.

    `rows` (n, d), `queries` (q, d) that are no rows; without them a sample of the
    rows is the queries, each not its own answer. `sizes` default to `models.ladder`.
    The interval allows for the queries drawn and for the random subsets drawn, of
    which there are `subsets`; the same seed gives the same answer.

    It takes 2 + `subsets` matrix products of (q, d) with (d, n), one order of the
    dimensions after the other. Memory beside rows and queries: 4,096 rows twice, and
    16 kB a query and size. Rows can be a memory map. Thousands of rows are enough;
    from a few hundred the answer may be "unclear".

    Raises InvalidSetting for fewer than 10 k rows, fewer than 2 subsets, or sizes that
    are none of a prefix; InvalidVector for shapes that do not match, a value that is
    not finite, a query of zeros.
    """
    full = _full(rows, queries)
    ends = sorted(set(ladder(full) if sizes is None else sizes))
    if not ends or ends[0] < 1 or ends[-1] >= full:
        raise InvalidSetting(
            f"sizes={ends}: give some from 1 to {full - 1}, shorter than the vectors"
        )
    if subsets < 2:
        raise InvalidSetting(f"subsets={subsets}: at least 2 show how much they differ")
    if k < 1 or len(rows) < 10 * k:
        raise InvalidSetting(
            f"{len(rows)} rows are too few for k={k}: sample at least {10 * max(k, 1)}"
        )
    random = np.random.default_rng(seed)
    for start in range(0, len(rows), BLOCK):
        _check("row", start, rows[start : start + BLOCK])
    if queries is None:
        own = _held_out(rows, random)
        queries = rows[own]
    else:
        own = np.full(len(queries), -1, dtype=np.int64)
        _check("query", 0, queries)
    wanted = _unit(queries)
    orders = [np.arange(full), np.arange(full)[::-1]]
    orders += [random.permutation(full) for _ in range(subsets)]
    found = np.stack([recalls(rows, wanted, order, ends, k, own) for order in orders])
    return _verdict(found, ends, full, len(rows), k)


def _full(rows: NDArray[np.floating], queries: NDArray[np.floating] | None) -> int:
    """Length of the vectors, once both arrays hold vectors of one length."""
    for name, array in (("rows", rows), ("queries", queries)):
        if array is not None and (array.ndim != 2 or array.shape[1] != rows.shape[-1]):
            raise InvalidVector(
                f"{name} of shape {array.shape} do not go with rows of shape "
                f"{rows.shape}: pass one vector a row, all of one length"
            )
    return int(rows.shape[1])


def _held_out(
    rows: NDArray[np.floating], random: np.random.Generator
) -> NDArray[np.int64]:
    """Positions of rows to query with, ascending; a row of zeros is none."""
    count = min(HELD_OUT, len(rows) // 5)
    drawn = np.sort(random.choice(len(rows), count, replace=False))
    return drawn[np.any(rows[drawn], axis=1)]


def _check(what: str, start: int, vectors: NDArray[np.floating]) -> None:
    bad = ~np.isfinite(vectors).all(axis=1)
    if bad.any():
        raise InvalidVector(
            f"{what} {start + int(np.argmax(bad))} holds a value that is not finite: "
            "leave it out"
        )


def _unit(queries: NDArray[np.floating]) -> NDArray[np.float32]:
    """Queries of length 1, so that a tie is a tie for each of them."""
    directed = queries.any(axis=1)
    if not directed.all() or not len(queries):
        what = f"query {int(np.argmin(directed))} is" if len(queries) else "queries are"
        raise InvalidVector(
            f"{what} all zeros, which have no direction: leave them out"
        )
    unit = normalise(np.asarray(queries, dtype=np.float64))
    return unit.astype(np.float32)


def _verdict(
    found: NDArray[np.float64], ends: list[int], full: int, rows: int, k: int
) -> Judgement:
    """What recalls (orders, sizes, queries) say: leading, last, random ones."""
    sizes = tuple(
        PrefixRecall(
            size,
            float(found[0, i].mean()),
            float(found[2:, i].mean()),
            float(found[1, i].mean()),
            *_difference(found[:, i]),
        )
        for i, size in enumerate(ends)
    )
    # shorter ones find little by any dimensions, longer ones nearly all
    judged = [i for i, size in enumerate(ends) if full / 32 <= size <= full / 2]
    judged = judged or list(range(len(ends)))
    difference, low, high = _difference(found[:, judged].mean(axis=1))
    queries = found.shape[2]
    room = 1 - float(found[2:, judged].mean())
    ahead = sum(sizes[i].low > 0 for i in judged)
    example = sizes[max((i for i in judged if ends[i] <= full / 4), default=judged[0])]
    verdict: Verdict = "unclear"
    if queries < FEWEST_QUERIES:
        why = f"{queries} queries are too few to tell"
    elif room < ROOM:
        why = "any dimensions find nearly all, so nothing can be told: sample more rows"
    elif low > MORE and 2 * ahead >= len(judged):
        verdict = "fit"
        why = "the leading dimensions carry more than others"
    elif high < SAME * room:
        verdict = "not fit"
        why = f"the leading dimensions carry {'less' if high < 0 else 'no more'}"
        why += " than others"
    else:
        why = "too little to tell from chance: sample more rows and queries"
    reason = (
        f"{verdict} for truncation, measured on {rows:,} rows, {queries:,} queries: "
        f"the first {example.dims} of {full} dimensions find "
        f"{three_digits(example.leading)} of the true top {k}, random {example.dims} "
        f"find {three_digits(example.random)}; over {len(judged)} sizes the difference "
        f"is {difference:+.3f} ({low:+.3f} to {high:+.3f}): {why}"
    )
    chosen = tuple(ends[i] for i in judged)
    return Judgement(
        verdict, reason, full, rows, queries, k, difference, low, high, chosen, sizes
    )


def _difference(found: NDArray[np.float64]) -> tuple[float, float, float]:
    """Leading minus random recall, from (orders, queries), with its 95 % interval.

    Two things were drawn: queries, whose paired differences vary; and subsets, of
    which the leading dimensions would be one more if they were like any others.
    """
    subsets = found[2:]
    paired = found[0] - subsets.mean(axis=0)
    middle = float(paired.mean())
    by_query = float(paired.var(ddof=1)) / len(paired) if len(paired) > 1 else 1.0
    by_subset = float(subsets.mean(axis=1).var(ddof=1))
    reach = Z95 * math.sqrt(by_query + by_subset)
    return middle, middle - reach, middle + reach
