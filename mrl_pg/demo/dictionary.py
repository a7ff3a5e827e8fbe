"""The reverse dictionary of the demo, which finds WordNet's glosses by meaning."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mrl_pg import source
from mrl_pg.demo.corpus import Gloss, glosses
from mrl_pg.demo.model import StaticModel
from mrl_pg.demo.short_pass import nearest_short
from mrl_pg.errors import InvalidVector
from mrl_pg.exchange import Conn
from mrl_pg.exchange.progress import OnProgress, Progress
from mrl_pg.index import MatryoshkaIndex
from mrl_pg.installation import install
from mrl_pg.kinds import Kind
from mrl_pg.load import load_blocks

SCHEMA, TABLE = "mrl_demo", "glosses"
"""The schema of everything that the demo makes, and its table."""

EMBED_ROWS = 4096

EF_CONSTRUCTION = 32
"""Half of pgvector's default, for every index, so that the demo takes less time."""


@dataclass(frozen=True, slots=True)
class Dictionary:
    """The glosses and their vectors, in the order of the table's rows."""

    model: StaticModel
    glosses: list[Gloss]
    vectors: NDArray[np.float32]

    def queries(self, count: int) -> NDArray[np.float32]:
        """Vectors of up to `count` words or phrases, evenly spread and not rows."""
        step = max(1, len(self.glosses) // count)
        labels = [gloss.label for gloss in self.glosses[::step]]
        vectors = self.model.embed(labels)
        return vectors[vectors.any(axis=1)][:count]


@dataclass(frozen=True, slots=True)
class FoundGloss:
    """A gloss that a search found, with its true cosine distance."""

    words: str
    gloss: str
    distance: float


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers to a text by the short pass alone, two passes and exact search."""

    text: str
    short_pass: list[FoundGloss]
    two_passes: list[FoundGloss]
    exact: list[FoundGloss]


def index(kind: Kind = "halfvec", dims: int = 128) -> MatryoshkaIndex:
    """The layout of a short column and its index on the demo's table."""
    return MatryoshkaIndex(
        TABLE,
        "embedding",
        dims=dims,
        kind=kind,
        schema=SCHEMA,
        ef_construction=EF_CONSTRUCTION,
    )


def read(limit: int | None, progress: OnProgress | None = None) -> Dictionary:
    """Read and embed the glosses, at most `limit`; leaves out vectors of zeros."""
    model = StaticModel.load()
    rows = glosses(limit)
    vectors = np.empty((len(rows), model.dims), dtype=np.float32)
    for start in range(0, len(rows), EMBED_ROWS):
        texts = [gloss.text for gloss in rows[start : start + EMBED_ROWS]]
        vectors[start : start + len(texts)] = model.embed(texts)
        if progress is not None:
            progress(Progress("embedding", start + len(texts), len(rows)))
    known = np.flatnonzero(vectors.any(axis=1))
    return Dictionary(model, [rows[i] for i in known], vectors[known])


def fill(
    conn: Conn,
    dictionary: Dictionary,
    progress: OnProgress | None = None,
) -> str:
    """Drop and create the table, install mrl_pg and load the rows; returns a report."""
    with conn.transaction():
        conn.execute(source.statement("demo_schema").encode())
        conn.execute(source.statement("demo_drop").encode())
        install(conn)
        report = load_blocks(
            conn,
            dictionary.vectors,
            TABLE,
            schema=SCHEMA,
            columns={
                "id": list(range(len(dictionary.glosses))),
                "words": [gloss.label for gloss in dictionary.glosses],
                "gloss": [gloss.text for gloss in dictionary.glosses],
            },
            progress=progress,
        )
    return str(report)


def ask(
    conn: Conn, model: StaticModel, index: MatryoshkaIndex, text: str, k: int = 5
) -> Answers:
    """Answers to a text in three ways; raises InvalidVector if no word is known."""
    query = model.embed([text])[0]
    if not query.any():
        raise InvalidVector(
            f"the demo's model knows no word of {text!r}, because it has only words of "
            "English dictionary glosses. Use other words"
        )
    columns = ("words", "gloss")
    short_keys = nearest_short(conn, index, query, k=k)
    short = index.search(
        conn,
        query,
        k=k,
        filter="id operator(pg_catalog.=) any(%(keys)s)",
        params={"keys": short_keys},
        columns=columns,
        exact=True,
    )
    place = {key: i for i, key in enumerate(short_keys)}
    two = index.search(conn, query, k=k, columns=columns)
    exact = index.search(conn, query, k=k, columns=columns, exact=True)
    return Answers(
        text,
        _answers(sorted(short, key=lambda hit: place[hit.key])),
        _answers(two),
        _answers(exact),
    )


def _answers(hits: Any) -> list[FoundGloss]:
    return [FoundGloss(hit["words"], hit["gloss"], hit.distance) for hit in hits]
