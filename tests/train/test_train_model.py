"""A model that is trained: that it finds more, goes on, and writes a card.

Runs where the extra `train` is installed: `make test-train`.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.command import mrl_pg
from tokenizers import Regex, Tokenizer, models, pre_tokenizers

from mrl_pg.demo.corpus import glosses
from mrl_pg.demo.model import StaticModel
from mrl_pg.embed import SentenceTransformerModel
from mrl_pg.errors import InvalidFile, InvalidSetting
from mrl_pg.exchange.progress import Progress
from mrl_pg.train import Nesting, Pairs, Schedule, train_model

# the libraries warn about each other
pytestmark = pytest.mark.filterwarnings("ignore")

DIMS = 64
NESTING = Nesting((8, 16, DIMS))
MARGIN = 0.02


def tokenizer(words: list[str]) -> Tokenizer:
    """Takes whole words that are known."""
    made = Tokenizer(
        models.WordLevel(
            {word: row for row, word in enumerate(words)}, unk_token="[UNK]"
        )
    )
    made.pre_tokenizer = pre_tokenizers.Split(
        Regex("[a-z]+|[0-9]+"), behavior="removed", invert=True
    )
    return made


@pytest.fixture(scope="module")
def static(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's model, whose dimensions are mixed, so that no prefix says more."""
    demo = StaticModel.load()
    mixed = np.linalg.qr(np.random.default_rng(1).normal(size=(512, DIMS)))[0]
    weights = demo.weights * demo.scale[:, np.newaxis] @ mixed.astype(np.float32)
    return saved(demo, weights, tmp_path_factory.mktemp("models") / "mixed")


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with the demo's words and random vectors.

    The demo's own vectors have been trained on all pairs here, those held out, too.
    """
    demo = StaticModel.load()
    random = np.random.default_rng(1).normal(size=(len(demo.weights), DIMS)) / 10
    return saved(demo, random, tmp_path_factory.mktemp("models") / "random")


def saved(demo: StaticModel, weights: NDArray[Any], folder: Path) -> Path:
    """A static model with the demo's words and these vectors, in a folder."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import StaticEmbedding

    words = sorted(demo.vocabulary, key=demo.vocabulary.__getitem__)
    rows = np.vstack([np.zeros((1, DIMS)), weights]).astype(np.float32)
    embedding = StaticEmbedding(tokenizer(["[UNK]", *words]), embedding_weights=rows)
    SentenceTransformer(modules=[embedding], device="cpu").save_pretrained(str(folder))
    return folder


@pytest.fixture(scope="module")
def layered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A transformer of two layers with random weights."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Pooling, Transformer
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("layered")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words += [word for row in glosses(300) for word in row.text.lower().split()]
    BertModel(
        BertConfig(
            vocab_size=len(dict.fromkeys(words)),
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=32,
        )
    ).save_pretrained(folder / "bert")
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer(list(dict.fromkeys(words))),
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    ).save_pretrained(folder / "bert")
    words_in = Transformer(str(folder / "bert"), max_seq_length=32)
    model = SentenceTransformer(modules=[words_in, Pooling(16)], device="cpu")
    model.save_pretrained(str(folder / "model"))
    return folder / "model"


def wordnet(count: int) -> Pairs:
    rows = glosses(count)
    return Pairs([row.label for row in rows], [row.text for row in rows], [])


def test_what_a_training_writes(static: Path, tmp_path: Path) -> None:
    out = tmp_path / "trained"
    seen: list[Progress] = []
    report = train_model(
        wordnet(4000),
        out,
        model=str(static),
        nesting=NESTING,
        schedule=Schedule(epochs=3, batch=256),
        held_out=400,
        device="cpu",
        progress=seen.append,
    )
    assert report.left_out > 0
    assert sorted(file.name for file in tmp_path.iterdir()) == ["trained"]
    assert json.loads((out / "quality.json").read_text()) == report.as_dict()
    card = (out / "README.md").read_text()
    assert "MatryoshkaLoss over MultipleNegativesRankingLoss" in card
    assert f"| {report.table()[1][0]} | {report.table()[1][1]} |" in card
    # no text of the pairs
    assert not any(row.text in card for row in glosses(4000) if len(row.text) > 30)
    stages = list(dict.fromkeys(progress.stage for progress in seen))
    assert stages == ["embedding before", "training", "embedding after"]
    # the folder is a model
    model = SentenceTransformerModel(str(out), dims=8)
    assert model.embed_queries(["a dog"]).shape == (1, 8)


def test_trained_prefixes_beat_untrained_ones(untrained: Path, tmp_path: Path) -> None:
    report = train_model(
        wordnet(20_000),
        tmp_path / "trained",
        model=str(untrained),
        nesting=NESTING,
        schedule=Schedule(epochs=4, batch=512, rate=0.01),
        held_out=1000,
        device="cpu",
    )
    # for the words of pairs that no epoch saw
    for before, after in zip(report.before, report.after, strict=True):
        assert after.hit > before.hit
    assert report.after[1].hit > report.before[1].hit + MARGIN
    assert report.verdict == "gain"


class Interrupted(Exception):
    pass


def test_an_interrupted_training_goes_on(static: Path, tmp_path: Path) -> None:
    out = tmp_path / "trained"
    given: dict[str, Any] = {
        "model": str(static),
        "nesting": Nesting((8, DIMS), (2.0, 1.0), 1),
        "device": "cpu",
    }
    schedule = Schedule(epochs=1, batch=8)
    steps: list[int] = []

    def stop(progress: Progress) -> None:
        if progress.stage == "training" and progress.done >= 25:
            raise Interrupted

    def count(progress: Progress) -> None:
        if progress.stage == "training":
            steps.append(progress.done)

    with pytest.raises(Interrupted):
        train_model(wordnet(400), out, schedule=schedule, progress=stop, **given)
    assert not out.exists()
    with pytest.raises(InvalidSetting, match="other pairs or settings"):
        train_model(wordnet(400), out, schedule=Schedule(epochs=2), **given)
    train_model(wordnet(400), out, schedule=schedule, progress=count, **given)
    assert steps[0] == 21
    assert (out / "README.md").exists()


def test_earlier_layers_are_trained(layered: Path, tmp_path: Path) -> None:
    out = tmp_path / "trained"
    pairs = tmp_path / "pairs.jsonl"
    rows = [{"anchor": row.label, "positive": row.text} for row in glosses(100)]
    pairs.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    options = ("--finetune", layered, "--sizes", "8,16", "--batch", 16, "--two-d")
    done = mrl_pg("train", pairs, out, *options, "--device", "cpu", "--json")
    assert done.returncode == 0, done.stderr
    assert [size["dims"] for size in json.loads(done.stdout)["sizes"]] == [8, 16]
    assert "Matryoshka2dLoss over" in (out / "README.md").read_text()


def test_bad_input_is_refused(static: Path, tmp_path: Path) -> None:
    pairs = wordnet(100)
    out = tmp_path / "out"
    bad: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"two_d": True}, InvalidSetting, "has none, because it is a static model"),
        ({"base_loss": "MatryoshkaLoss"}, InvalidSetting, "no loss"),
        ({"base_loss": "NoLoss"}, InvalidSetting, "MultipleNegativesRankingLoss"),
        ({"nesting": Nesting((8, 32))}, InvalidSetting, "name 64, too"),
        ({"nesting": Nesting((8, 128))}, InvalidSetting, "size 128 is longer"),
    ]
    for options, error, message in bad:
        with pytest.raises(error, match=message):
            train_model(pairs, out, **{"model": str(static), **options})
    with pytest.raises(InvalidFile, match="no folder"):
        train_model(pairs, tmp_path / "a" / "b", model=str(static))
    out.with_name("out.checkpoints").mkdir()
    with pytest.raises(InvalidFile, match="holds no checkpoints"):
        train_model(pairs, out, model=str(static))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["out.checkpoints"]
