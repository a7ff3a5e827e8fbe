"""index.calibrate, .recall and .history: what the server measured, as values."""

import asyncio
import json
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from psycopg import AsyncConnection, errors, sql
from support.calibrations import calibrate as kept_by
from support.calibrations import never_exact
from support.databases import Conn, connect, role
from support.plans import force_index
from support.sql_calls import one, text
from support.tables import Docs, docs_fixture
from support.vectors import least_far, matryoshka

from mrl_pg import (
    Calibration,
    CalibrationPoint,
    MatryoshkaIndex,
    Progress,
    RecallReport,
)
from mrl_pg.errors import (
    IndexNotFound,
    InvalidFilter,
    InvalidSetting,
    InvalidVector,
)

QUERIES = matryoshka(20, seed=8)
KEPT = (
    "select candidates, ef_search, recall, low, median_ms, p95_ms, p05,"
    " shares, weights, coalesce(misses, '{}')"
    " from mrl.calibrations"
    " where k = %s and filter = %s order by candidates, ef_search"
)


def prepare(conn: Conn) -> None:
    """Searches use the index, however fast they are."""
    force_index(conn)
    never_exact(conn)


docs = docs_fixture(rows=500, prepare=prepare)


def points(conn: Conn, k: int, filter: str = "") -> tuple[CalibrationPoint, ...]:
    """What is kept in the database."""
    return tuple(
        CalibrationPoint(*row[:7], *map(tuple, row[7:]))
        for row in conn.execute(KEPT, [k, filter]).fetchall()
    )


def test_a_calibration_is_what_was_kept(docs: Docs) -> None:
    reports: list[Progress] = []
    found = docs.index.calibrate(docs.conn, k=5, sample=30, progress=reports.append)
    assert found.points == points(docs.conn, 5)
    assert (found.layout, found.k, found.queries, found.rows, found.share) == (
        *(docs.index, 5, 30, 500),
        1.0,
    )
    lines = [report.stage for report in reports]
    # first, how long it takes
    assert re.fullmatch(r"this takes about \d+ seconds: 500 rows", lines[0])
    assert lines[1:3] == [
        "exact answers of 30 queries",
        "40 candidates measured on 20 queries",
    ]
    assert [(report.done, report.total) for report in reports[:3]] == [
        *((0, 30), (30, 30), (20, 30))
    ]
    assert str(found).startswith(f"{docs.index}: {len(found.points)} searches for k=5")
    # nobody listens any more
    one(docs.conn, "select mrl.recall('docs', 'embedding', sample => 1)")
    docs.index.calibrate(docs.conn, k=6, sample=2)
    assert len(reports) == len({*lines}) < 30
    again = docs.index.search(docs.conn, least_far(docs.vectors, 5), k=5, recall=0.5)
    cheapest = found.cheapest(0.5)
    assert cheapest is not None and again.promise is not None
    assert again.promise.standing == "rows"
    assert again.promise.candidates == cheapest.candidates


def test_the_twin_measures_the_same(docs: Docs) -> None:
    async def ask() -> tuple[Calibration, RecallReport, list[RecallReport]]:
        async with await AsyncConnection.connect(docs.url, autocommit=True) as conn:
            for name in ("seqscan", "bitmapscan", "sort"):
                await conn.execute(f"set enable_{name} = off".encode())
            made = await docs.index.calibrate_async(conn, k=4, queries=QUERIES)
            assert made.points == points(docs.conn, 4)
            report = await docs.index.recall_async(
                conn, k=4, queries=QUERIES, recall=0.5, keep=True
            )
            return made, report, await docs.index.history_async(conn)

    made, report, history = asyncio.run(ask())
    assert made.queries == len(QUERIES)
    again = docs.index.recall(docs.conn, k=4, queries=QUERIES, recall=0.5)
    assert replace(again, measured_at=report.measured_at) == report
    assert [one.recall for one in history] == [report.recall]
    assert history == docs.index.history(docs.conn)
    assert report.promise is not None
    assert report.recall == pytest.approx(report.promise.measured, abs=1e-9)
    docs.conn.execute("delete from mrl._measurements")


@pytest.mark.parametrize(
    ("where", "params", "filter"),
    [
        ("n < 50", None, "n < 50"),
        ("n %% 2 = 0", None, "n % 2 = 0"),
        ("n %% 2 = 0 and n < %s", [60], "n % 2 = 0 and n < 60"),
        ("title <> %(t)s", {"t": "it's 100% $1 {x}"}, "title <> 'it''s 100% $1 {x}'"),
        (sql.SQL("{} < {}").format(sql.Identifier("n"), 7), None, '"n" < 7'),
        ("id = any(%s)", [[1, 2, 3, 4, 5]], "id = any('{1,2,3,4,5}'::int2[])"),
        ("n < 50 -- and\n", None, "n < 50 -- and\n"),
    ],
)
def test_conditions_are_those_of_a_search(
    docs: Docs, where: Any, params: Any, filter: str
) -> None:
    options = {"filter": where, "params": params}
    made = docs.index.calibrate(docs.conn, k=3, queries=QUERIES, **options)
    assert made.points == points(docs.conn, 3, filter)
    assert made.share == one(
        docs.conn,
        f"select avg(({filter}\n)::int)::float8 from docs",
    )
    report = docs.index.recall(docs.conn, k=3, candidates=3, queries=QUERIES, **options)
    assert report.filter == filter
    found = docs.index.search(docs.conn, QUERIES[0], k=3, recall=0.5, **options)
    assert found.promise is not None
    assert found.promise.standing == "measured"


REFUSED: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"k": 0}, InvalidSetting, "k=0"),
    ({"k": True}, InvalidSetting, "k=True"),
    ({"sample": 0}, InvalidSetting, "sample=0"),
    ({"sample": 1.5}, InvalidSetting, r"sample=1\.5"),
    ({"queries": [[1.0, 2.0]]}, InvalidVector, "2"),
    ({"queries": [[0.0] * 64]}, InvalidVector, "zero"),
    ({"params": [1]}, InvalidSetting, "without filter="),
    ({"filter": "n < %s"}, InvalidFilter, "cannot run"),
    ({"filter": "n < %s", "params": []}, InvalidFilter, "placeholder"),
    ({"filter": "nope = 1"}, InvalidFilter, "nope"),
    ({"filter": "n = 'x'::text"}, InvalidFilter, "operator does not exist"),
    ({"filter": "mad("}, InvalidFilter, "syntax error"),
    ({"filter": "n < $1"}, InvalidSetting, r"names \$1"),
]


@pytest.mark.parametrize(("options", "kind", "said"), REFUSED)
def test_what_is_refused(
    docs: Docs, options: dict[str, Any], kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind, match=said):
        docs.index.calibrate(docs.conn, **options)
    with pytest.raises(kind, match=said):
        docs.index.recall(docs.conn, **options)


def test_recall_refuses_what_a_search_does(docs: Docs) -> None:
    refused: list[tuple[dict[str, Any], str]] = [
        ({"candidates": 5}, "candidates=5 is below k=10"),
        ({"ef_search": 50}, "ef_search=50 is below"),
        ({"recall": 2}, "recall=2"),
    ]
    for options, said in refused:
        with pytest.raises(InvalidSetting, match=said):
            docs.index.recall(docs.conn, **options)
    with pytest.raises(InvalidSetting, match="k 100000001 is above"):
        docs.index.calibrate(docs.conn, k=100_000_001)


def test_an_index_that_is_not_there(docs: Docs) -> None:
    missing = MatryoshkaIndex("docs", "embedding", dims=16)
    for call in (missing.calibrate, missing.recall):
        with pytest.raises(IndexNotFound):
            call(docs.conn)
    with docs.conn.transaction(force_rollback=True):
        # there, but nobody told mrl_pg
        docs.conn.execute("delete from mrl._registry")
        for call in (docs.index.calibrate, docs.index.recall):
            with pytest.raises(IndexNotFound, match="create_index"):
                with docs.conn.transaction():
                    call(docs.conn, filter="n < 5")


def test_a_report_is_what_the_server_says(docs: Docs) -> None:
    report = docs.index.recall(docs.conn, k=5, candidates=7, queries=QUERIES)
    row = docs.conn.execute(
        "select * from mrl.recall('docs', 'embedding', k => 5, candidates => 7,"
        " queries => %s::text[]::vector[])",
        [[text(query) for query in QUERIES]],
    ).fetchall()[0]
    assert (
        *(report.recall, report.low, report.high, report.loss_graph),
        *(report.loss_shortlist, report.loss_prefix, report.queries),
    ) == row
    assert (report.candidates, report.ef_search) == (7, 7)
    assert report.recall is not None
    assert report.below(report.recall + 0.001) and not report.below(report.recall)
    told = json.loads(json.dumps(report.as_dict()))
    assert (told["index"], told["recall"]) == (docs.index.name, report.recall)
    assert f"recall {report.recall:.4f}" in str(report)
    empty = docs.index.recall(docs.conn, filter="false")
    assert (empty.recall, empty.queries, empty.below(0)) == (None, 0, True)
    assert "no query had anything to be found" in str(empty)


def test_a_report_reads_in_any_datestyle(docs: Docs) -> None:
    with docs.conn.transaction(force_rollback=True):
        docs.conn.execute("set local datestyle = 'German, DMY'")
        docs.conn.execute("set local timezone = 'Asia/Kolkata'")
        report = docs.index.recall(docs.conn, filter="n < 50", sample=2, keep=True)
        (kept,) = docs.index.history(docs.conn)
    assert abs(kept.measured_at - report.measured_at) < timedelta(minutes=1)
    assert kept.measured_at.utcoffset() == timedelta(hours=5, minutes=30)
    assert kept.filter == report.filter == "n < 50"


def test_history_is_what_was_kept(docs: Docs) -> None:
    first = docs.index.recall(docs.conn, candidates=10, sample=5, keep=True)
    docs.index.recall(docs.conn, candidates=20, sample=5)
    docs.index.recall(docs.conn, filter="false", keep=True)
    last = docs.index.recall(docs.conn, filter="n < 50", sample=5, keep=True)
    history = docs.index.history(docs.conn)
    assert [
        replace(was, measured_at=now.measured_at)
        for was, now in zip([first, last], history, strict=True)
    ] == history
    assert [report.filter for report in history] == ["", "n < 50"]
    assert history[0].measured_at < history[1].measured_at
    docs.conn.execute("delete from mrl._measurements")


def test_a_rollback_keeps_nothing(docs: Docs) -> None:
    with connect(docs.url) as conn:
        before = conn.execute("select count(*) from mrl.calibrations").fetchall()
        with conn.transaction(force_rollback=True):
            docs.index.calibrate(conn, k=88, sample=2)
            docs.index.recall(conn, sample=2, keep=True)
            assert docs.index.history(conn)
        assert points(conn, 88) == ()
        assert (
            conn.execute("select count(*) from mrl.calibrations").fetchall() == before
        )
        assert docs.index.history(conn) == []


def test_a_reader_may_measure_and_not_keep(docs: Docs) -> None:
    docs.conn.execute("grant select on docs to public")
    with connect(role(docs.conn, docs.url, "reader")) as reader:
        assert docs.index.recall(reader, sample=3).queries == 3
        with pytest.raises(errors.InsufficientPrivilege, match="does not own"):
            docs.index.recall(reader, sample=3, keep=True)
        with pytest.raises(errors.InsufficientPrivilege, match="does not own"):
            docs.index.calibrate(reader)
    assert kept_by(docs.conn, k=3, sample=2)
