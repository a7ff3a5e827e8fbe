"""The examples of docs/hybrid.md run as written."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest

import mrl_pg
from mrl_pg.load import load_blocks

PAGE = Path(__file__).parents[2] / "docs/hybrid.md"


def test_the_page_runs_as_written(
    bare_database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.M | re.S)
    assert len(blocks) == 3
    rows = np.random.default_rng(0).normal(size=(300, 512))
    with psycopg.connect(bare_database, autocommit=True) as conn:
        conn.execute("create extension vector")
        mrl_pg.install(conn)
        titles = [("a storm", "snow storm", "sun")[i % 3] for i in range(300)]
        columns: dict[str, Any] = {
            "id": np.arange(300),
            "title": titles,
            "lang": ["en" if i % 2 else "fr" for i in range(300)],
        }
        load_blocks(conn, rows, "docs", columns=columns)
        mrl_pg.MatryoshkaIndex("docs", "embedding", dims=256).create(conn)
        scope: dict[str, Any] = {"conn": conn, "query": rows[3]}
        for block in blocks:
            exec(compile(block, "hybrid.md", "exec"), scope)
    hits = scope["hits"]
    assert isinstance(hits, mrl_pg.HybridResult)
    assert isinstance(hits[0], mrl_pg.HybridHit)
    assert hits.keys[0] == 3
    assert all(key % 2 for key in hits.keys)
    assert {hit["title"] for hit in hits if hit.word_rank} == {"a storm"}
    assert len(scope["varied"]) == 5
    printed = capsys.readouterr().out
    assert printed.startswith("3 a storm ")
    # rows with both of its words, although no row is in English and has all of them
    found = scope["found"]
    assert len(found) == 5 and f"[({found[0].key}, 1)" in printed
