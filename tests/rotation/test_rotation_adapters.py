"""Frameworks, models and tune work on a rotated column as on any other."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from support.databases import Conn
from support.rotations import orthogonal
from support.vectors import matryoshka

from mrl_pg import MatryoshkaColumn, MatryoshkaIndex
from mrl_pg.adapters.documents import Documents, DocumentTable, StoredDocument
from mrl_pg.adapters.documents.state import make_table
from mrl_pg.catalog.read import read_column_facts
from mrl_pg.embed import DemoModel, load_texts
from mrl_pg.embed import search as search_text
from mrl_pg.exchange import run
from mrl_pg.load import load_blocks
from mrl_pg.rotation import Provenance, Rotation
from mrl_pg.tune.queries import choose_queries

ROWS = matryoshka(600)
TURN = Rotation(orthogonal(64), Provenance("random", 0))
SINGLE = 1e-5


def test_a_store_of_documents(conn: Conn) -> None:
    table = DocumentTable(table="docs", dims=16)
    store = Documents(conn, table)
    given = [
        StoredDocument(str(place), f"text {place}", {}, row)
        for place, row in enumerate(ROWS[:50])
    ]
    run(conn, make_table(table, 64))
    column = MatryoshkaColumn("docs", table.embedding)
    column.set_rotation(conn, TURN)
    MatryoshkaIndex("docs", table.embedding, dims=16).create(conn)
    run(conn, store.add(conn, given))
    hits = run(conn, store.nearest(conn, ROWS[7], 3, None, {}, vectors=True))
    assert hits[0].document.key == "7"
    unlike = run(conn, store.unlike(conn, ROWS[7], 3, None, {}, fetch=9, diversity=0.3))
    assert unlike[0].document.key == "7"
    kept = run(conn, store.read(conn, vectors=True))
    vectors = {document.key: document.vector for document in kept}
    assert np.allclose(np.array(vectors["7"]), ROWS[7], atol=SINGLE)
    assert not np.allclose(TURN.apply(ROWS[7]), ROWS[7], atol=0.1)


def test_texts(conn: Conn, tmp_path: Path) -> None:
    file = tmp_path / "texts.csv"
    file.write_text("id,text\n1,a large hairy spider\n2,a person who makes maps\n")
    model = DemoModel()
    turn = Rotation(orthogonal(512), Provenance("random", 0))
    load_texts(conn, file, "docs", embedder=model, rotation=turn)
    MatryoshkaIndex("docs", "embedding", dims=64).create(conn)
    column = MatryoshkaColumn("docs", "embedding")
    found = search_text(conn, column, "draw a map", k=1)
    assert found.keys == [2]
    report = column.rotate(conn, "plain", undo=True)
    assert report.complete
    plain = MatryoshkaColumn("docs", "plain")
    # the model goes with the vectors
    far = search_text(conn, plain, "draw a map", k=1, exact=True)
    assert np.isclose(far[0].distance, found[0].distance, atol=SINGLE)


def test_tune_rotates_its_queries(conn: Conn) -> None:
    load_blocks(conn, ROWS, "docs", rotation=TURN)
    conn.execute("analyze docs")
    facts = run(conn, read_column_facts(MatryoshkaColumn("docs", "embedding")))
    given = matryoshka(40, seed=3)
    layout = MatryoshkaIndex("docs", "embedding", dims=1)
    request: Any = SimpleNamespace(layout=layout, queries=given, sample=9, seed=1)
    table: Any = None
    chosen = choose_queries(conn, facts, table, request)
    assert np.allclose(chosen.vectors, TURN.apply(given), atol=SINGLE)
