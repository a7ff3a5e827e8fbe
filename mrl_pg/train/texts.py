"""Pairs of texts as vectors of a model; an interrupted run embeds no text twice."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from os import PathLike

import numpy as np
from numpy.typing import NDArray

from mrl_pg.embed.cost import BYTES_PER_TOKEN, EmbeddingCost, cost_in
from mrl_pg.embed.protocol import Embedder
from mrl_pg.embed.text_model import TextModel, as_matrix
from mrl_pg.embed.vector_store import VectorStore, store_path
from mrl_pg.errors import EmbeddingError
from mrl_pg.exchange.progress import OnProgress, Progress
from mrl_pg.train.pairs import Pairs, PairVectors
from mrl_pg.vectors import VectorsLike

BATCH = 1024
"""Texts that go to a model of the caller at once."""


@contextmanager
def embedded(
    pairs: Pairs,
    embedder: Embedder,
    file: "str | PathLike[str]",
    *,
    price: float | None = None,
    confirm: Callable[[EmbeddingCost], object] | None = None,
    progress: OnProgress | None = None,
) -> Iterator[PairVectors]:
    """The vectors of pairs; pairs with a text that has no vector are left out.

    Vectors are written to two files beside `file` after each batch, one for queries and
    one for documents. Both are removed after the block, and kept after an error.
    `confirm` is called with the cost before anything is sent; what it raises stops.
    Raises EmbeddingError.
    """
    dims = getattr(embedder, "dims", None)
    anchors = list(dict.fromkeys(pairs.anchors))
    documents = list(dict.fromkeys([*pairs.positives, *pairs.negatives]))
    jobs = (
        ("queries", anchors, embedder.embed_queries),
        ("documents", documents, embedder.embed_documents),
    )
    with ExitStack() as stack:
        stores = [
            VectorStore(store_path(file, f"{embedder.name} {role}", dims))
            for role, _, _ in jobs
        ]
        for store in stores:
            stack.callback(store.close)
        if confirm is not None:
            confirm(
                _cost(
                    embedder.name, zip(stores, (anchors, documents), strict=True), price
                )
            )
        for (role, texts, embed), store in zip(jobs, stores, strict=True):
            _fill(store, texts, embed, embedder, f"embedding {role}", progress)
        vectors = [
            store.known(texts)
            for store, texts in zip(stores, (anchors, documents), strict=True)
        ]
        yield _joined(pairs, vectors[0], vectors[1], embedder.name)
        for store in stores:
            store.remove()


def _cost(
    model: str, jobs: "zip[tuple[VectorStore, list[str]]]", price: float | None
) -> EmbeddingCost:
    count = known = size = 0
    for store, texts in jobs:
        there = store.known(texts)
        known += len(there)
        count += len(texts) - len(there)
        size += sum(
            len(text.encode("utf-8", "surrogatepass"))
            for text in texts
            if text not in there
        )
    tokens = size // BYTES_PER_TOKEN
    return cost_in(model, count, known, tokens, price)


def _fill(
    store: VectorStore,
    texts: list[str],
    embed: Callable[[Sequence[str]], VectorsLike],
    embedder: Embedder,
    stage: str,
    progress: OnProgress | None,
) -> None:
    known = store.known(texts)
    missing = [text for text in texts if text not in known]
    most = embedder.batch_texts if isinstance(embedder, TextModel) else BATCH
    for start in range(0, len(missing), most):
        part = missing[start : start + most]
        vectors = as_matrix(embedder.name, embed(part), len(part))
        store.put(dict(zip(part, vectors, strict=True)))
        if progress is not None:
            progress(Progress(stage, len(known) + start + len(part), len(texts)))


def _joined(
    pairs: Pairs,
    anchors: dict[str, NDArray[np.float32]],
    documents: dict[str, NDArray[np.float32]],
    model: str,
) -> PairVectors:
    rows = {text: row for row, text in enumerate(documents) if documents[text].size}
    rows = {text: row for row, text in enumerate(rows)}
    usable = [
        place
        for place, (anchor, positive) in enumerate(
            zip(pairs.anchors, pairs.positives, strict=True)
        )
        if anchors[anchor].size
        and positive in rows
        and (not pairs.negatives or pairs.negatives[place] in rows)
    ]
    if not usable:
        raise EmbeddingError(
            f"{model} gave zeros for a text of each of {len(pairs)} pairs: look at the "
            "texts, or name another model"
        )
    wrong = (
        [rows[pairs.negatives[place]] for place in usable] if pairs.negatives else None
    )
    return PairVectors(
        np.stack([anchors[pairs.anchors[place]] for place in usable]),
        np.stack([documents[text] for text in rows]),
        np.array([rows[pairs.positives[place]] for place in usable]),
        None if wrong is None else np.array(wrong),
        model,
        len(pairs) - len(usable),
    )
