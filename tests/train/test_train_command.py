"""`mrl-pg train` and `--projection`: what is written, what is refused, what goes on."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support.command import mrl_pg
from support.databases import Conn

from mrl_pg.demo.corpus import glosses
from mrl_pg.embed import DemoModel, ProjectedModel, Projection, embedder
from mrl_pg.embed.named import known_embedder
from mrl_pg.errors import (
    EmbeddingError,
    InvalidFile,
    InvalidSetting,
    ModelMismatch,
)
from mrl_pg.train import Nesting, Pairs, Schedule, read_pairs, write_projection

QUICK = ("--sizes", "8,512", "--epochs", "1", "--batch", "64")
COUNT = 120


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Words and their glosses, and a pair that the model has no vector for."""
    path = tmp_path / "pairs.jsonl"
    rows = [{"anchor": row.label, "positive": row.text} for row in glosses(COUNT)]
    rows.append({"anchor": "qqqq", "positive": "what nobody knows"})
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def test_the_command_writes_a_projection_and_nothing_else(
    pairs: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out" / "docs.proj"
    out.parent.mkdir()
    done = mrl_pg("train", pairs, out, "--embed", "demo", *QUICK, "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    found = Projection.read(out)
    assert report["trained"] == found.version
    assert report["left_out"] >= 1
    assert report["pairs"] + report["left_out"] == COUNT + 1
    assert (found.model, found.sizes) == ("demo:static-wordnet", (8, 512))
    assert found.provenance["report"] == report
    assert [file.name for file in out.parent.iterdir()] == ["docs.proj"]
    again = mrl_pg("train", pairs, out, "--embed", "demo", *QUICK)
    assert again.returncode == 2
    assert "is there already" in again.stderr
    assert Projection.read(out).version == found.version


def test_a_column_remembers_its_projection(
    conn: Conn, database: str, tmp_path: Path
) -> None:
    """Rows and queries go through the same projection, or the search is refused."""
    file = tmp_path / "docs.proj"
    matrix = np.linalg.qr(np.random.default_rng(0).normal(size=(512, 512)))[0]
    Projection(matrix, (32, 512), "demo:static-wordnet").save(file)
    texts = tmp_path / "docs.jsonl"
    rows = [{"id": n, "text": row.text} for n, row in enumerate(glosses(30))]
    texts.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    model = ("--embed", "demo")
    for words in (
        ("load", texts, "docs", "embedding", *model, "--projection", file),
        ("create", "docs", "embedding", "--dims", 32),
    ):
        done = mrl_pg(*words, "--dsn", database)
        assert done.returncode == 0, done.stderr
    text = glosses(30)[7].text
    search = ("search", "docs", "embedding", text, "--json", "--dsn", database)
    done = mrl_pg(*search, *model, "--projection", file)
    assert json.loads(done.stdout)["hits"][0]["key"] == 7, done.stderr
    assert json.loads(done.stdout)["index"] == "docs_embedding_32_halfvec_cosine_hnsw"
    other = mrl_pg(*search, *model)
    assert other.returncode == 3
    assert "was filled by demo:static-wordnet+" in other.stderr
    unnamed = mrl_pg(*search)
    assert unnamed.returncode == 2
    assert "--embed demo:static-wordnet --projection FILE" in unnamed.stderr
    # a size of the projection
    cut = embedder("demo", projection=file, dims=32)
    assert cut.embed_queries(["a dog"]).shape == (1, 32)


def test_a_projection_is_for_its_own_model(tmp_path: Path) -> None:
    projection = Projection(np.eye(512), (512,), "openai:text-embedding-3-small")
    with pytest.raises(ModelMismatch, match="was trained on vectors of openai"):
        ProjectedModel(DemoModel(), projection)
    # of a name that is not known, the length of the vectors decides
    projection = Projection(np.eye(4), (4,))
    with pytest.raises(Exception, match="do not fit a projection of 4"):
        ProjectedModel(DemoModel(), projection).embed_queries(["a dog"])
    plain = DemoModel().embed_documents(["a dog"])
    same = ProjectedModel(DemoModel(), Projection(np.eye(512), (512,)))
    assert np.allclose(same.embed_documents(["a dog"]), plain, atol=1e-6)
    assert same.name.startswith("demo:static-wordnet+")
    with pytest.raises(InvalidSetting, match="its file is needed"):
        known_embedder(same.name, 512)


def test_texts_are_embedded_once(pairs: Path, tmp_path: Path) -> None:
    """Also if the training is interrupted, and its options then change."""

    class Counting:
        name = "counting"
        texts = 0

        def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
            self.texts += len(texts)
            return DemoModel().embed_documents(texts)

        embed_queries = embed_documents

    model = Counting()
    given = read_pairs(pairs)
    with pytest.raises(InvalidSetting, match="size 600 is longer"):
        write_projection(
            given, tmp_path / "a.proj", embedder=model, nesting=Nesting((8, 600))
        )
    assert model.texts == len({*given.anchors}) + len({*given.positives})
    before = model.texts
    write_projection(
        given,
        tmp_path / "a.proj",
        embedder=model,
        nesting=Nesting((8, 512)),
        schedule=Schedule(epochs=1),
    )
    assert model.texts == before


def test_a_model_that_knows_no_text(tmp_path: Path) -> None:
    given = Pairs(["qqqq"] * 50, [f"zzzz {n}" for n in range(50)], [])
    with pytest.raises(EmbeddingError, match="gave zeros"):
        write_projection(given, tmp_path / "a.proj", embedder=DemoModel())


@pytest.mark.parametrize(
    ("content", "names", "message"),
    [
        ('{"anchor": "a"}\n', {}, "has no column 'positive'"),
        ('{"anchor": "a", "positive": " "}\n', {}, "row 1: positive is ' '"),
        ('{"anchor": "a", "positive": 3}\n', {}, "positive is 3, and not a text"),
        ("", {}, "no pairs"),
        ('{"q": "a", "d": "b"}\n', {"anchor": "q"}, "no column 'positive'"),
    ],
)
def test_bad_pairs_are_refused(
    tmp_path: Path, content: str, names: dict[str, str], message: str
) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text(content)
    with pytest.raises(InvalidFile, match=message):
        read_pairs(path, **names)


def test_pairs_of_other_formats_and_names(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text("q,d,no\na,b,c\nd,e,f\n")
    given = read_pairs(path, anchor="q", positive="d", negative="no")
    assert given == Pairs(["a", "d"], ["b", "e"], ["c", "f"])
    with pytest.raises(InvalidSetting, match="different columns"):
        read_pairs(path, anchor="q", positive="q")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "nothing to train"),
        (("--embed", "demo", "--finetune", "m"), "nothing to train"),
        (("--embed", "demo", "--two-d"), "--two-d is for --finetune"),
        (("--finetune", "m", "--price", "1"), "--price is about a model"),
        (("--embed", "demo", "--weights", "1,2"), "2 weights do not fit 0 sizes"),
        (("--embed", "demo", "--sizes", "8,x"), "write numbers"),
        (("--embed", "demo", "--epochs", "0"), "epochs=0"),
        (("--embed", "demo", "--held-out", "1000"), "held_out=1000"),
        (("--embed", "demo", "--anchor", "query"), "no column 'query'"),
    ],
)
def test_bad_options_are_refused(
    pairs: Path, options: tuple[str, ...], message: str
) -> None:
    done = mrl_pg("train", pairs, pairs.parent / "out", *options)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert not (pairs.parent / "out").exists()
