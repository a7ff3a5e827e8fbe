"""A search by the index that is in use: what it scans, says and finds."""

from typing import Any

from mrl_pg import MatryoshkaColumn, MatryoshkaIndex, SearchResult
from support.databases import Conn
from support.plans import explain, first_pass, force_index
from support.sql_plans import scanning
from support.tables import make_table
from support.vectors import matryoshka, nearest

ROWS = matryoshka(400)
QUERY = ROWS[7] * 0.7 + ROWS[8] * 0.3
TRUTH = nearest(ROWS, QUERY, 5)
DOCS = MatryoshkaColumn("docs", "embedding")


def make_docs(conn: Conn, index: MatryoshkaIndex) -> None:
    """A table of ROWS with one index, which the planner must use."""
    make_table(conn, ROWS)
    index.create(conn)
    force_index(conn)


def assert_by(
    found: SearchResult, index: MatryoshkaIndex, fallback: bool = False
) -> None:
    """The result names this index, and holds the nearest rows."""
    assert (found.index_name, found.fallback) == (index.name, fallback)
    assert found.keys == TRUTH


def assert_searched(
    conn: Conn,
    searched: MatryoshkaIndex | MatryoshkaColumn,
    index: MatryoshkaIndex,
    *,
    fallback: bool = False,
    **options: Any,
) -> None:
    """A search and a batch scan this index, say so, and find the nearest rows."""
    options = {"k": 5, "candidates": 300} | options
    with scanning(conn, index.name):
        assert_by(searched.search(conn, QUERY, **options), index, fallback)
    with scanning(conn, index.name):
        for found in searched.search_many(conn, [QUERY, QUERY], **options):
            assert_by(found, index, fallback)
    plan = searched.plan(conn, QUERY, **options)
    assert first_pass(explain(conn, plan)) == [index.name]
    assert plan.fallback == fallback
    exact = searched.search(conn, QUERY, k=5, exact=True)
    assert (exact.index_name, exact.fallback) == (None, False)
    assert exact.keys == TRUTH
