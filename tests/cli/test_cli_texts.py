"""Texts in the shell: load with a model, search in words, and what is refused."""

import json
from pathlib import Path

import pytest
from support.command import mrl_pg
from support.databases import Conn
from support.embedding_server import KEY, service

from mrl_pg.errors import InvalidSetting, TableNotFound

TEXTS = ("a large hairy spider", "an instrument for measuring temperature")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "texts.jsonl"
    rows = ({"id": i, "body": text} for i, text in enumerate(TEXTS))
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def test_the_way_from_texts_to_answers(conn: Conn, database: str, file: Path) -> None:
    where = ("docs", "embedding", "--dsn", database)
    loaded = mrl_pg("load", file, *where, "--embed", "demo", "--text", "body")
    assert loaded.returncode == 0, loaded.stderr
    assert "Loaded 2 rows of 512 dimensions into docs (new)" in loaded.stdout
    made = mrl_pg("create", *where, "--dims", 64)
    assert made.returncode == 0, made.stderr
    options = (*where, "temperature of water", "--k", 1)
    found = mrl_pg("search", *options, "--show", "body", "--json")
    assert found.returncode == 0, found.stderr
    answer = json.loads(found.stdout)
    assert answer["hits"][0]["columns"] == {"body": TEXTS[1]}
    assert answer["index"] == "docs_embedding_64_halfvec_cosine_hnsw"
    again = mrl_pg("search", *options, "--dims", 64, "--columns", "body")
    assert TEXTS[1] in again.stdout
    worded = (*where, "which instrument has hair?", "--words-in", "body", "--json")
    found = mrl_pg("search", *worded, "--hybrid", "--show", "body", "-k", 1)
    assert found.returncode == 0, found.stderr
    (hit,) = json.loads(found.stdout)["hits"]
    assert hit["columns"] == {"body": TEXTS[1]}
    assert (hit["vector_rank"], hit["word_rank"]) in ((1, 1), (2, 1))
    assert hit["score"] > 0 and hit["distance"] > 0
    found = mrl_pg("search", *worded, "--words-only", "--match", "all")
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)["hits"] == []
    words = (*worded[:-1], "--words-only", "--show", "body")
    few = ("--filter", "id > %(least)s", "--param", "least=0")
    found = mrl_pg("search", *words, *few, "--config", "simple")
    assert found.returncode == 0, found.stderr
    heads, line = found.stdout.splitlines()
    assert heads.split("\t") == ["key", "score", "by vector", "by words", "body"]
    assert line.split("\t")[0::4] == ["1", TEXTS[1]] and "\t-\t1\t" in line
    for wrong, said in (
        (("--hybrid",), "--hybrid and --words-only exclude each other"),
        (("--recall", 0.9), "--recall is about vectors"),
        (("--match", "some"), "match='some'"),
    ):
        found = mrl_pg("search", *words, *wrong)
        assert found.returncode and said in found.stderr, found.stderr
    found = mrl_pg("search", *where, "--hybrid", "--words-in", "body")
    assert "--hybrid searches for words: give a TEXT" in found.stderr
    other = mrl_pg("search", *options, "--embed", "python my_embed.py")
    assert other.returncode == 3
    assert "was filled by demo:static-wordnet, and program:my_embed.py" in other.stderr
    (row,) = json.loads(mrl_pg("indexes", "--json", "--dsn", database).stdout)
    assert row["model"] == "demo:static-wordnet"


def test_the_cost_of_a_service_elsewhere_is_told_first(
    conn: Conn, database: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    where = ("docs", "embedding", "--dsn", database, "--text", "body", "--price", 2)
    options = (*where, "--embed", "openai:m", "--embed-url")
    with service() as local:
        done = mrl_pg("load", file, *options, local.url)
        assert done.returncode == 0, done.stderr
        assert "tokens" not in done.stderr
        # another name of this machine, which counts as another machine
        place = local.url.replace("127.0.0.1", "127.0.0.2")
        done = mrl_pg("load", file, *options, place)
    assert "openai:m is to embed 2 texts, about 14 tokens: about $0.00" in done.stderr
    assert KEY not in done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--model", "m"), "--model is about a model: add --embed"),
        (("--embed", "demo", "--vectors", "x"), "--vectors is for a file with vectors"),
        (("--embed", "demo", "--text", "x"), "no column 'x' with texts"),
        (("--embed", "demo", "--embed-url", "u"), "url is for openai:MODEL only"),
    ],
)
def test_loads_that_are_refused(
    database: str, file: Path, options: tuple[str, ...], message: str
) -> None:
    done = mrl_pg("load", file, "docs", "embedding", "--dsn", database, *options)
    assert done.returncode == 2
    assert message in done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "nothing to search for"),
        (("--embed", "demo"), "nothing to search for"),
        (("text", "--query", "q.npy"), "give one of the two"),
        (("--query", "q.npy", "--model", "m"), "--model is about a model"),
    ],
)
def test_searches_that_are_refused(
    database: str, options: tuple[str, ...], message: str
) -> None:
    done = mrl_pg("search", "docs", "embedding", *options, "--dsn", database)
    assert done.returncode == 2
    assert message in done.stderr


def test_a_search_in_words_needs_a_table_and_then_a_model(
    conn: Conn, database: str
) -> None:
    search = ("search", "docs", "embedding", "text", "--exact", "--dsn", database)
    missing = mrl_pg(*search)
    assert missing.returncode == TableNotFound.exit_code
    assert "table 'docs' does not exist" in missing.stderr
    conn.execute("create table docs (id int primary key, embedding vector(3))")
    unnamed = mrl_pg(*search)
    assert unnamed.returncode == InvalidSetting.exit_code
    assert "the registry names no model for docs.embedding" in unnamed.stderr
