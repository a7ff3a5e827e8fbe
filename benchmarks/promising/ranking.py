"""What a user sees: nDCG@10 of searches on the demo, beside full exact search."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection

from mrl_pg import MatryoshkaIndex
from mrl_pg.demo.corpus import glosses
from mrl_pg.demo.model import StaticModel
from mrl_pg.demo.short_pass import nearest_short
from mrl_pg.kinds import Kind
from mrl_pg.recall.score import Z95
from promising.table import Conn, make, truth_of

K = 10
QUESTIONS = 600
SHORTS: tuple[tuple[Kind, int], ...] = (("halfvec", 128), ("bit", 512))

Gains = NDArray[np.float64]


def rankings(conn: Conn, rows: int, targets: Sequence[float]) -> Iterator[str]:
    """A line for each search.

    Rows are definitions, questions are words. WordNet's authors judged: an answer is
    right if it defines a meaning of the word.
    """
    rng = np.random.default_rng(17)
    read = glosses()
    model = StaticModel.load()
    vectors = model.embed([gloss.text for gloss in read])
    kept = np.flatnonzero(vectors.any(axis=1))
    kept = np.sort(rng.permutation(kept)[:rows])
    right: dict[str, set[int]] = defaultdict(set)
    for place, row in enumerate(kept):
        for word in read[row].words:
            right[word].add(place)
    words = sorted(right)
    asked = [words[i] for i in rng.permutation(len(words))[: 2 * QUESTIONS]]
    queries = model.embed(asked)
    known = np.flatnonzero(queries.any(axis=1))[:QUESTIONS]
    questions, queries = [right[asked[i]] for i in known], queries[known]
    for kind, dims in SHORTS:
        index = MatryoshkaIndex("ranked", "embedding", dims=dims, kind=kind)
        conn.execute("drop table if exists ranked cascade")
        make(conn, "ranked", vectors[kept], index)
        yield from _index(conn, index, questions, queries, targets)


def _index(
    conn: Connection[tuple[object, ...]],
    index: MatryoshkaIndex,
    questions: Sequence[set[int]],
    queries: NDArray[np.float32],
    targets: Sequence[float],
) -> Iterator[str]:
    name = f"{index.kind}({index.dims})"
    truth = truth_of(conn, index, queries)
    order = np.argsort(truth.far, axis=1, kind="stable")[:, :K]
    full = _ndcg(questions, order.tolist())
    yield f"{name} full exact search: nDCG@10 {full.mean():.4f}, {len(full)} questions"
    index.calibrate(conn, k=K)
    for target in targets:
        found = index.search_many(conn, queries, k=K, recall=target)
        promise = found[0].promise
        assert promise is not None
        keys = [result.keys for result in found]
        places = [[truth.place[key] for key in some] for some in keys]
        label = f"recall={target}, {promise.standing}, {found[0].candidates} candidates"
        recall = truth.recalls(keys, K).mean()
        yield f"{name} {label}: " + _compared(_ndcg(questions, places), full, recall)
    keys = [nearest_short(conn, index, query, k=K) for query in queries]
    places = [[truth.place[key] for key in some] for some in keys]
    recall = truth.recalls(keys, K).mean()
    yield f"{name} short pass alone: " + _compared(
        _ndcg(questions, places), full, recall
    )


def _compared(gains: Gains, full: Gains, recall: float) -> str:
    lost = full - gains
    reach = Z95 * lost.std(ddof=1) / np.sqrt(len(lost))
    low, high = lost.mean() - reach, lost.mean() + reach
    return (
        f"nDCG@10 {gains.mean():.4f}, recall {recall:.4f}, "
        f"lost {lost.mean():.4f} ({low:.4f} to {high:.4f})"
    )


def _ndcg(questions: Sequence[set[int]], answers: Sequence[Sequence[int]]) -> Gains:
    """For each question the discounted gain of its answers, of the most possible."""
    discounts = 1 / np.log2(np.arange(2, K + 2))
    return np.array(
        [
            sum(
                discount
                for discount, place in zip(discounts, places, strict=False)
                if place in right
            )
            / discounts[: len(right)].sum()
            for right, places in zip(questions, answers, strict=True)
        ]
    )
