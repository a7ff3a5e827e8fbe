"""Trains a model of sentence-transformers itself, with a Matryoshka loss."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mrl_pg.arguments import check_callable, check_text, flag
from mrl_pg.embed import SentenceTransformerModel
from mrl_pg.errors import InvalidSetting
from mrl_pg.exchange.progress import OnProgress, Progress
from mrl_pg.rotation import fit as fit_rotation
from mrl_pg.train.card import card
from mrl_pg.train.from_file import free
from mrl_pg.train.library import BASE_LOSS, library, loss_class, without_bars
from mrl_pg.train.nesting import Nesting
from mrl_pg.train.pairs import PairParts, Pairs, parted
from mrl_pg.train.quality import qualities
from mrl_pg.train.report import TrainReport
from mrl_pg.train.schedule import Schedule
from mrl_pg.train.trainer import (
    ModelRecipe,
    is_layered,
    last_checkpoint,
    loss_of,
    run_trainer,
)

MOST_DOCUMENTS = 10_000
"""Documents that held-out queries search, because a large model embeds them twice."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Held-out queries, the documents that they search, and the row of each answer."""

    queries: list[str]
    documents: list[str]
    own: NDArray[np.intp]


def train_model(
    pairs: Pairs,
    out: "str | PathLike[str]",
    *,
    model: str,
    nesting: Nesting | None = None,
    schedule: Schedule | None = None,
    base_loss: str = BASE_LOSS,
    two_d: bool = False,
    held_out: int | None = None,
    device: str | None = None,
    restart: bool = False,
    progress: OnProgress | None = None,
) -> TrainReport:
    """Train a model with MatryoshkaLoss on pairs, and write it to the folder `out`.

    `model` is a name of the Hugging Face hub or a folder. `base_loss` is the name of a
    loss of sentence-transformers that takes pairs and needs only the model. With
    `two_d` it is Matryoshka2dLoss, which trains earlier layers, too. `device` is where
    it is trained: `cuda`, `mps` or `cpu`, by default what there is. The other arguments
    are those of `write_projection`.

    Checkpoints are written to a folder beside `out`, so that the same call goes on
    after an interruption. It is removed at the end. The folder `out` has the model, a
    card with the sizes and the figures, and `quality.json`. Raises InvalidSetting and
    InvalidFile before anything is written.
    """
    began = perf_counter()
    check_text("model", model)
    check_callable("progress", progress)
    folder = free(out)
    schedule = schedule or Schedule()
    given = len(pairs)
    parted(_places(pairs.positives), held_out, schedule.seed)
    found = library()
    loss_class(found, base_loss)
    embedder = SentenceTransformerModel(model, device=device, normalise=True)
    full = _full(embedder.loaded)
    recipe = ModelRecipe(
        model,
        (nesting or Nesting()).within(full),
        schedule,
        base_loss,
        flag("two_d", two_d),
        held_out,
    )
    _check(recipe, embedder, full)
    loss = loss_of(embedder, recipe)
    checkpoints = folder.with_name(f"{folder.name}.checkpoints")
    last = last_checkpoint(checkpoints, pairs, recipe, flag("restart", restart))
    if not is_layered(embedder):
        pairs = _known(embedder, pairs)
    parts = parted(_places(pairs.positives), held_out, schedule.seed)
    judged = _judged(pairs, parts, schedule.seed)
    sizes = recipe.nesting.sizes
    queries, documents = _embedded(embedder, judged, "embedding before", progress)
    before, rotated = (
        qualities(queries @ matrix, documents @ matrix, judged.own, sizes)
        for matrix in (
            np.eye(full, dtype=np.float32),
            fit_rotation(documents).matrix.T,
        )
    )
    # all pairs but those that judge, because no epoch is chosen
    learn = np.concatenate([parts.learn, parts.choose]).tolist()
    run_trainer(embedder, loss, pairs.at(learn), recipe, checkpoints, last, progress)
    queries, documents = _embedded(embedder, judged, "embedding after", progress)
    report = TrainReport(
        model=embedder.name,
        trained=folder.name,
        pairs=len(pairs),
        left_out=given - len(pairs),
        held_out=len(parts.judge),
        documents=len(judged.documents),
        epochs=recipe.epochs,
        best_epoch=recipe.epochs,
        seconds=perf_counter() - began,
        before=before,
        rotated=rotated,
        after=qualities(queries, documents, judged.own, sizes),
    )
    with without_bars(found):
        _write(embedder.loaded, folder, report, recipe)
    shutil.rmtree(checkpoints)
    return report


def _check(recipe: ModelRecipe, embedder: SentenceTransformerModel, full: int) -> None:
    if recipe.two_d and not is_layered(embedder):
        raise InvalidSetting(
            f"two_d=True trains layers, and {recipe.model} has none, because it is a "
            "static model: leave two_d (--two-d) out"
        )
    if recipe.nesting.sizes[-1] != full:
        raise InvalidSetting(
            f"sizes end at {recipe.nesting.sizes[-1]}, and vectors of {recipe.model} "
            f"have {full} numbers: name {full}, too, because full vectors decide the "
            "answer"
        )


def _known(embedder: SentenceTransformerModel, pairs: Pairs) -> Pairs:
    """The pairs whose texts have a word that a static model knows.

    The vector of another text is zero, where the loss has no finite gradient.
    """
    known = np.ones(len(pairs), dtype=bool)
    for texts in filter(None, (pairs.anchors, pairs.positives, pairs.negatives)):
        known &= embedder.embed_documents(texts).any(axis=1)
    return pairs.at(np.flatnonzero(known).tolist())


def _write(loaded: Any, folder: Path, report: TrainReport, recipe: ModelRecipe) -> None:
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    loaded.save_pretrained(str(part), create_model_card=False)
    (part / "README.md").write_text(card(report, recipe), "utf-8")
    (part / "quality.json").write_text(json.dumps(report.as_dict(), indent=2), "utf-8")
    part.rename(folder)


def _full(loaded: Any) -> int:
    # the name of version 6, and of earlier ones
    size = getattr(loaded, "get_embedding_dimension", None)
    return int((size or loaded.get_sentence_embedding_dimension)())


def _places(texts: Sequence[str]) -> NDArray[np.intp]:
    rows = {text: row for row, text in enumerate(dict.fromkeys(texts))}
    return np.array([rows[text] for text in texts])


def _judged(pairs: Pairs, parts: PairParts, seed: int) -> Judged:
    own = [pairs.positives[place] for place in parts.judge]
    wanted = list(dict.fromkeys(own))
    taken = set(wanted)
    others = [text for text in dict.fromkeys(pairs.positives) if text not in taken]
    order = np.random.default_rng(seed).permutation(len(others))
    more = max(0, MOST_DOCUMENTS - len(wanted))
    documents = wanted + [others[place] for place in sorted(order[:more])]
    rows = {text: row for row, text in enumerate(documents)}
    return Judged(
        [pairs.anchors[place] for place in parts.judge],
        documents,
        np.array([rows[text] for text in own]),
    )


def _embedded(
    embedder: SentenceTransformerModel,
    judged: Judged,
    stage: str,
    progress: OnProgress | None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    documents = []
    total = len(judged.documents)
    for start in range(0, total, 1024):
        if progress is not None:
            progress(Progress(stage, start, total))
        part = judged.documents[start : start + 1024]
        documents.append(embedder.embed_documents(part))
    return embedder.embed_queries(judged.queries), np.concatenate(documents)
