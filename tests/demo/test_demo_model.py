"""The demo's model and corpus: what ships is small, licensed, and finds words."""

from importlib.resources import files

import numpy as np
import pytest
from numpy.typing import NDArray

from mrl_pg.demo.corpus import EXAMPLES, Gloss, glosses
from mrl_pg.demo.model import StaticModel, stem, token_ids, words
from mrl_pg.errors import InvalidSetting

MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def model() -> StaticModel:
    return StaticModel.load()


@pytest.fixture(scope="module")
def corpus() -> list[Gloss]:
    return glosses()


@pytest.fixture(scope="module")
def vectors(model: StaticModel, corpus: list[Gloss]) -> NDArray[np.float32]:
    return model.embed([gloss.text for gloss in corpus])


def found(
    query: str, model: StaticModel, corpus: list[Gloss], full: NDArray[np.float32]
) -> list[str]:
    """Words of the 10 nearest glosses by exact search, nearest first."""
    nearest = np.argsort(-(full @ model.embed([query])[0]), kind="stable")[:10]
    return [word for row in nearest for word in corpus[row].words]


def test_vectors_are_full_size_and_unit_length(
    model: StaticModel, vectors: NDArray[np.float32], corpus: list[Gloss]
) -> None:
    assert vectors.shape == (len(corpus), model.dims)
    assert vectors.dtype == np.float32
    norms = np.linalg.norm(vectors, axis=1)
    np.testing.assert_allclose(norms, 1, atol=1e-5)


def test_a_vector_does_not_depend_on_its_company(
    model: StaticModel, vectors: NDArray[np.float32], corpus: list[Gloss]
) -> None:
    rows = [0, 1023, 1024, 60_000, len(corpus) - 1]
    alone = np.vstack([model.embed([corpus[row].text]) for row in rows])
    np.testing.assert_array_equal(alone, vectors[rows])


def test_a_vector_is_the_normalised_mean_of_its_words(model: StaticModel) -> None:
    rows = [model.vocabulary[word] for word in ("fear", "of", "spiders")]
    mean = (model.weights[rows] * model.scale[rows, None]).mean(axis=0)
    expected = mean / np.linalg.norm(mean)
    got = model.embed(["", "Fear of SPIDERS!"])[1]
    np.testing.assert_allclose(got, expected, atol=1e-6)


def test_nested_sizes_fall_from_the_full_one_and_quality_falls_with_them(
    model: StaticModel,
) -> None:
    assert model.nested == (512, 256, 128, 64, 32)
    assert model.dims == 512
    assert tuple(model.quality) == model.nested
    hits = list(model.quality.values())
    assert hits == sorted(hits, reverse=True)
    assert 0.4 < hits[-1]
    assert 0.5 < hits[0] < 1


def test_leading_dims_hold_the_meaning_and_trailing_ones_do_not(
    model: StaticModel, vectors: NDArray[np.float32]
) -> None:
    """What Matryoshka training is for; a shuffled or transposed file fails here."""
    queries = np.linspace(0, len(vectors) - 1, 50).astype(int)

    def near(part: NDArray[np.float32]) -> NDArray[np.intp]:
        unit = part / (np.linalg.norm(part, axis=1, keepdims=True) + 1e-9)
        return np.argpartition(-(unit[queries] @ unit.T), 40, axis=1)

    truth = np.argpartition(-(vectors[queries] @ vectors.T), 10, axis=1)[:, :10]

    def kept(part: NDArray[np.float32]) -> float:
        pairs = zip(truth, near(part)[:, :40], strict=True)
        return float(np.mean([np.isin(a, b).mean() for a, b in pairs]))

    leading, trailing = kept(vectors[:, :64]), kept(vectors[:, -64:])
    assert leading > 0.5
    assert leading > trailing + 0.1


@pytest.mark.parametrize(("query", "word"), EXAMPLES)
def test_examples_are_answered(
    query: str,
    word: str,
    model: StaticModel,
    corpus: list[Gloss],
    vectors: NDArray[np.float32],
) -> None:
    assert word in found(query, model, corpus, vectors)


def test_words_of_one_meaning_are_close_and_others_are_not(model: StaticModel) -> None:
    """No letters in common: rows that slipped against the vocabulary fail here."""
    doctor, physician, buy, purchase = model.embed(
        ["doctor", "physician", "buy", "purchase"]
    )
    assert min(doctor @ physician, buy @ purchase) > 0.3
    assert max(doctor @ buy, physician @ purchase) < 0.15


@pytest.mark.parametrize("text", ["", "  ?! ", "zzxqj", "東京"])
def test_unknown_text_is_a_row_of_zeros(model: StaticModel, text: str) -> None:
    got = model.embed([text, "a dog"])
    assert not got[0].any()
    assert np.linalg.norm(got[1]) == pytest.approx(1, abs=1e-5)


def test_no_texts_give_no_rows(model: StaticModel) -> None:
    assert model.embed([]).shape == (0, model.dims)


def test_unknown_forms_fall_back_to_a_known_stem() -> None:
    known = {"run": 0, "bake": 1, "pony": 2, "kind": 3, "box": 4}
    forms = ["running", "baking", "ponies", "kindness", "boxes", "Café", "is"]
    assert [stem(form, known) for form in forms[:5]] == list(known)
    assert stem("is", known) is None
    assert token_ids("Running is KINDNESS; box", known) == [0, 3, 4]


def test_words_lose_case_accents_and_signs() -> None:
    assert words("The Café's 2 Æons—naïve") == ["the", "cafe", "s", "2", "ons", "naive"]


def test_the_whole_corpus_is_there(corpus: list[Gloss]) -> None:
    assert len(corpus) == 117_659
    assert len({gloss.id for gloss in corpus}) == len(corpus)
    assert {gloss.pos for gloss in corpus} == set("nvar")
    assert all(gloss.text and all(gloss.words) for gloss in corpus)
    assert not any("_" in word for gloss in corpus for word in gloss.words)
    by_label = {gloss.label: gloss.text for gloss in corpus}
    assert by_label["arachnophobia"] == "a morbid fear of spiders"


@pytest.mark.parametrize("limit", [100, 5_000])
def test_a_small_corpus_has_the_size_asked_for_and_the_examples(limit: int) -> None:
    small = glosses(limit)
    assert small == glosses(limit)
    assert len(small) == len({gloss.id for gloss in small}) == limit
    assert {gloss.pos for gloss in small} == set("nvar")
    there = {word for gloss in small for word in gloss.words}
    assert {word for _, word in EXAMPLES} <= there


def test_a_limit_beyond_the_corpus_is_all_of_it(corpus: list[Gloss]) -> None:
    assert glosses(10**9) == corpus


@pytest.mark.parametrize("limit", [-1, 0, 3])
def test_a_limit_without_room_for_the_examples_is_refused(limit: int) -> None:
    with pytest.raises(InvalidSetting, match=f"limit={limit}.*or more"):
        glosses(limit)


def test_what_ships_is_small_and_licensed() -> None:
    data = files("mrl_pg.demo").joinpath("data")
    sizes = {entry.name: len(entry.read_bytes()) for entry in data.iterdir()}
    assert {"README.md", "LICENSE.wordnet", "model.npz", "glosses.tsv.xz"} == set(sizes)
    assert sum(sizes.values()) < 16 * MEGABYTE
    text = data.joinpath("LICENSE.wordnet").read_text(encoding="utf-8")
    assert "WordNet 3.0 Copyright 2006 by Princeton University" in text
    assert "Permission to use, copy, modify and distribute" in text
