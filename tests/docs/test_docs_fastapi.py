"""docs/fastapi.md and examples/fastapi: what a client is answered."""

import runpy
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.ext.asyncio import AsyncEngine
from support.databases import Conn, connect
from support.pages import ROOT, blocks, psycopg_url
from support.vectors import Vectors, matryoshka, nearest

APP = ROOT / "examples/fastapi/app.py"
ROWS = 40


@pytest.fixture
def rows() -> Vectors:
    return matryoshka(ROWS, dims=512)


@pytest.fixture
def client(
    bare_database: str, rows: Vectors, monkeypatch: pytest.MonkeyPatch
) -> Iterator[TestClient]:
    """A client of the application, on a database with pgvector and its rows."""
    monkeypatch.setenv("DATABASE_URL", psycopg_url(bare_database))
    with connect(bare_database) as conn:
        conn.execute("create extension vector")
        with TestClient(_app(), raise_server_exceptions=False) as client:
            _fill(conn, rows)
            yield client


def _app() -> Any:
    scope = runpy.run_path(str(APP))
    assert isinstance(scope["engine"], AsyncEngine)
    return scope["app"]


def _fill(conn: Conn, rows: Vectors) -> None:
    with conn.cursor() as cursor:
        cursor.executemany(
            "insert into docs (title, lang, embedding) values (%s, %s, %s)",
            [
                (f"title {i}", "en" if i % 2 else "fr", str(row.tolist()))
                for i, row in enumerate(rows, 1)
            ],
        )


def test_the_page_shows_the_application() -> None:
    text = APP.read_text().replace("  # noqa: D103", "")
    shown = [b for b in blocks(ROOT / "docs/fastapi.md") if b.language == "python"]
    assert len(shown) == 2
    assert all(block.text in text for block in shown)


def test_answers_and_refusals(
    client: TestClient, rows: Vectors, bare_database: str
) -> None:
    vector = rows[3].tolist()
    found = client.post("/search", json={"vector": vector, "k": 3})
    assert found.status_code == 200
    assert [row["id"] for row in found.json()] == nearest(rows, rows[3], 3)
    assert found.json()[0].keys() == {"id", "title", "distance"}
    found = client.post("/search", json={"vector": vector, "k": 3, "lang": "en"})
    assert [row["id"] % 2 for row in found.json()] == [1, 1, 1]
    for asked, message in (
        ({"vector": [1.0, 2.0]}, "512"),
        ({"vector": [0.0] * 512}, "all zeros"),
        ({"vector": vector, "k": 0}, "k=0 is below 1"),
    ):
        refused = client.post("/search", json=asked)
        assert refused.status_code == 422
        assert message in refused.json()["detail"]
    # the database's fault
    with connect(bare_database) as conn:
        conn.execute("alter table docs drop column embedding cascade")
    assert client.post("/search", json={"vector": vector}).status_code == 500
