"""Rows, and real queries that are no rows: the demo's, and those of a folder."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mrl_pg.demo.corpus import glosses
from mrl_pg.demo.model import StaticModel
from mrl_pg.kinds import Kind

Vectors = NDArray[np.float32]

DEMO = "glosses"
DEMO_QUERIES = 3000
MOST_OTHERS = 6000

HELD_OUT = 300
"""The last of `others` are queries of the other domain, and never become rows."""


@dataclass(frozen=True, slots=True)
class DataSet:
    """Rows, real queries, and rows of another domain if the set has any."""

    name: str
    rows: Vectors
    queries: Vectors
    others: Vectors | None

    @property
    def shorts(self) -> tuple[tuple[Kind, int], ...]:
        """Kind and dims of the short columns that are measured."""
        full = self.rows.shape[1]
        return ("halfvec", max(128, full // 6)), ("bit", full)


def data_sets(
    folder: Path | None, names: Sequence[str], rows: int
) -> Iterator[DataSet]:
    """The demo's set and each `<folder>/<name>`, or those of them that are named.

    At most `rows` rows of each. The first rows are taken, so they should be in random
    order.
    """
    if not names or DEMO in names:
        yield demo(rows)
    folders = sorted(folder.iterdir()) if folder else []
    for path in folders:
        if not (path / "rows.npy").exists() or (names and path.name not in names):
            continue
        others = path / "others.npy"
        yield DataSet(
            path.name,
            np.load(path / "rows.npy")[:rows],
            np.load(path / "queries.npy"),
            np.load(others)[:MOST_OTHERS] if others.exists() else None,
        )


def demo(rows: int) -> DataSet:
    """Definitions as rows and words as queries; verbs are the other domain.

    Half of the words are defined by a row.
    """
    rng = np.random.default_rng(3)
    read = glosses()
    known = [gloss for gloss in read if gloss.pos != "v"]
    known = [known[i] for i in rng.permutation(len(known))[: rows + DEMO_QUERIES // 2]]
    asked = known[rows:] + known[: DEMO_QUERIES // 2]
    verbs = [gloss for gloss in read if gloss.pos == "v"]
    verbs = [verbs[i] for i in rng.permutation(len(verbs))[:MOST_OTHERS]]
    labels = list(dict.fromkeys(gloss.label for gloss in asked))
    model = StaticModel.load()
    queries = rng.permutation(_embedded(model, labels))
    return DataSet(
        DEMO,
        _embedded(model, [gloss.text for gloss in known[:rows]]),
        queries,
        _embedded(model, [gloss.text for gloss in verbs]),
    )


def _embedded(model: StaticModel, texts: list[str]) -> Vectors:
    """Vectors of the texts that have any."""
    vectors = model.embed(texts)
    return vectors[vectors.any(axis=1)]
