"""docs/search.md: its examples run as written, by the indexes that they name."""

from typing import Any

import psycopg
import pytest
from pgvector.sqlalchemy import VECTOR
from sqlalchemy import create_engine, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from support.pages import ROOT, blocks, psycopg_url, run_python
from support.plans import force_index
from support.sql_plans import scanning
from support.tables import make_table
from support.vectors import matryoshka, nearest

from mrl_pg import MatryoshkaColumn, MatryoshkaIndex
from mrl_pg.sqlalchemy import Matryoshka, indexes_of, search

ROWS = matryoshka(500, dims=256)
QUERY = ROWS[5] * 0.6 + ROWS[6] * 0.4
BITS = MatryoshkaIndex("docs", "embedding", dims=256, kind="bit", keep="generated")
SMALL = "docs_embedding_64_halfvec_cosine_hnsw"


class Base(DeclarativeBase):
    pass


class Doc(Base):
    __tablename__ = "docs"
    id: Mapped[int] = mapped_column(primary_key=True)
    embedding: Mapped[list[float]] = mapped_column(
        VECTOR(256), Matryoshka(256), Matryoshka(64)
    )


def test_the_page_runs_as_written(
    conn: psycopg.Connection[Any], database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    make_table(conn, ROWS)
    for index in (*indexes_of(Doc), BITS):
        index.create(conn, rebuild=True)
    force_index(conn)
    page = blocks(ROOT / "docs/search.md")
    rerank, sizes, orm = (block for block in page if block.language == "python")
    (statement,) = (block.text for block in page if block.language == "sql")
    scope: dict[str, Any] = {
        "conn": conn,
        "query": QUERY,
        "index": BITS,
        "MatryoshkaColumn": MatryoshkaColumn,
    }
    run_python([rerank], scope, capsys)
    assert (scope["result"].seen, scope["result"].reranked) == (160, 60)
    with scanning(conn, SMALL):
        assert run_python([sizes], scope, capsys) == 1
    truth = nearest(ROWS, QUERY, 10)
    assert scope["evidence"].keys == truth
    found = scope["suggestions"].keys
    assert len({*found} & {*truth}) >= 7
    with scanning(conn, SMALL):
        by_sql = conn.execute(
            statement.replace(":'query'", "%s::vector"), [str(QUERY.tolist())]
        )
    assert [key for (key,) in by_sql.fetchall()] == found
    engine = create_engine(psycopg_url(database))
    scope = {"select": select, "search": search, "Doc": Doc, "query": QUERY}
    run_python([orm], scope, capsys)
    with engine.connect() as connection:
        connection.execute(text("set enable_seqscan = off"))
        assert connection.execute(scope["statement"]).scalars().all() == found
    engine.dispose()
