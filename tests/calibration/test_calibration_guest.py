"""Measuring a table in use: nothing is held between batches; the figures are equal."""

import asyncio
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from psycopg import AsyncConnection, sql
from support.databases import Conn, address, connect
from support.guests import Guest
from support.plans import force_index
from support.sql_calls import create, stock
from support.sql_plans import scanning
from support.tables import Docs, append, docs_fixture, make_partitioned
from support.vectors import matryoshka

from mrl_pg import Calibration, MatryoshkaIndex, Progress, RecallReport
from mrl_pg.calibration import in_batches, truth
from mrl_pg.catalog import pages
from mrl_pg.exchange import Exchange
from mrl_pg.kinds import Distance

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
    given: dict[str, Any] = {"k": 5, "sample": 500, "filter": "n < 10"}
    report = docs.index.recall(docs.conn, **given)
    with docs.conn.transaction():
        at_once = docs.index.recall(docs.conn, **given)
    assert report.queries == 50
    for name in ("recall", "low", "high", "loss_graph", "loss_prefix"):
        wanted = pytest.approx(getattr(at_once, name), abs=1e-12)
        assert getattr(report, name) == wanted
    # what is compared has a loss
    assert report.loss_prefix is not None and report.loss_prefix > 0


def test_the_async_version_lets_go_too(docs: Docs, other: Conn) -> None:
    async def ask() -> tuple[int, int]:
        async with await AsyncConnection.connect(docs.url, autocommit=True) as conn:
            guest = Guest(conn, other, "docs")
            await docs.index.recall_async(
                conn, k=5, queries=QUERIES, progress=watched(guest)
            )
            once = guest.looked
            await docs.index.calibrate_async(
                conn, k=400, queries=QUERIES, progress=watched(guest)
            )
            return once, guest.looked - once

    # of 500 rows at most three numbers of candidates are worth a measurement
    once, again = asyncio.run(ask())
    assert once == len(QUERIES)
    assert again >= 2


Levels = dict[tuple[int | None, int | None], tuple[float, float]]
"""Recall and its bound, by candidates and ef_search."""


def levels(made: Calibration) -> Levels:
    return {
        (point.candidates, point.ef_search): (point.recall, point.low)
        for point in made.points
        if point.candidates is not None
    }


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Levels:
    """All that is measured in batches: what of it is kept depends on times."""
    found: Levels = {}
    real = in_batches._judge

    def judge(*given: Any) -> Exchange[list[Any]]:
        points = yield from real(*given)
        for point in points:
            if point["group"] == "all":
                search = point["candidates"], point["ef_search"]
                found[search] = point["recall"], point["low"]
        return points

    monkeypatch.setattr(in_batches, "_judge", judge)
    return found


def compare(monkeypatch: pytest.MonkeyPatch, *, here: bool) -> None:
    """Exact answers are computed here, from one page at a time, or by the server."""
    monkeypatch.setattr(pages, "MOST_PAGES", 1)
    monkeypatch.setattr(pages, "FIRST_PAGES", 1)
    monkeypatch.setattr(truth, "server_seconds", lambda *_: math.inf if here else 0.0)


@pytest.mark.parametrize("here", [True, False])
@pytest.mark.parametrize("filter", [None, "n < 60"])
def test_calibrate_lets_go_after_each_batch(
    docs: Docs,
    guest: Guest,
    monkeypatch: pytest.MonkeyPatch,
    measured: Levels,
    filter: str | None,
    here: bool,
) -> None:
    compare(monkeypatch, here=here)
    monkeypatch.setattr(truth, "COMPARED", 3)
    monkeypatch.setattr(in_batches, "SEARCHED", 3)
    given: dict[str, Any] = {"k": 5, "queries": QUERIES, "filter": filter}
    stages: list[Progress] = []
    look = watched(guest)

    def tell(progress: Progress) -> None:
        stages.append(progress)
        look(progress)

    made = docs.index.calibrate(docs.conn, progress=tell, **given)
    exact = [s.done for s in stages if s.stage.startswith("exact answers")]
    if here:
        assert len(exact) > 3
        assert exact == sorted(exact)
        assert exact[-1] == 8
    else:
        assert exact == [3, 6, 8]
    assert [stage.done for stage in stages[len(exact) + 1 :][:2]] == [3, 6]
    assert {stage.total for stage in stages} == {8}
    assert guest.looked == len(stages)
    with docs.conn.transaction():
        at_once = docs.index.calibrate(docs.conn, **given)
    assert (made.share, made.queries, made.rows) == (
        at_once.share,
        at_once.queries,
        at_once.rows,
    )
    assert len(measured) > 1
    assert levels(made).items() <= measured.items()
    assert levels(at_once).items() <= measured.items()


def test_pages_with_more_rows_than_expected_come_in_parts(
    docs: Docs, monkeypatch: pytest.MonkeyPatch, measured: Levels
) -> None:
    """After pages without vectors, a range may hold more bytes than a value can."""
    monkeypatch.setattr(truth, "server_seconds", lambda *_: math.inf)
    monkeypatch.setattr(truth, "BLOCK_BYTES", 4000)
    monkeypatch.setattr(truth, "MOST_BLOCKS", 1)
    ranges = []
    too_many = pages.PageRanges.too_many

    def seen(self: pages.PageRanges, some: pages.Range) -> None:
        ranges.append(some)
        too_many(self, some)

    monkeypatch.setattr(pages.PageRanges, "too_many", seen)
    given: dict[str, Any] = {"k": 5, "queries": QUERIES}
    docs.index.calibrate(docs.conn, **given)
    assert len(ranges) >= 2
    with docs.conn.transaction():
        at_once = docs.index.calibrate(docs.conn, **given)
    assert levels(at_once).items() <= measured.items()


def test_rows_as_queries_leave_themselves_out(docs: Docs, measured: Levels) -> None:
    # all rows, so that there is no chance
    given: dict[str, Any] = {"k": 2, "sample": 500, "filter": "n < 10"}
    made = docs.index.calibrate(docs.conn, **given)
    with docs.conn.transaction():
        at_once = docs.index.calibrate(docs.conn, **given)
    assert made.queries == at_once.queries == 500
    assert made.basis == at_once.basis == "rows"
    for search, figures in (levels(made) | levels(at_once)).items():
        assert figures == pytest.approx(measured[search])
    assert min(recall for recall, low in measured.values()) < 1


@pytest.mark.parametrize("full_type", ["vector", "halfvec"])
@pytest.mark.parametrize("distance", ["cosine", "l2", "ip"])
def test_the_same_in_batches_for_every_type_and_distance(
    conn: Conn,
    monkeypatch: pytest.MonkeyPatch,
    measured: Levels,
    full_type: str,
    distance: Distance,
) -> None:
    compare(monkeypatch, here=True)
    # rows of other lengths, so that each distance has answers of its own
    rows = matryoshka(200) * np.linspace(1, 3, 200, dtype=np.float32)[:, np.newaxis]
    name = stock(conn, rows, full_type=full_type, distance=distance)
    index = MatryoshkaIndex("docs", "embedding", dims=32, distance=distance)
    given: dict[str, Any] = {"k": 20, "queries": matryoshka(8, seed=8)}
    with scanning(conn, name):
        made = index.calibrate(conn, **given)
        with conn.transaction():
            at_once = index.calibrate(conn, **given)
    assert len(measured) > 1
    assert min(recall for recall, _ in measured.values()) < 1
    assert levels(made).items() <= measured.items()
    assert levels(at_once).items() <= measured.items()


@pytest.mark.parametrize("here", [True, False])
def test_partitions_and_rows_as_queries_in_batches(
    conn: Conn, monkeypatch: pytest.MonkeyPatch, measured: Levels, here: bool
) -> None:
    """The same place is in every partition; a row leaves only itself out."""
    compare(monkeypatch, here=here)
    make_partitioned(conn)
    append(conn, matryoshka(120), sql.Identifier("docs"))
    # equal rows, which are near each other
    conn.execute(
        "update docs set embedding = (select embedding from docs where id = 1)"
        " where id < 20"
    )
    create(conn)
    conn.execute("analyze docs")
    force_index(conn)
    index = MatryoshkaIndex("docs", "embedding", dims=32)
    given: dict[str, Any] = {"k": 20, "sample": 120}
    made = index.calibrate(conn, **given)
    with conn.transaction():
        at_once = index.calibrate(conn, **given)
    assert made.queries == at_once.queries == 120
    for search, figures in (levels(made) | levels(at_once)).items():
        assert figures == pytest.approx(measured[search])


def test_another_row_at_the_place_of_a_near_one(
    conn: Conn, measured: Levels, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Updates within a page give a row's place to another row, without a vacuum."""
    compare(monkeypatch, here=True)
    conn.execute(
        "create table docs (id bigint primary key, n int, title text,"
        " embedding vector(64)) with (fillfactor = 40)"
    )
    append(conn, matryoshka(600), sql.Identifier("docs"))
    create(conn)
    conn.execute("analyze docs")
    force_index(conn)
    update = "update docs set n = n + 1 where id %% 3 = %s"
    # away from the places that the index points to, which no other row gets
    for part in (0, 1, 2):
        conn.execute(update, [part])
    index = MatryoshkaIndex("docs", "embedding", dims=32)
    given: dict[str, Any] = {"k": 3, "queries": matryoshka(40, seed=4)}
    moved = False

    def tell(progress: Progress) -> None:
        nonlocal moved
        if progress.stage.startswith("exact") and progress.done == progress.total:
            for part in (0, 1, 2, 0, 1, 2):
                second.execute(update, [part])
            moved = True

    with connect(address(conn)) as second:
        second.execute("create temp table was as select ctid as place, id from docs")
        made = index.calibrate(conn, progress=tell, **given)
        taken = second.execute(
            "select count(*) from docs join was on was.place = docs.ctid"
            " where was.id <> docs.id"
        ).fetchone()
    assert moved
    assert taken is not None
    assert taken[0] > 50
    with conn.transaction():
        at_once = index.calibrate(conn, **given)
    for search, figures in levels(at_once).items():
        assert figures == pytest.approx(measured[search])
    assert levels(made).items() <= measured.items()
