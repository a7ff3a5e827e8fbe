"""Files of texts in a table, embedded once, also after an interruption; searched."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import AsyncConnection, pq
from support.databases import Conn
from support.plans import explain, force_index, indexes

from mrl_pg import MatryoshkaColumn, MatryoshkaIndex
from mrl_pg.embed import (
    DemoModel,
    EmbeddingCost,
    load_texts,
    search,
    search_async,
    update_texts,
)
from mrl_pg.errors import (
    EmbeddingError,
    InvalidFile,
    InvalidSetting,
    InvalidVector,
)

ROWS: list[dict[str, Any]] = [
    {"id": 1, "title": "arachnid", "text": "a large hairy spider"},
    {"id": 2, "title": "heat", "text": "an instrument for measuring temperature"},
    {"id": 3, "title": "map", "text": "a person who draws maps"},
    {"id": 4, "title": "empty", "text": " "},
    {"id": 5, "title": "again", "text": "a person who draws maps"},
]


class Counting:
    """A model that counts texts, and may fail at one; one batch is two texts."""

    name = "program:counting"

    def __init__(self, dims: int = 3, fails_at: str = "") -> None:
        self.dims, self.fails_at = dims, fails_at
        self.seen: list[str] = []

    def embed_documents(self, texts: Sequence[str]) -> list[list[float]]:
        if self.fails_at in texts:
            raise EmbeddingError("the service went away")
        self.seen += texts
        return [[float(len(text))] * self.dims for text in texts]

    def embed_queries(self, texts: Sequence[str]) -> list[list[float]]:
        return [[float(len(text))] * self.dims for text in texts]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "texts.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in ROWS))
    return path


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mrl_pg.embed.loading.BATCH", 2)


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.embedded"))


def test_texts_become_rows_that_a_text_finds(conn: Conn, file: Path) -> None:
    model = DemoModel()
    report = load_texts(conn, file, "docs", embedder=model)
    assert (report.rows, report.null_vectors, report.dims) == (5, 1, 512)
    assert left(file.parent) == []
    index = MatryoshkaIndex("docs", "embedding", dims=64)
    index.create(conn)
    force_index(conn)
    for searched in (index, MatryoshkaColumn("docs", "embedding")):
        result = search(
            conn,
            searched,
            "the temperature of water",
            embedder=model,
            k=1,
            columns=["title"],
        )
        assert [hit["title"] for hit in result] == ["heat"]
        assert result.index_name == index.name
    plan = index.plan(conn, model.embed_queries(["temperature"])[0])
    assert index.name in indexes(explain(conn, plan))


def test_a_text_is_searched_for_without_blocking(
    conn: Conn, database: str, file: Path
) -> None:
    load_texts(conn, file, "docs", embedder=DemoModel())
    MatryoshkaIndex("docs", "embedding", dims=64).create(conn)

    async def asked() -> list[Any]:
        async with await AsyncConnection.connect(database) as waits:
            column = MatryoshkaColumn("docs", "embedding")
            result = await search_async(
                waits, column, "draw a map", embedder=DemoModel(), k=2
            )
            return result.keys

    assert sorted(asyncio.run(asked())) == [3, 5]


def test_several_columns_are_one_text(conn: Conn, file: Path) -> None:
    model = Counting()
    load_texts(
        *(conn, file, "docs"),
        embedder=model,
        text=["title", "text"],
        skip=["title"],
        kind="halfvec",
    )
    assert model.seen[0] == "arachnid\na large hairy spider"
    assert "empty" in model.seen
    stored = conn.execute("select * from docs order by id").fetchall()
    assert [len(row) for row in stored] == [3] * 5


@pytest.mark.usefixtures("small_batches")
def test_an_interrupted_load_goes_on(conn: Conn, file: Path) -> None:
    broken = Counting(fails_at="a person who draws maps")
    with pytest.raises(EmbeddingError, match="went away"):
        load_texts(conn, file, "docs", embedder=broken)
    assert len(broken.seen) == 2
    (store,) = left(file.parent)
    assert conn.execute("select to_regclass('docs')").fetchone() == (None,)
    costs: list[EmbeddingCost] = []
    mended = Counting()
    report = load_texts(conn, file, "docs", embedder=mended, confirm=costs.append)
    # the same text twice is embedded once
    assert mended.seen == ["a person who draws maps"]
    assert (report.rows, report.null_vectors) == (5, 1)
    assert (costs[0].texts, costs[0].known) == (1, 2)
    assert left(file.parent) == []
    assert store.startswith("texts.jsonl.")


@pytest.mark.usefixtures("small_batches")
def test_vectors_of_another_length_are_not_mixed(conn: Conn, file: Path) -> None:
    store = file.with_name("kept")
    with pytest.raises(EmbeddingError):
        load_texts(
            *(conn, file, "docs"),
            embedder=Counting(fails_at="a person who draws maps"),
            store=store,
        )
    with pytest.raises(EmbeddingError, match="vectors of 4 numbers, and of 3 before"):
        load_texts(conn, file, "docs", embedder=Counting(dims=4), store=store)


def test_who_says_no_sends_nothing(conn: Conn, file: Path) -> None:
    model = Counting()

    def refuse(cost: EmbeddingCost) -> None:
        assert str(cost) == (
            "program:counting is to embed 3 texts, about 20 tokens: about $0.00"
        )
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load_texts(conn, file, "docs", embedder=model, price=0.1, confirm=refuse)
    assert (model.seen, left(file.parent)) == ([], [])


def test_the_price_of_a_hosted_model(file: Path) -> None:
    cost = EmbeddingCost("openai:x", 1_000, 5, 2_000_000, None)
    assert "1,000 texts (5 more are embedded already), about 2,000,000" in str(cost)
    assert "see the price list of the service" in str(cost)


@pytest.mark.usefixtures("small_batches")
def test_texts_for_rows_that_are_there(conn: Conn, file: Path) -> None:
    conn.execute("create table docs (id int primary key)")
    conn.execute("insert into docs select generate_series(1, 4)")
    model = Counting()
    report = update_texts(conn, file, "docs", embedder=model, add_column=True)
    assert (report.updated, len(model.seen)) == (3, 3)
    assert report.missing.count == 1
    rows = conn.execute("select id from docs where embedding is null").fetchall()
    assert rows == [(4,)]
    assert left(file.parent) == []


@pytest.mark.parametrize(
    ("rows", "options", "error", "message"),
    [
        (ROWS, {"text": "body"}, InvalidFile, "no column 'body' with texts.*--text"),
        (ROWS, {"text": []}, InvalidSetting, "names no column"),
        (ROWS, {"text": "id"}, InvalidFile, "row 1: 1 is not text"),
        ([{"text": "a", "embedding": [1]}], {}, InvalidFile, "'embedding' already"),
        ([{"text": None}], {}, InvalidFile, "."),
        (ROWS, {"confirm": 7}, InvalidSetting, "confirm=7 cannot be called"),
    ],
)
def test_files_without_texts(
    conn: Conn,
    file: Path,
    rows: list[dict[str, Any]],
    options: dict[str, Any],
    error: type[Exception],
    message: str,
) -> None:
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    with pytest.raises(error, match=message):
        load_texts(conn, file, "docs", embedder=Counting(), **options)
    assert left(file.parent) == []


def test_a_store_that_is_no_store(conn: Conn, file: Path) -> None:
    with pytest.raises(InvalidFile, match="cannot hold the vectors so far"):
        load_texts(conn, file, "docs", embedder=Counting(), store=file)
    assert file.read_text()


def test_searches_that_find_no_vector(conn: Conn, file: Path) -> None:
    load_texts(conn, file, "docs", embedder=DemoModel())
    index = MatryoshkaIndex("docs", "embedding", dims=64)
    index.create(conn)
    for text, error, message in (
        ("zzqx", InvalidVector, "all zeros"),
        ("  ", InvalidSetting, "text is empty"),
        (7, InvalidSetting, "text=7 is not text"),
    ):
        with pytest.raises(error, match=message):
            search(conn, index, text, embedder=DemoModel())  # type: ignore[arg-type]


def test_no_transaction_is_open_while_texts_are_embedded(
    conn: Conn, database: str, file: Path
) -> None:
    class Looking(Counting):
        def embed_documents(self, texts: Sequence[str]) -> list[list[float]]:
            assert other.info.transaction_status == pq.TransactionStatus.IDLE
            return super().embed_documents(texts)

    with psycopg.connect(database) as other:
        load_texts(other, file, "docs", embedder=Looking())
        update_texts(other, file, "docs", embedder=Looking())
        other.execute("select")
        model = Counting()
        with pytest.raises(InvalidSetting, match="cannot run in a transaction"):
            update_texts(other, file, "docs", embedder=model)
    assert model.seen == []
    known = conn.execute("select model from mrl.column_models").fetchall()
    assert known == [("program:counting",)]
