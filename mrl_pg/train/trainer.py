"""Runs the trainer of sentence-transformers, with checkpoints."""

import hashlib
import json
import math
import shutil
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mrl_pg.embed import SentenceTransformerModel
from mrl_pg.errors import EmbeddingError, InvalidFile, InvalidSetting
from mrl_pg.exchange.progress import OnProgress, Progress
from mrl_pg.train.library import BASE_LOSS, library, loss_class, without_bars
from mrl_pg.train.nesting import Nesting
from mrl_pg.train.pairs import Pairs
from mrl_pg.train.schedule import Schedule

EPOCHS, BATCH, RATE = 1, 64, 2e-5
"""Defaults of a schedule."""

STATIC_SHARE = 0.02
"""The learning rate of a static model, as a share of the size of its weights, because a
step of Adam changes all of them by about the rate."""

SAVES, FEWEST_STEPS = 10, 20
"""Checkpoints of a training, but none after fewer steps than that."""


@dataclass(frozen=True, slots=True)
class ModelRecipe:
    """All that decides what a training gives, but for its pairs."""

    model: str
    nesting: Nesting
    schedule: Schedule
    base_loss: str
    two_d: bool
    held_out: int | None

    @property
    def epochs(self) -> int:
        """How often all pairs are seen."""
        return self.schedule.epochs or EPOCHS


def last_checkpoint(
    checkpoints: Path, pairs: Pairs, recipe: ModelRecipe, restart: bool
) -> str | None:
    """The last checkpoint of the same training; makes the folder if there is none.

    Raises InvalidSetting if another training left the folder, and InvalidFile if it is
    no folder of checkpoints.
    """
    texts = "\0".join([*pairs.anchors, *pairs.positives, *pairs.negatives])
    digest = hashlib.sha256(texts.encode("utf-8", "surrogatepass")).hexdigest()
    settings = json.dumps({**asdict(recipe), "pairs": digest}, indent=2)
    said = checkpoints / "settings.json"
    if restart and said.exists():
        shutil.rmtree(checkpoints)
    if said.exists():
        if said.read_text("utf-8") != settings:
            raise InvalidSetting(
                f"{checkpoints.name} is from a training with other pairs or settings: "
                "repeat those, or begin anew with restart=True (--restart)"
            )
        last: str | None = library().last_checkpoint(str(checkpoints))
        return last
    if checkpoints.exists():
        raise InvalidFile(
            f"{str(checkpoints)!r} holds no checkpoints of mrl_pg: remove it, or "
            "name another folder for the model"
        )
    checkpoints.mkdir()
    said.write_text(settings, "utf-8")
    return None


def is_layered(embedder: SentenceTransformerModel) -> bool:
    """Whether the model has layers; a static model is a table of words only."""
    return hasattr(embedder.loaded[0], "auto_model")


def _rate(embedder: SentenceTransformerModel) -> float:
    if is_layered(embedder):
        return RATE
    squares = [float(w.detach().square().mean()) for w in embedder.loaded.parameters()]
    return STATIC_SHARE * math.sqrt(max(squares))


def loss_of(embedder: SentenceTransformerModel, recipe: ModelRecipe) -> Any:
    """The nested loss; raises InvalidSetting if the base loss cannot be one."""
    parts, nesting = library(), recipe.nesting
    base = loss_class(parts, recipe.base_loss)
    wrapper = "Matryoshka2dLoss" if recipe.two_d else "MatryoshkaLoss"
    if recipe.two_d and recipe.base_loss.startswith("Cached"):
        # the library looks for it only in the outer loss, and fails in the first step
        raise InvalidSetting(
            f"base_loss={recipe.base_loss!r} does not go with {wrapper}, which has to "
            f"see all layers at once: take {BASE_LOSS}"
        )
    try:
        return getattr(parts.losses, wrapper)(
            embedder.loaded,
            base(embedder.loaded),
            # largest first, as the library has them
            matryoshka_dims=list(nesting.sizes[::-1]),
            matryoshka_weights=list(nesting.weights[::-1]),
            n_dims_per_step=nesting.dims_per_step or -1,
        )
    except (TypeError, ValueError, AssertionError) as error:
        raise InvalidSetting(
            f"base_loss={recipe.base_loss!r} does not go with {wrapper} ({error}): "
            f"take {BASE_LOSS}, or another that needs nothing but the model"
        ) from error


def run_trainer(
    embedder: SentenceTransformerModel,
    loss: Any,
    pairs: Pairs,
    recipe: ModelRecipe,
    checkpoints: Path,
    last: str | None,
    progress: OnProgress | None,
) -> None:
    """Train the model in place, from a checkpoint if there is one."""
    parts = library()
    columns = {"anchor": pairs.anchors, "positive": pairs.positives}
    document = embedder.prompt_of("document")
    prompts = {"anchor": embedder.prompt_of("query"), "positive": document}
    if pairs.negatives:
        columns["negative"], prompts["negative"] = pairs.negatives, document
    batch = recipe.schedule.batch or BATCH
    steps = recipe.epochs * -(-len(pairs) // batch)
    loaded = embedder.loaded
    # or it would look for examples to quote in a card, with a progress bar of its own
    loaded.model_card_data.widget = [{}]
    with warnings.catch_warnings(), without_bars(parts):
        # of the libraries, about each other
        warnings.simplefilter("ignore")
        trainer = parts.trainer(
            model=loaded,
            args=parts.arguments(
                output_dir=str(checkpoints),
                num_train_epochs=recipe.epochs,
                per_device_train_batch_size=batch,
                learning_rate=recipe.schedule.rate or _rate(embedder),
                warmup_steps=max(1, steps // 10),
                batch_sampler="no_duplicates",
                prompts=prompts if any(prompts.values()) else None,
                seed=recipe.schedule.seed,
                save_strategy="steps",
                save_steps=max(FEWEST_STEPS, steps // SAVES),
                save_total_limit=1,
                logging_strategy="no",
                report_to="none",
                disable_tqdm=True,
                use_cpu=loaded.device.type == "cpu",
                dataloader_pin_memory=False,
            ),
            train_dataset=parts.dataset.from_dict(columns),
            loss=loss,
            callbacks=[_shown(parts.callback, progress)],
        )
        # prints a line on stdout at the end
        trainer.remove_callback(parts.printer)
        trainer.train(resume_from_checkpoint=last)
    if not all(bool(values.isfinite().all()) for values in loaded.parameters()):
        raise EmbeddingError(
            f"the training of {recipe.model} diverged, so that its weights are no "
            "numbers: lower the rate (--rate), and begin anew with restart=True "
            "(--restart)"
        )


def _shown(callback: Any, progress: OnProgress | None) -> Any:
    """A callback of the trainer that tells its steps."""

    class TellsSteps(callback):  # type: ignore[misc]
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if progress is not None:
                progress(Progress("training", state.global_step, state.max_steps))

    return TellsSteps()
