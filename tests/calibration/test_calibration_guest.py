"""Measuring a table in use: nothing is held between batches; the figures are equal."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from psycopg import AsyncConnection
from support.databases import Conn, connect
from support.guests import Guest
from support.plans import force_index
from support.tables import Docs, docs_fixture
from support.vectors import matryoshka

from mrl_pg import Progress, RecallReport

QUERIES = matryoshka(8, seed=8)

docs = docs_fixture(rows=500, prepare=force_index)


@pytest.fixture
def other(docs: Docs) -> Iterator[Conn]:
    with connect(docs.url) as second:
        yield second


@pytest.fixture
def guest(docs: Docs, other: Conn) -> Guest:
    return Guest(docs.conn, other, "docs")


def watched(guest: Guest) -> Any:
    """Look at the session at each report of progress, when no statement is running."""

    def look(progress: Progress) -> None:
        guest.let_go()

    return look


def same(report: RecallReport, other: RecallReport) -> bool:
    return report == replace(other, measured_at=report.measured_at)


def test_recall_lets_go_after_each_query(docs: Docs, guest: Guest) -> None:
    given: dict[str, Any] = {"k": 5, "candidates": 5, "filter": "n < 60"}
    report = docs.index.recall(
        docs.conn, queries=QUERIES, keep=True, progress=watched(guest), **given
    )
    assert guest.looked == len(QUERIES)
    with docs.conn.transaction():
        at_once = docs.index.recall(docs.conn, queries=QUERIES, keep=True, **given)
    assert report.recall is not None and report.recall < 1
    assert same(report, at_once)
    first, second = docs.index.history(docs.conn)
    assert same(first, second) and same(first, replace(report, promise=None))
    docs.conn.execute("delete from mrl._measurements")


def test_recall_of_all_rows_is_that_of_one_statement(docs: Docs) -> None:
    """Rows leave themselves out in both: with a sample of all there is no chance."""
    given: dict[str, Any] = {"k": 5, "candidates": 5, "sample": 500}
    report = docs.index.recall(docs.conn, **given)
    with docs.conn.transaction():
        at_once = docs.index.recall(docs.conn, **given)
    assert report.queries == 500
    for name in ("recall", "low", "high", "loss_graph", "loss_shortlist"):
        wanted = pytest.approx(getattr(at_once, name), abs=1e-12)
        assert getattr(report, name) == wanted
    assert report.recall is not None and report.recall < 1


def test_the_async_version_lets_go_too(docs: Docs, other: Conn) -> None:
    async def ask() -> int:
        async with await AsyncConnection.connect(docs.url, autocommit=True) as conn:
            guest = Guest(conn, other, "docs")
            await docs.index.recall_async(
                conn, k=5, queries=QUERIES, progress=watched(guest)
            )
            return guest.looked

    assert asyncio.run(ask()) == len(QUERIES)
