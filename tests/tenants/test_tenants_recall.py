"""The recall of one tenant: measured, calibrated, asked for."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from psycopg import AsyncConnection, errors
from support.databases import Conn, Server, connect
from support.plans import explain, first_pass, force_index, indexes
from support.sql_calls import ids, one, text
from support.sql_plans import ordered, planned, prepared
from support.sql_state import notices, refused
from support.tables import Docs
from support.tenants import LARGE, SMALL, carry_out, nearest_of, tenants_table
from support.vectors import matryoshka

from mrl_pg import MatryoshkaColumn, MatryoshkaIndex
from mrl_pg.errors import InvalidSetting, TableError

ROWS = 3000
VECTORS = matryoshka(ROWS)
HELD_OUT = matryoshka(ROWS + 200)[ROWS:]
COLUMN = MatryoshkaColumn("docs", "embedding")
CALIBRATE = (
    "select count(*) from mrl.calibrate('docs', 'embedding', tenant => '1',"
    " sample => 200)"
)

NEVER_EXACT = "delete from mrl._tenant_calibrations where candidates is null"


def stock(conn: Conn) -> None:
    tenants_table(conn, VECTORS)
    COLUMN.set_tenants(conn, "tenant_id", threshold=400, dims=16, kind="halfvec")
    COLUMN.run_tenants(conn)
    conn.execute("analyze docs")
    force_index(conn)


@pytest.fixture(scope="module")
def docs(pg_server: Server) -> Iterator[Docs]:
    """A table whose large tenant has an index that is calibrated on its rows."""

    def build(url: str) -> None:
        with connect(url) as conn:
            stock(conn)
            conn.execute(CALIBRATE)
            # which is fastest depends on what else this machine does
            conn.execute(NEVER_EXACT)

    layout = MatryoshkaIndex("docs", "embedding", dims=16)
    with pg_server.copy_of("tenants_recall", build) as url, connect(url) as conn:
        force_index(conn)
        yield Docs(url, conn, VECTORS, layout)


def name_of(conn: Conn) -> str:
    (state,) = COLUMN.tenants(conn)
    return state.index_name


def mean_recall(found: list[list[Any]], queries: Any) -> float:
    shares = []
    for keys, query in zip(found, queries, strict=True):
        truth = nearest_of(VECTORS, query, LARGE)
        shares.append(len({*keys} & {*truth}) / len(truth))
    return sum(shares) / len(shares)


def test_a_recall_is_kept_on_queries_that_are_no_rows(docs: Docs) -> None:
    asked: dict[str, Any] = {"tenant": LARGE, "recall": 0.95}
    results = [COLUMN.search(docs.conn, query, **asked) for query in HELD_OUT]
    promise = results[0].promise
    assert promise is not None
    assert (promise.standing, promise.basis) == ("rows", "rows")
    assert promise.queries == 200
    assert mean_recall([list(r.keys) for r in results], HELD_OUT) >= 0.93
    plan = COLUMN.plan(docs.conn, HELD_OUT[0], **asked)
    assert first_pass(explain(docs.conn, plan)) == [name_of(docs.conn)]
    # more recall takes more candidates
    most = COLUMN.search(docs.conn, HELD_OUT[0], tenant=LARGE, recall=0.99)
    assert most.candidates is None or most.candidates >= (results[0].candidates or 0)


def test_sql_and_async_take_the_same(docs: Docs) -> None:
    query = HELD_OUT[3]

    async def ask() -> Any:
        async with await AsyncConnection.connect(docs.url, autocommit=True) as conn:
            await conn.execute("set enable_seqscan = off; set enable_sort = off")
            return await COLUMN.search_async(conn, query, tenant=LARGE, recall=0.9)

    found = COLUMN.search(docs.conn, query, tenant=LARGE, recall=0.9)
    assert asyncio.run(ask()) == found
    with notices(docs.conn) as told:
        assert ids(docs.conn, query, tenant="1", recall=0.9) == list(found.keys)
    assert any("1000 rows" in line or "rows of the table" in line for line in told)
    assert ordered(planned(docs.conn, "rows", [query], tenant="1", recall=0.9)) == [
        name_of(docs.conn)
    ]
    printed = one(
        docs.conn,
        "select mrl.search_sql('docs', 'embedding', tenant => '1', recall => 0.9)",
    )
    root = prepared(docs.conn, printed, ["vector"], [text(query)])
    assert ordered(root) == [name_of(docs.conn)]


def test_a_recall_of_a_small_tenant_is_exact(docs: Docs) -> None:
    query = HELD_OUT[0]
    found = COLUMN.search(docs.conn, query, tenant=SMALL, recall=0.99)
    assert (found.scan, found.promise) == ("exact", None)
    assert list(found.keys) == nearest_of(VECTORS, query, SMALL)
    with notices(docs.conn) as told:
        assert ids(docs.conn, query, tenant=str(SMALL), recall=0.99) == list(found.keys)
    assert told == []


def test_where_exact_search_is_best_it_reads_by_the_index_of_the_key(
    conn: Conn,
) -> None:
    stock(conn)
    conn.execute(CALIBRATE)
    # as if exact search had been the fastest
    conn.execute(NEVER_EXACT)
    conn.execute(
        "insert into mrl._tenant_calibrations (entry, index_name, k, filter, share,"
        " recall, low, median_ms, p95_ms, queries, rows, m, ef_construction, basis,"
        " full_column, tenant)"
        " select entry, index_name, k, filter, share, 1, 1, 0, 0, queries, rows, m,"
        " ef_construction, basis, full_column, tenant"
        " from mrl._tenant_calibrations where candidates is not null limit 1"
    )
    query = HELD_OUT[0]
    truth = nearest_of(VECTORS, query, LARGE)
    found = COLUMN.search(conn, query, tenant=LARGE, recall=0.9)
    assert list(found.keys) == truth
    assert found.promise is not None
    assert (found.scan, found.promise.standing) == ("exact", "measured")
    plan = COLUMN.plan(conn, query, tenant=LARGE, recall=0.9)
    assert "docs_tenant_id_idx" in indexes(explain(conn, plan))
    assert ids(conn, query, tenant="1", recall=0.9) == truth
    root = planned(conn, "rows", [query], tenant="1", recall=0.9)
    assert "docs_tenant_id_idx" in str(root)
    assert not ordered(root)


def test_without_a_calibration_it_says_so_and_how(conn: Conn) -> None:
    stock(conn)
    found = COLUMN.search(conn, HELD_OUT[0], tenant=LARGE, recall=0.9)
    assert found.promise is not None
    assert found.promise.standing == "uncalibrated"
    assert "column.calibrate_tenant(conn, '1')" in str(found.promise)
    with notices(conn) as told:
        ids(conn, HELD_OUT[0], tenant="1", recall=0.9)
    assert any("there is no calibration" in line for line in told)


def test_a_calibration_of_other_rows_is_stale(conn: Conn, database: str) -> None:
    stock(conn)
    conn.execute(CALIBRATE)
    conn.execute(NEVER_EXACT)
    conn.execute("update docs set tenant_id = 1 where id > 2000")
    # alone, because with vacuum it does not count the rows of indexes
    conn.execute("analyze docs")
    found = COLUMN.search(conn, HELD_OUT[0], tenant=LARGE, recall=0.9)
    assert found.promise is not None
    assert found.promise.standing == "stale"
    (state,) = COLUMN.tenants(conn)
    assert state.wants_calibration
    report = COLUMN.run_tenants(conn, calibrate=True)
    assert not report.indexes[0].wants_calibration
    # the promise is cached for a minute
    with connect(database) as other:
        found = COLUMN.search(other, HELD_OUT[0], tenant=LARGE, recall=0.9)
        assert found.promise is not None
        # measured, if exact search was as fast
        assert found.promise.standing in ("rows", "measured")


def test_a_filter_beside_tenant_and_recall(docs: Docs) -> None:
    asked: dict[str, Any] = {"tenant": LARGE, "recall": 0.9, "filter": "n < 50"}
    found = COLUMN.search(docs.conn, HELD_OUT[0], **asked)
    assert found.promise is not None
    assert found.promise.standing in ("borrowed", "uncalibrated", "unreached")
    inside = [row for row in range(1, ROWS // 2 + 1) if row % 100 < 50]
    truth = nearest_of(VECTORS, HELD_OUT[0], LARGE, ids=inside)
    assert len({*found.keys} & {*truth}) >= 8
    assert {*found.keys} <= {*inside}


def test_python_calibrates_a_tenant(conn: Conn) -> None:
    stock(conn)
    with pytest.raises(TableError, match="no usable index of its own"):
        COLUMN.calibrate_tenant(conn, SMALL)
    made = COLUMN.calibrate_tenant(conn, LARGE, sample=150)
    assert (made.basis, made.queries, made.rows) == ("rows", 150, ROWS // 2)
    assert made.points
    assert made.share == 1
    asked = COLUMN.calibrate_tenant(conn, LARGE, queries=HELD_OUT)
    assert (asked.basis, asked.queries) == ("queries", 200)
    stored = "select count(*), count(distinct queries) from mrl.calibrations"
    assert conn.execute(stored).fetchall() == [(len(asked.points), 1)]
    found = COLUMN.search(conn, HELD_OUT[0], tenant=LARGE, recall=0.9)
    assert found.promise is not None
    assert found.promise.standing == "measured"
    with refused(errors.InvalidParameterValue, "calibrated without a filter"):
        conn.execute(
            "select mrl.calibrate('docs', 'embedding', tenant => '1', filter => 'true')"
        )
    kind = errors.ObjectNotInPrerequisiteState
    with refused(kind, "its searches are exact", "mrl.tenant_indexes"):
        conn.execute("select mrl.calibrate('docs', 'embedding', tenant => '7')")
    # what is known of a tenant goes with its index
    carry_out(conn, drop_all=True)
    assert one(conn, "select count(*) from mrl.calibrations") == 0


def test_python_measures_a_tenant(docs: Docs) -> None:
    conn = docs.conn
    report = COLUMN.tenant_recall(conn, LARGE, queries=HELD_OUT, candidates=40)
    assert report.queries == 200
    assert report.layout.name == name_of(conn)
    results = COLUMN.search_many(conn, HELD_OUT, tenant=LARGE, candidates=40)
    truth = mean_recall([list(result.keys) for result in results], HELD_OUT)
    assert report.recall == pytest.approx(truth, abs=0.01)
    exact = COLUMN.tenant_recall(conn, SMALL)
    assert (exact.recall, exact.candidates, exact.queries) == (1, None, 0)
    with conn.transaction():
        at_once = COLUMN.tenant_recall(conn, LARGE, queries=HELD_OUT, candidates=40)
    assert at_once.recall == pytest.approx(report.recall)
    kept = COLUMN.tenant_recall(conn, LARGE, sample=30, keep=True)
    (state,) = COLUMN.tenants(conn)
    assert (state.recall, state.low, state.queries) == (kept.recall, kept.low, 30)
    with pytest.raises(InvalidSetting, match="k="):
        COLUMN.tenant_recall(conn, LARGE, k=0)


def test_sql_measures_a_tenant(docs: Docs) -> None:
    call = (
        "select recall, low, high, loss_graph + loss_shortlist, measured"
        " from mrl.recall('docs', 'embedding', tenant => '1', candidates => 40,"
        " queries => %s::vector[])"
    )
    asked = [[text(query) for query in HELD_OUT]]
    ((found, low, high, lost, measured),) = docs.conn.execute(call, asked).fetchall()
    results = COLUMN.search_many(docs.conn, HELD_OUT, tenant=LARGE, candidates=40)
    truth = mean_recall([list(result.keys) for result in results], HELD_OUT)
    assert found == pytest.approx(truth, abs=0.01)
    assert low <= found <= high
    assert found + lost == pytest.approx(1)
    assert measured == 200
    with refused(
        errors.ObjectNotInPrerequisiteState, "searches are exact", "tenant_indexes"
    ):
        docs.conn.execute(
            "select * from mrl.recall('docs', 'embedding', tenant => '7')"
        )
    with refused(errors.InvalidParameterValue, "dims given with a tenant"):
        docs.conn.execute(
            "select * from mrl.recall('docs', 'embedding', tenant => '1', dims => 16)"
        )
