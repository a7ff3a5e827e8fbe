"""A model that is trained: that it finds more, goes on, and writes a card.

Runs where the extra `train` is installed, as `.ci/train` does. The models are a
transformer of four layers and, where that is the point, a static one. All are made
here, and no test needs a network or a GPU.
"""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from support.tiny_models import layered, static, translations

from mrl_pg.cli.app import run
from mrl_pg.embed import SentenceTransformerModel
from mrl_pg.errors import InvalidFile, InvalidSetting
from mrl_pg.exchange.progress import Progress
from mrl_pg.train import Nesting, Pairs, Schedule, TrainReport, train_model
from mrl_pg.train.library import library
from mrl_pg.train.quality import PrefixQuality, qualities

# the libraries warn about each other
pytestmark = pytest.mark.filterwarnings("ignore")

DIMS, LAYERS = 32, 4
SIZES = (4, 8, DIMS)
COUNT, HELD_OUT = 2000, 200
LONG = Schedule(epochs=2, batch=64, rate=0.005)
"""Enough to learn the words: .86 of the right answers at 4 dimensions, .00 before."""

BRIEF = Schedule(epochs=1, batch=32, rate=0.005)


class Trained(NamedTuple):
    """A folder with a model, what its training said, and what it told meanwhile."""

    folder: Path
    report: TrainReport
    seen: list[Progress]


@pytest.fixture(scope="module")
def transformer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return layered(tmp_path_factory.mktemp("layered"), DIMS, LAYERS)


@pytest.fixture(scope="module")
def of_words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return static(tmp_path_factory.mktemp("static") / "model", DIMS)


@pytest.fixture(scope="module")
def trained(transformer: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The transformer, trained with MatryoshkaLoss."""
    folder = tmp_path_factory.mktemp("trained") / "model"
    seen: list[Progress] = []
    report = train(transformer, folder, progress=seen.append)
    return Trained(folder, report, seen)


def train(model: Path, folder: Path, **options: Any) -> TrainReport:
    given: dict[str, Any] = {
        "nesting": Nesting(SIZES),
        "schedule": LONG,
        "held_out": HELD_OUT,
        "device": "cpu",
    }
    return train_model(
        translations(COUNT), folder, model=str(model), **{**given, **options}
    )


def hits(report: TrainReport) -> list[list[float]]:
    return [
        [quality.hit for quality in curve] for curve in (report.before, report.after)
    ]


def test_trained_prefixes_beat_untrained_ones(
    trained: Trained, transformer: Path, tmp_path: Path
) -> None:
    """By far; and a training at the full size alone leaves short prefixes behind."""
    before, after = hits(trained.report)
    assert max(before) < 0.05
    assert after[0] > 0.6
    assert min(after[1:]) > 0.9
    assert trained.report.verdict == "gain"
    full = train(transformer, tmp_path / "full", nesting=Nesting((DIMS,)))
    plain = SentenceTransformerModel(str(tmp_path / "full"), normalise=True)
    assert full.after[0].hit > 0.9
    assert at_each_size(plain)[0].hit < after[0] - 0.2


def test_a_static_model_learns_as_well(of_words: Path, tmp_path: Path) -> None:
    unknown = Pairs(["nobody knows"], ["what this says"], [])
    pairs = translations(COUNT)
    report = train_model(
        Pairs(pairs.anchors + unknown.anchors, pairs.positives + unknown.positives, []),
        tmp_path / "trained",
        model=str(of_words),
        nesting=Nesting(SIZES),
        schedule=Schedule(epochs=2, batch=64, rate=0.02),
        held_out=HELD_OUT,
        device="cpu",
    )
    before, after = hits(report)
    assert max(before) < 0.05
    assert after[0] > 0.5
    # no vector, so the loss would have no gradient
    assert report.left_out == 1


def test_what_a_training_writes(trained: Trained) -> None:
    folder, report, seen = trained
    assert [file.name for file in folder.parent.iterdir()] == ["model"]
    assert json.loads((folder / "quality.json").read_text()) == report.as_dict()
    card = (folder / "README.md").read_text()
    assert "MatryoshkaLoss over MultipleNegativesRankingLoss" in card
    assert "Sizes: 4, 8, 32; weights: 1, 1, 1; sizes in a step: all" in card
    for line in report.table():
        assert f"| {' | '.join(line)} |" in card
    # no text of the pairs
    assert "b7 " not in card
    stages = list(dict.fromkeys(progress.stage for progress in seen))
    assert stages == ["embedding before", "training", "embedding after"]
    # the folder is a model
    model = SentenceTransformerModel(str(folder), dims=8, device="cpu")
    assert model.embed_queries(["a1 a2"]).shape == (1, 8)
    assert at_each_size(model)[0].hit == pytest.approx(report.after[0].hit, abs=0.1)


def test_earlier_layers_are_trained(
    trained: Trained,
    transformer: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """With --two-d, a model of which only the first layer is left finds more.

    The command runs here, because a fork of a process that has used torch may wait
    for its threads for ever.
    """
    pairs, out = tmp_path / "pairs.jsonl", tmp_path / "trained"
    given = translations(COUNT)
    rows = zip(given.anchors, given.positives, strict=True)
    lines = (json.dumps({"anchor": a, "positive": b}) for a, b in rows)
    pairs.write_text("".join(f"{line}\n" for line in lines))
    words: list[object] = ["mrl-pg", "train", pairs, out, "--finetune", transformer]
    words += ["--two-d", "--sizes", "4,8,32", "--epochs", 2, "--batch", 64]
    words += ["--rate", 0.005, "--held-out", HELD_OUT, "--device", "cpu", "--json"]
    monkeypatch.setattr("sys.argv", [str(word) for word in words])
    with pytest.raises(SystemExit) as left:
        run()
    assert left.value.code in (0, None)
    said = capfd.readouterr()
    report = json.loads(said.out)
    assert [size["dims"] for size in report["sizes"]] == list(SIZES)
    assert report["sizes"][0]["after"]["hit"] > 0.6
    assert "Matryoshka2dLoss over" in (out / "README.md").read_text()
    # no bars of the library beside ours
    assert "shards" not in said.err
    plain, two_d = (
        at_each_size(first_layer(folder))[0].hit for folder in (trained.folder, out)
    )
    assert two_d > plain + 0.1


def first_layer(folder: Path) -> SentenceTransformerModel:
    """A model without its other layers."""
    model = SentenceTransformerModel(str(folder), normalise=True, device="cpu")
    encoder = model.loaded[0].auto_model.encoder
    assert len(encoder.layer) == LAYERS
    encoder.layer = encoder.layer[:1]
    return model


def at_each_size(model: SentenceTransformerModel) -> tuple[PrefixQuality, ...]:
    """What prefixes of all texts find; most of the texts were learnt from."""
    pairs = translations(COUNT)
    queries = model.embed_queries(pairs.anchors[:300])
    documents = model.embed_documents(pairs.positives)
    return qualities(queries, documents, np.arange(300), SIZES)


class Interrupted(Exception):
    pass


def test_an_interrupted_training_ends_as_another(
    transformer: Path, tmp_path: Path
) -> None:
    """The weights are the same, although a step draws its size and its dropout."""
    pairs = translations(960)
    given: dict[str, Any] = {
        "model": str(transformer),
        "nesting": Nesting((8, DIMS), (2.0, 1.0), 1),
        "schedule": BRIEF,
        "device": "cpu",
    }
    steps: list[int] = []

    def stop(progress: Progress) -> None:
        if progress.stage == "training" and progress.done >= 22:
            raise Interrupted

    def count(progress: Progress) -> None:
        if progress.stage == "training":
            steps.append(progress.done)

    train_model(pairs, tmp_path / "whole", **given)
    out = tmp_path / "trained"
    with pytest.raises(Interrupted):
        train_model(pairs, out, progress=stop, **given)
    assert not out.exists()
    with pytest.raises(InvalidSetting, match="other pairs or settings"):
        train_model(pairs, out, **{**given, "schedule": Schedule(epochs=2)})
    train_model(pairs, out, progress=count, **given)
    assert (steps[0], steps[-1]) == (21, 27)
    whole, rest = (weights(tmp_path / name) for name in ("whole", "trained"))
    assert np.allclose(whole, rest, atol=1e-6)
    assert not np.allclose(whole, weights(transformer), atol=1e-3)


def weights(folder: Path) -> NDArray[np.float32]:
    """All numbers of a model."""
    model = SentenceTransformerModel(str(folder), device="cpu").loaded
    return np.concatenate([w.detach().numpy().ravel() for w in model.parameters()])


@pytest.mark.parametrize(("some", "wanted"), [(None, 3), (1, 1), (2, 2)])
def test_how_many_sizes_a_step_includes(
    of_words: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    some: int | None,
    wanted: int,
) -> None:
    base = library().losses.MultipleNegativesRankingLoss
    calls: list[int] = []
    forward: Callable[..., Any] = base.forward

    def counted(self: Any, features: Any, labels: Any) -> Any:
        vectors = self.model(next(iter(features)))["sentence_embedding"]
        calls.append(vectors.shape[-1])
        return forward(self, features, labels)

    monkeypatch.setattr(base, "forward", counted)
    seen: list[Progress] = []
    train_model(
        translations(400),
        tmp_path / "trained",
        model=str(of_words),
        nesting=Nesting(SIZES, dims_per_step=some),
        schedule=BRIEF,
        device="cpu",
        progress=seen.append,
    )
    steps = max(progress.done for progress in seen if progress.stage == "training")
    assert len(calls) == steps * wanted
    card = (tmp_path / "trained" / "README.md").read_text()
    assert f"sizes in a step: {some or 'all'}" in card


def test_bad_input_is_refused(
    of_words: Path, transformer: Path, tmp_path: Path
) -> None:
    pairs = translations(100)
    out = tmp_path / "out"
    cached = "CachedMultipleNegativesRankingLoss"
    on_words = partial(train_model, pairs, out, model=str(of_words))
    on_layers = partial(train_model, pairs, out, model=str(transformer))
    bad: list[tuple[Callable[..., Any], dict[str, Any], str]] = [
        (on_words, {"two_d": True}, "has none, because it is a static model"),
        (on_words, {"base_loss": "MatryoshkaLoss"}, "no loss"),
        (on_words, {"base_loss": "NoLoss"}, "MultipleNegativesRankingLoss"),
        (on_words, {"base_loss": "SoftmaxLoss"}, "does not go with MatryoshkaLoss"),
        (on_layers, {"base_loss": cached, "two_d": True}, "with Matryoshka2dLoss"),
        (on_words, {"nesting": Nesting((8, 16))}, "name 32, too"),
        (on_words, {"nesting": Nesting((8, 128))}, "size 128 is longer"),
        (on_words, {"device": "gpu"}, "device='gpu' is not here"),
        (on_words, {"device": "cuda:99"}, "name one of cpu"),
    ]
    for act, options, message in bad:
        with pytest.raises(InvalidSetting, match=message):
            act(**options)
    with pytest.raises(InvalidFile, match="no folder"):
        train_model(pairs, tmp_path / "a" / "b", model=str(of_words))
    assert not list(tmp_path.iterdir())
    out.with_name("out.checkpoints").mkdir()
    with pytest.raises(InvalidFile, match="holds no checkpoints"):
        on_words()
    assert [file.name for file in tmp_path.iterdir()] == ["out.checkpoints"]
