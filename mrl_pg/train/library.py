"""The parts of sentence-transformers that train a model, imported when needed."""

import importlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from mrl_pg.errors import InvalidSetting

BASE_LOSS = "MultipleNegativesRankingLoss"
"""The loss of a projection, too: each query is to find its own document in a batch."""


@dataclass(frozen=True, slots=True)
class Library:
    """The parts of sentence-transformers that a training needs."""

    losses: Any
    trainer: Any
    arguments: Any
    callback: Any
    printer: Any
    dataset: Any
    last_checkpoint: Any
    logging: Any


def library() -> Library:
    """Import them; raises InvalidSetting if a package is missing."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import accelerate  # noqa: F401
            from datasets import Dataset
            from sentence_transformers import (
                SentenceTransformerTrainer,
                SentenceTransformerTrainingArguments,
            )
            from transformers import PrinterCallback, TrainerCallback
            from transformers.trainer_utils import get_last_checkpoint
            from transformers.utils import logging

            try:
                # where version 6 has them
                losses = importlib.import_module(
                    "sentence_transformers.sentence_transformer.losses"
                )
            except ModuleNotFoundError:
                losses = importlib.import_module("sentence_transformers.losses")
    except ImportError as error:
        raise InvalidSetting(
            f"to train a model needs more packages ({error}): pip install "
            "'mrl_pg[train]'. A projection (--embed) needs none of them"
        ) from error
    return Library(
        losses,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
        TrainerCallback,
        PrinterCallback,
        Dataset,
        get_last_checkpoint,
        logging,
    )


@contextmanager
def without_bars(library: Library) -> Iterator[None]:
    """Without the library's progress bars, because ours tells what is done."""
    shown = library.logging.is_progress_bar_enabled()
    library.logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            library.logging.enable_progress_bar()


def loss_class(library: Library, name: str) -> Any:
    """The loss of that name; raises InvalidSetting for what is none for pairs."""
    found = getattr(library.losses, name, None) if isinstance(name, str) else None
    if found is None or not name.endswith("Loss") or name.startswith("Matryoshka"):
        raise InvalidSetting(
            f"base_loss={name!r} is no loss of sentence-transformers for pairs: "
            f"{BASE_LOSS}, CachedMultipleNegativesRankingLoss or "
            "MultipleNegativesSymmetricRankingLoss will do"
        )
    return found
