"""Calibrations of searches that read only the best of their candidates."""

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from support.calibrations import never_exact, put
from support.command import mrl_pg
from support.databases import Conn, Server, connect
from support.plans import explain, first_pass, force_index
from support.sql_calls import ids, keys, many, one, text
from support.tables import Docs, make_table
from support.vectors import Vectors, assert_true, nearest, recall

from mrl_pg import MatryoshkaColumn, MatryoshkaIndex, normalise

# more than 2 kB, so that full vectors are in TOAST and each that is read is counted
ROWS, DIMS = 800, 640
INDEX = MatryoshkaIndex("docs", "embedding", dims=DIMS, kind="bit")
SCANS = """
select pg_stat_get_xact_numscans(state.indexrelid)::int
from pg_class as class
join pg_index as state on state.indrelid = class.reltoastrelid
where class.oid = 'docs'::regclass
"""
MEASURED = "'median_ms', fewest.ms[1]"
# each row that is read takes as long as ten that are only walked over, and of as many
# rows the best a little less, so that these are taken
TIME = "coalesce(0.9 * mean.rerank, mean.level)"
COUNTED = f"'median_ms', _points.ef_search / 10.0 + {TIME}, 'measured_ms', fewest.ms[1]"


def clustered(rows: int, *, seed: int = 1) -> Vectors:
    """Unit vectors that their signs tell apart well, around the same 20 centres."""
    centres = np.random.default_rng(0).standard_normal((20, DIMS))
    random = np.random.default_rng(seed)
    around = centres[random.integers(20, size=rows)]
    vectors: Vectors = normalise(around + random.standard_normal((rows, DIMS)))
    return vectors.astype(np.float32)


QUERIES = clustered(30, seed=9)


@pytest.fixture(scope="module")
def docs(pg_server: Server) -> Iterator[Docs]:
    """A table whose calibrations count rows that are read, and no milliseconds."""
    vectors = clustered(ROWS)
    with pg_server.fresh() as url, connect(url) as conn:
        make_table(conn, vectors, analyze=False)
        INDEX.create(conn)
        conn.execute("analyze docs")
        force_index(conn)
        points = one(conn, "select pg_get_functiondef('mrl._points'::regproc)")
        assert points.count(MEASURED) == 1
        conn.execute(points.replace(MEASURED, COUNTED).encode())
        never_exact(conn)
        yield Docs(url, conn, vectors, INDEX)


def by_python(conn: Conn) -> None:
    INDEX.calibrate(conn, queries=QUERIES)


def by_sql(conn: Conn) -> None:
    queries = [text(query) for query in QUERIES]
    call = "select mrl.calibrate('docs', 'embedding', queries => %s::vector[])"
    conn.execute(call.encode(), [queries])


def found(docs: Docs, **options: Any) -> float:
    """The mean recall of a search."""
    return float(
        np.mean(
            [
                recall(
                    docs.index.search(docs.conn, query, **options),
                    nearest(docs.vectors, query),
                )
                for query in QUERIES
            ]
        )
    )


@pytest.mark.parametrize("calibrate", [by_python, by_sql])
def test_what_is_stored_is_what_a_search_finds(
    docs: Docs, calibrate: Callable[[Conn], None]
) -> None:
    calibrate(docs.conn)
    stored = docs.conn.execute(
        "select candidates, ef_search, rerank, recall from mrl.calibrations"
        " where candidates is not null"
    ).fetchall()
    some = [point for point in stored if point[2] is not None]
    assert len(some) >= 4
    for candidates, ef_search, rerank, measured in stored:
        options = {"candidates": candidates, "ef_search": ef_search, "rerank": rerank}
        assert found(docs, **options) == pytest.approx(measured)
    # a calibration also serves searches that read every candidate
    assert max(point[3] for point in stored if point[2] is None) > 0.99


@pytest.fixture(scope="module")
def calibrated(docs: Docs) -> Docs:
    by_python(docs.conn)
    return docs


def counted(conn: Conn, search: Callable[[], Any]) -> tuple[Any, int]:
    """What a search answers, and how many full vectors it reads."""
    with conn.transaction(force_rollback=True):
        before = one(conn, SCANS)
        answer = search()
        return answer, one(conn, SCANS) - before


Ask = Callable[[Conn, Any], list[Any]]
ASKS: dict[str, Ask] = {
    "search_many": lambda conn, query: (
        INDEX.search_many(conn, [query], recall=0.85)[0].keys
    ),
    "column": lambda conn, query: (
        MatryoshkaColumn("docs", "embedding").search(conn, query, recall=0.85).keys
    ),
    "mrl.search": lambda conn, query: ids(conn, query, recall=0.85),
    "mrl.search_keys": lambda conn, query: (
        [key for key, _ in keys(conn, query, recall=0.85)]
    ),
    "mrl.search_many": lambda conn, query: (
        [key for key, _ in many(conn, [query], recall=0.85)[0]]
    ),
}


def test_a_recall_reads_only_the_best(calibrated: Docs) -> None:
    conn = calibrated.conn
    for query in QUERIES[:5]:
        plan = INDEX.plan(conn, query, recall=0.85)
        assert first_pass(explain(conn, plan)) == [INDEX.name]
        search = partial(INDEX.search, conn, query, recall=0.85)
        result, read = counted(conn, search)
        assert result.promise is not None and result.candidates is not None
        assert result.promise.standing == "measured"
        assert result.promise.rerank == result.reranked == read < result.candidates
        assert_true(result, calibrated.vectors, query)
    assert found(calibrated, recall=0.85) >= 0.85


@pytest.mark.parametrize("name", ASKS)
def test_each_interface_reads_as_few(calibrated: Docs, name: str) -> None:
    query = QUERIES[3]
    wanted = INDEX.search(calibrated.conn, query, recall=0.85)
    answers, read = counted(calibrated.conn, lambda: ASKS[name](calibrated.conn, query))
    # whole rows of an answer are read with their vectors
    assert read == (wanted.reranked or 0) + (10 if name == "mrl.search_many" else 0)
    assert answers == wanted.keys


def test_without_a_connection_that_blocks(calibrated: Docs) -> None:
    async def ask() -> Any:
        async with await psycopg.AsyncConnection.connect(
            calibrated.url, autocommit=True
        ) as conn:
            await conn.execute("set enable_seqscan = off")
            return await INDEX.search_async(conn, QUERIES[3], recall=0.85)

    wanted = INDEX.search(calibrated.conn, QUERIES[3], recall=0.85)
    assert asyncio.run(ask()) == wanted


def test_statements_that_are_kept_read_every_candidate(calibrated: Docs) -> None:
    made = one(
        calibrated.conn, "select mrl.search_sql('docs', 'embedding', recall => 0.85)"
    )
    assert "mrl_order" not in made and "ef_search" in made
    # as with a width of the caller's own
    wide = INDEX.search(calibrated.conn, QUERIES[0], recall=0.85, ef_search=1000)
    assert wide.reranked == wide.candidates == wide.seen


PROMISED = (
    "select candidates, rerank from mrl._promised('docs'::regclass, %s, 10, %s, false,"
    " by_distance => true)"
)


@pytest.mark.parametrize(("ms", "rerank"), [(2.01, None), (2.0, None), (1.99, 40)])
def test_a_search_that_was_slower_is_never_taken(
    docs: Docs, ms: float, rerank: int | None
) -> None:
    conn = docs.conn
    with conn.transaction(force_rollback=True):
        conn.execute("delete from mrl._calibrations")
        put(conn, 40, 0.9, 0.89, 1, name=INDEX.name)
        put(conn, 160, 0.97, 0.96, 2, name=INDEX.name)
        put(conn, 160, 0.97, 0.96, ms, rerank=40, name=INDEX.name)
        call = conn.execute(PROMISED, [INDEX.name, 0.95])
        assert call.fetchall() == [(160, rerank)]


def test_where_choosing_takes_longer_every_candidate_is_read(docs: Docs) -> None:
    conn = docs.conn
    with conn.transaction(force_rollback=True):
        # as with full vectors in the row
        points = one(conn, "select pg_get_functiondef('mrl._points'::regproc)")
        assert points.count(TIME) == 1
        points = points.replace(TIME, "coalesce(mean.rerank + 1000, mean.level)")
        conn.execute(points.encode())
        by_sql(conn)
        for recall in (0.5, 0.7, 0.85, 0.95, 0.99):
            ((candidates, rerank),) = conn.execute(
                PROMISED, [INDEX.name, recall]
            ).fetchall()
            assert candidates is not None
            assert rerank is None


def test_a_filter_that_was_measured_keeps_its_recall(docs: Docs) -> None:
    calibration = INDEX.calibrate(docs.conn, queries=QUERIES, filter="id <= 500")
    assert any(point.rerank is not None for point in calibration.points)
    with connect(docs.url) as conn:
        force_index(conn)
        asked: dict[str, Any] = {"recall": 0.85, "filter": "id <= 500"}
        shares = []
        for query in QUERIES:
            result = INDEX.search(conn, query, **asked)
            assert result.promise is not None
            assert result.promise.standing == "measured"
            assert result.promise.rerank is not None
            assert result.candidates is not None
            assert result.reranked == result.promise.rerank < result.candidates
            shares.append(recall(result, nearest(docs.vectors[:500], query)))
            assert ids(conn, query, **asked) == result.keys
        assert np.mean(shares) >= 0.85
        # measured with another filter: candidates of several searches add up
        other = INDEX.search(conn, QUERIES[0], recall=0.85, filter="id <= 490")
        assert other.promise is not None
        assert other.promise.rerank is None
        assert other.reranked == other.seen


def test_a_quantile_holds_for_single_queries(calibrated: Docs) -> None:
    chosen = []
    with connect(calibrated.url) as conn:
        force_index(conn)
        for least, quantile in product((0.6, 0.7, 0.8, 0.9), (0.5, 0.7, 0.8)):
            asked: dict[str, Any] = {"recall": least, "quantile": quantile}
            results = [INDEX.search(conn, query, **asked) for query in QUERIES]
            promise = results[0].promise
            assert promise is not None
            if promise.standing != "measured" or promise.rerank is None:
                continue
            chosen.append(promise.rerank)
            assert promise.found_by is not None
            enough = [
                recall(result, nearest(calibrated.vectors, query)) >= least - 1e-9
                for result, query in zip(results, QUERIES, strict=True)
            ]
            assert promise.found_by >= quantile
            assert np.mean(enough) >= quantile
            assert ids(conn, QUERIES[0], **asked) == results[0].keys
    assert chosen


def test_searches_that_choose_from_more_rows_read_as_many(calibrated: Docs) -> None:
    with connect(calibrated.url) as conn:
        force_index(conn)
        usual = INDEX.search(conn, QUERIES[0], recall=0.85)
        assert usual.promise is not None
        assert usual.promise.rerank is not None
        fetch = usual.promise.rerank + 5
        result = INDEX.search_mmr(
            conn, QUERIES[0], recall=0.85, diversity=0, fetch=fetch
        )
        assert result.reranked == fetch
        assert result.keys == usual.keys
        # with words that no row has, the vectors alone rank
        fused = INDEX.hybrid(
            conn, QUERIES[0], "nowhere", text="title", recall=0.85, fetch=fetch
        )
        assert fused.reranked == fetch
        call = (
            "select (hit).id from mrl.hybrid(null::docs, 'embedding', %s, 'nowhere',"
            " 'title', recall => 0.85, fetch_rows => %s)"
        )
        answers = conn.execute(call, [text(QUERIES[0]), fetch]).fetchall()
        assert [key for (key,) in answers] == fused.keys == usual.keys


def test_the_shell_shows_what_is_read(calibrated: Docs, tmp_path: Path) -> None:
    np.save(tmp_path / "queries.npy", QUERIES)
    np.save(tmp_path / "query.npy", QUERIES[3])
    kind = ("--dims", str(DIMS), "--kind", "bit")
    which = ("docs", "embedding", *kind, "--dsn", calibrated.url)
    asked = ("--query", str(tmp_path / "query.npy"), "--recall", "0.85")
    said = json.loads(mrl_pg("search", *which, *asked, "--json").stdout)
    taken = said["promise"]
    assert taken["rerank"] == said["reranked"] < said["candidates"]
    report = INDEX.recall(calibrated.conn, recall=0.85, queries=QUERIES[:5])
    assert report.promise is not None and report.promise.rerank == taken["rerank"]
    made = mrl_pg("calibrate", *which, "--queries", str(tmp_path / "queries.npy"))
    assert "read" in made.stdout.split("\n")[0].split()
    assert re.search(r"recall 0\.9: \d+ candidates( \(\d+ read\))?, ef_", made.stdout)
