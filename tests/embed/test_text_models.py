"""What all models do alike, the demo's model, and names of models."""

import asyncio
import subprocess
import sys

import numpy as np
import pytest

from mrl_pg.embed import DemoModel, OpenAIModel, ProgramModel, TextModel, embedder
from mrl_pg.embed.pace import RequestPace
from mrl_pg.embed.text_model import Role, as_matrix, batches
from mrl_pg.errors import EmbeddingError, InvalidSetting, UntrainedSizeWarning

TEXTS = ["fear of spiders", "an instrument that measures temperature"]


class Fixed(TextModel):
    """A model that gives the same rows for every batch."""

    kind = "fixed"
    batch_texts = 2

    def __init__(self, model: str = "m", rows: object = None, **options: object):
        super().__init__(model, **options)  # type: ignore[arg-type]
        self.rows, self.seen = rows, list[tuple[Role, list[str]]]()

    def _vectors(self, texts: list[str], role: Role) -> np.ndarray:
        self.seen.append((role, self._prompted(texts, role)))
        return self.rows or [[3.0, 4.0, 0.0]] * len(texts)  # type: ignore[return-value]


def test_the_demos_model_embeds_texts() -> None:
    model = DemoModel()
    vectors = model.embed_documents(TEXTS)
    assert vectors.shape == (2, 512)
    assert vectors.dtype == np.float32
    assert model.name == "demo:static-wordnet"
    assert np.allclose(asyncio.run(model.embed_queries_async(TEXTS)), vectors)
    assert np.allclose(asyncio.run(model.embed_documents_async(TEXTS)), vectors)
    short = embedder("demo", dims=128).embed_documents(TEXTS)
    assert np.allclose(np.linalg.norm(short, axis=1), 1, atol=1e-6)
    assert np.allclose(
        short, vectors[:, :128] / np.linalg.norm(vectors[:, :128], axis=1)[:, None]
    )
    assert model.embed_documents([]).shape == (0, 0)


def test_texts_go_in_batches_and_come_back_in_order() -> None:
    assert list(batches(["a", "bb", "cc", "d"], 2, 3)) == [["a", "bb"], ["cc", "d"]]
    assert list(batches(["long text", "b"], 9, 3)) == [["long text"], ["b"]]
    model = Fixed()
    assert model.embed_queries(["a", "b", "c"]).shape == (3, 3)
    assert model.seen == [("query", ["a", "b"]), ("query", ["c"])]


def test_length_and_prompts_are_those_of_the_models_card() -> None:
    plain = Fixed().embed_documents(["a"])
    assert plain.tolist() == [[3.0, 4.0, 0.0]]
    e5 = Fixed("intfloat/e5-small-v2")
    assert np.allclose(e5.embed_documents(["a"]), [[0.6, 0.8, 0.0]])
    e5.embed_queries(["a"])
    assert e5.seen == [("document", ["passage: a"]), ("query", ["query: a"])]
    assert (
        Fixed("intfloat/e5-small-v2", normalise=False).embed_queries(["a"])[0, 0] == 3
    )


def test_a_size_without_training_is_warned_of() -> None:
    with pytest.warns(UntrainedSizeWarning, match="trained at 128, 256, 512 and 768"):
        Fixed("embeddinggemma", dims=300)
    with pytest.warns(
        UntrainedSizeWarning, match="full vectors of 384 dimensions only"
    ):
        Fixed("all-MiniLM-L6-v2", dims=128)
    Fixed("embeddinggemma", dims=256)
    Fixed("an unknown model", dims=3)
    with pytest.raises(InvalidSetting, match="dims=4096 is outside 1 to 768"):
        Fixed("embeddinggemma", dims=4096)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[1.0]], "fixed:m gave 1 vectors of 1 numbers for 2 texts"),
        ([[1.0], [float("nan")]], "NaN or infinity for text 1"),
        ([[1.0], [1.0, 2.0]], "not vectors of one length"),
        ([1.0, 2.0], r"shape \(2,\) for 2 texts"),
        (["a", "b"], "not vectors of one length"),
    ],
)
def test_vectors_that_no_model_may_give(rows: object, message: str) -> None:
    with pytest.raises(EmbeddingError, match=message):
        Fixed(rows=rows).embed_documents(["a", "b"])


def test_vectors_shorter_than_asked() -> None:
    with pytest.raises(EmbeddingError, match="vectors of 3 numbers, and dims=8 were"):
        Fixed(dims=8).embed_queries(["a"])
    assert as_matrix("m", [[1, 2]], 1).dtype == np.float32


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("one text", "is one text: pass a list"),
        (7, "is no list"),
        (["a", None], "text 1 is None, not text"),
    ],
)
def test_what_is_no_list_of_texts(texts: object, message: str) -> None:
    with pytest.raises(InvalidSetting, match=message):
        Fixed().embed_documents(texts)  # type: ignore[arg-type]


def test_a_model_is_named_by_one_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    hosted = embedder("openai:text-embedding-3-small", dims=512)
    assert isinstance(hosted, OpenAIModel)
    assert (hosted.name, hosted.hosted) == ("openai:text-embedding-3-small", True)
    local = embedder("openai:nomic-embed-text:v1.5", url="http://localhost:11434/v1")
    assert (local.name, local.hosted) == ("openai:nomic-embed-text:v1.5", False)
    program = embedder("python my_embed.py --key secret", name="my-model")
    assert isinstance(program, ProgramModel)
    assert repr(program) == "<ProgramModel program:my-model>"
    assert embedder("demo:static-wordnet").name == DemoModel().name


@pytest.mark.parametrize(
    ("spec", "options", "message"),
    [
        ("", {}, "embed is empty: write openai:MODEL"),
        ("openai:", {}, "openai: names no model"),
        ("python 'x", {}, "cannot be split into words"),
        ("demo", {"url": "http://x"}, "url is for openai:MODEL only"),
        ("demo", {"dims": 0}, "dims=0 is outside 1"),
        ("demo", {"normalise": 2}, "normalise=2 is neither"),
    ],
)
def test_texts_that_name_no_model(
    spec: str, options: dict[str, object], message: str
) -> None:
    with pytest.raises(InvalidSetting, match=message):
        embedder(spec, **options)  # type: ignore[arg-type]


def test_requests_keep_their_pace() -> None:
    slept: list[float] = []
    pace = RequestPace(60, clock=lambda: 10.0, sleep=slept.append)
    for _ in range(3):
        pace.wait()
    assert slept == [1.0, 2.0]
    RequestPace(None, sleep=slept.append).wait()
    assert len(slept) == 2
    with pytest.raises(InvalidSetting, match="requests_per_minute=0"):
        RequestPace(0)


def test_importing_the_package_imports_no_vendor() -> None:
    code = (
        "import sys, mrl_pg.embed; names = 'openai torch sentence_transformers httpx2';"
        "print(*[name for name in names.split() if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout.split(), done.returncode) == ([], 0), done.stderr
