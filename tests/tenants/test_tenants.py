"""Searches of one tenant in Python, and the job that keeps indexes of tenants."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from psycopg import AsyncConnection, errors, sql
from support.databases import Conn, Server, connect, role
from support.plans import explain, first_pass, force_index, indexes
from support.sql_calls import ids, one
from support.tables import Docs
from support.tenants import LARGE, SMALL, nearest_of, tenants_table
from support.vectors import assert_true, matryoshka
from support.verbs import intercepted

from mrl_pg import MatryoshkaColumn, MatryoshkaIndex, Progress
from mrl_pg.errors import (
    BuildRunning,
    IndexMismatch,
    InvalidFilter,
    InvalidSetting,
    TableError,
    TableNotFound,
)
from mrl_pg.exchange import Exchange, Find, Request, Send, run
from mrl_pg.search.find import find
from mrl_pg.search.options import SearchOptions

VECTORS = matryoshka(2000)
QUERY = VECTORS[0] * 0.6 + VECTORS[1500] * 0.4
COLUMN = MatryoshkaColumn("docs", "embedding")
INDEX = MatryoshkaIndex("docs", "embedding", dims=32)


def stock(conn: Conn, **options: Any) -> None:
    """`docs` with an index for its large tenant, which the planner must use."""
    tenants_table(conn, VECTORS)
    options = {"threshold": 400, "dims": 32, "kind": "halfvec", **options}
    COLUMN.set_tenants(conn, "tenant_id", **options)
    COLUMN.run_tenants(conn)
    force_index(conn)


@pytest.fixture(scope="module")
def docs(pg_server: Server) -> Iterator[Docs]:
    def build(url: str) -> None:
        with connect(url) as conn:
            stock(conn)

    with pg_server.copy_of("tenants_py", build) as url, connect(url) as conn:
        force_index(conn)
        yield Docs(url, conn, VECTORS, INDEX)


def name_of(conn: Conn, tenant: object = LARGE) -> str:
    (name,) = [s.index_name for s in COLUMN.tenants(conn) if s.tenant == str(tenant)]
    return name


def recall(found: Any, truth: list[int]) -> float:
    return len({*found} & {*truth}) / len(truth)


SEARCHES: dict[str, dict[str, Any]] = {
    "plain": {},
    "mapping": {"filter": "n < %(n)s -- 100%%", "params": {"n": 50}},
    "sequence": {"filter": "n < %s", "params": [50]},
    "composed": {"filter": sql.SQL("n < {}").format(50)},
}


@pytest.mark.parametrize("look", SEARCHES)
def test_a_large_tenant_is_searched_by_its_own_index(docs: Docs, look: str) -> None:
    options = SEARCHES[look]
    mine = [row for row in range(1, 1001) if not options or row % 100 < 50]
    truth = nearest_of(VECTORS, QUERY, LARGE, ids=mine)
    for searched in (COLUMN, INDEX):
        asked: dict[str, Any] = {"tenant": LARGE, **options}
        plan = searched.plan(docs.conn, QUERY, **asked)
        assert first_pass(explain(docs.conn, plan)) == [name_of(docs.conn)]
        found = searched.search(docs.conn, QUERY, **asked)
        assert_true(found, VECTORS, QUERY)
        assert recall(found.keys, truth) >= 0.8
        assert found.index_name == name_of(docs.conn)
        wide = searched.search(docs.conn, QUERY, candidates=900, **asked)
        assert list(wide.keys) == truth
        first, second = searched.search_many(docs.conn, [QUERY, VECTORS[3]], **asked)
        assert first.keys == found.keys
        assert second.keys == searched.search(docs.conn, VECTORS[3], **asked).keys


@pytest.mark.parametrize("look", SEARCHES)
def test_a_small_tenant_is_searched_exactly(docs: Docs, look: str) -> None:
    options = SEARCHES[look]
    rows = [row for row in range(1001, 2001) if 3 + row % 50 == SMALL]
    mine = [row for row in rows if not options or row % 100 < 50]
    plan = COLUMN.plan(docs.conn, QUERY, tenant=SMALL, **options)
    tree = explain(docs.conn, plan)
    assert not first_pass(tree)
    assert "docs_tenant_id_idx" in indexes(tree)
    found = COLUMN.search(docs.conn, QUERY, tenant=SMALL, **options)
    assert list(found.keys) == nearest_of(VECTORS, QUERY, SMALL, ids=mine)
    assert found.index_name is None
    assert found.scan == "exact"
    (batch,) = COLUMN.search_many(docs.conn, [QUERY], tenant=SMALL, **options)
    assert batch.keys == found.keys


def test_sql_and_async_answer_the_same(docs: Docs) -> None:
    async def ask(tenant: int) -> tuple[Any, Any]:
        async with await AsyncConnection.connect(docs.url, autocommit=True) as conn:
            await conn.execute("set enable_seqscan = off; set enable_sort = off")
            one = await COLUMN.search_async(conn, QUERY, tenant=tenant)
            (many,) = await INDEX.search_many_async(conn, [QUERY], tenant=tenant)
            return one, many

    for tenant in (LARGE, SMALL):
        found = COLUMN.search(docs.conn, QUERY, tenant=tenant)
        for result in asyncio.run(ask(tenant)):
            assert result == found
        assert ids(docs.conn, QUERY, tenant=str(tenant)) == list(found.keys)


def test_hybrid_and_mmr_keep_to_the_tenant(docs: Docs) -> None:
    for tenant, mine in ((LARGE, range(1, 1001)), (SMALL, range(1001, 2001))):
        hits = COLUMN.hybrid(docs.conn, QUERY, "title", text="title", tenant=tenant)
        assert len(hits) == 10
        assert {hit.key for hit in hits} <= {*mine}
        assert len({hit.key for hit in hits if hit.vector_rank}) > 0
        spread = COLUMN.search_mmr(docs.conn, QUERY, tenant=tenant)
        assert len(spread) == 10
        assert {*spread.keys} <= {*mine}


def test_an_index_that_goes_while_the_search_is_on_its_way(conn: Conn) -> None:
    stock(conn)
    drop = sql.SQL("drop index if exists {}").format(sql.Identifier(name_of(conn)))
    sent: list[Find] = []

    def handle(request: Request) -> Exchange[object]:
        if isinstance(request, Find):
            if not sent:
                yield Send(drop)
            sent.append(request)
        return (yield request)

    verb = find(conn, COLUMN, QUERY, SearchOptions(tenant=LARGE))
    found = run(conn, intercepted(verb, handle))
    # the first answer came by no index, and was asked for again
    assert len(sent) == 2
    assert found.index_name is None
    assert list(found.keys) == nearest_of(VECTORS, QUERY, LARGE)


def test_between_two_searches_an_index_may_go_and_come(conn: Conn) -> None:
    stock(conn)
    truth = nearest_of(VECTORS, QUERY, LARGE)
    assert COLUMN.search(conn, QUERY, tenant=LARGE).index_name == name_of(conn)
    conn.execute(sql.SQL("drop index {}").format(sql.Identifier(name_of(conn))))
    exact = COLUMN.search(conn, QUERY, tenant=LARGE)
    assert exact.index_name is None
    assert list(exact.keys) == truth
    assert [state.state for state in COLUMN.tenants(conn)] == ["missing"]
    COLUMN.run_tenants(conn)
    again = COLUMN.search(conn, QUERY, tenant=LARGE)
    assert again.index_name == name_of(conn)
    assert recall(again.keys, truth) >= 0.8
    conn.execute(
        "update pg_index set indisvalid = false where indexrelid = %s::regclass",
        [name_of(conn)],
    )
    assert list(COLUMN.search(conn, QUERY, tenant=LARGE).keys) == truth


def test_the_job_says_what_it_did(conn: Conn) -> None:
    tenants_table(conn, VECTORS)
    COLUMN.set_tenants(conn, "tenant_id", threshold=400, dims=32, kind="halfvec")
    would = COLUMN.run_tenants(conn, dry_run=True)
    assert [step.what for step in would.steps] == ["build", "build"]
    assert not would.changed
    assert "would build" in str(would)
    assert COLUMN.tenants(conn) == ()
    told: list[Progress] = []
    report = COLUMN.run_tenants(conn, measure=True, progress=told.append)
    assert [step.statement for step in report.steps] == [
        step.statement for step in would.steps
    ]
    assert report.changed
    (state,) = report.indexes
    assert (state.tenant, state.state, state.rows) == ("1", "valid", 1000)
    assert state.index_bytes and state.recall and state.recall > 0.7
    assert any("tenant 1" in each.stage for each in told)
    assert "1 tenants have an index" in str(report)
    assert "recall" in str(state)
    again = COLUMN.run_tenants(conn)
    assert not again.changed
    assert str(again).startswith("nothing to do")
    undone = COLUMN.drop_tenants(conn)
    assert [step.what for step in undone.steps] == ["drop", "drop", "forget"]
    assert undone.indexes == ()
    with pytest.raises(TableError, match="belong to no tenants"):
        COLUMN.search(conn, QUERY, tenant=LARGE)


def test_the_job_async(conn: Conn, database: str) -> None:
    tenants_table(conn, VECTORS)

    async def work() -> None:
        async with await AsyncConnection.connect(database, autocommit=True) as own:
            await COLUMN.set_tenants_async(own, "tenant_id", threshold=400)
            report = await COLUMN.run_tenants_async(own)
            assert report.changed
            assert await COLUMN.tenants_async(own) == report.indexes
            await COLUMN.drop_tenants_async(own)
            assert await COLUMN.tenants_async(own) == ()

    asyncio.run(work())


def test_the_job_runs_once_at_a_time_and_in_no_transaction(
    conn: Conn, database: str
) -> None:
    stock(conn)
    with conn.transaction(), pytest.raises(InvalidSetting, match="autocommit=True"):
        COLUMN.run_tenants(conn)
    with connect(database) as other:
        table = one(other, "select 'docs'::regclass::oid::int")
        other.execute("select pg_advisory_lock(1836215405, %s)", [table])
        with pytest.raises(BuildRunning, match="builds an index on this table now"):
            COLUMN.run_tenants(conn)


def test_what_is_refused(docs: Docs) -> None:
    conn = docs.conn
    for option, value in (("dims", 32), ("kind", "bit")):
        given: dict[str, Any] = {option: value}
        with pytest.raises(InvalidSetting, match=f"{option}=.* with tenant=1"):
            COLUMN.search(conn, QUERY, tenant=1, **given)
    for tenant in (True, 1.5, b"1", ["1"], "a\0"):
        wrong: Any = tenant
        with pytest.raises(InvalidSetting, match="tenant="):
            COLUMN.search(conn, QUERY, tenant=wrong)
    with pytest.raises(InvalidSetting, match="'a' is no value of key column"):
        COLUMN.search(conn, QUERY, tenant="a")
    with pytest.raises(InvalidFilter, match="nobody"):
        COLUMN.search(conn, QUERY, tenant=1, filter="nobody = 1")
    with pytest.raises(InvalidSetting, match="mrl_"):
        COLUMN.search(
            conn, QUERY, filter="n = %(mrl_tenant)s", params={"mrl_tenant": 1}
        )
    with pytest.raises(TableNotFound):
        MatryoshkaColumn("nobody", "embedding").search(conn, QUERY, tenant=1)
    other = MatryoshkaIndex("docs", "embedding", dims=32, distance="l2")
    with pytest.raises(IndexMismatch, match="another distance"):
        other.search(conn, QUERY, tenant=1)
    with pytest.raises(InvalidSetting, match="threshold"):
        COLUMN.set_tenants(conn, "tenant_id", threshold=0)
    with pytest.raises(InvalidSetting, match="outside 0 to"):
        COLUMN.set_tenants(conn, "tenant_id", low=10_000)
    with pytest.raises(TableError, match="does not exist"):
        COLUMN.set_tenants(conn, "nobody")
    with pytest.raises(IndexMismatch, match="1 tenants have an index"):
        COLUMN.set_tenants(conn, "tenant_id", dims=16, kind="halfvec")


def test_the_whole_index_of_that_size_does_not_stand_in(conn: Conn) -> None:
    tenants_table(conn, VECTORS)
    INDEX.create(conn)
    COLUMN.set_tenants(conn, "tenant_id", threshold=400)
    COLUMN.run_tenants(conn)
    conn.execute("analyze docs")
    force_index(conn)
    plan = COLUMN.plan(conn, QUERY, tenant=LARGE)
    assert first_pass(explain(conn, plan)) == [name_of(conn)]
    plan = COLUMN.plan(conn, QUERY)
    assert first_pass(explain(conn, plan)) == [INDEX.name]
    conn.execute(sql.SQL("drop index {}").format(sql.Identifier(name_of(conn))))
    found = COLUMN.search(conn, QUERY, tenant=LARGE)
    assert list(found.keys) == nearest_of(VECTORS, QUERY, LARGE)
    assert COLUMN.search(conn, QUERY).index_name == INDEX.name


def test_row_level_security_holds(conn: Conn, database: str) -> None:
    stock(conn)
    role(conn, database, "tenant_two")
    conn.execute(
        "alter table docs enable row level security;"
        "create policy own on docs using (tenant_id = current_setting('app.t')::int);"
        "grant select on docs to tenant_two"
    )
    name = name_of(conn)
    with connect(database) as other:
        force_index(other)
        other.execute("set role tenant_two")
        other.execute("set app.t = '1'")
        plan = COLUMN.plan(other, QUERY, tenant=LARGE)
        assert first_pass(explain(other, plan)) == [name]
        found = COLUMN.search(other, QUERY, tenant=LARGE, candidates=900)
        assert list(found.keys) == nearest_of(VECTORS, QUERY, LARGE)
        assert list(COLUMN.search(other, QUERY, tenant=SMALL)) == []
        other.execute(f"set app.t = '{SMALL}'")
        assert list(COLUMN.search(other, QUERY, tenant=LARGE)) == []
        small = COLUMN.search(other, QUERY, tenant=SMALL)
        assert list(small.keys) == nearest_of(VECTORS, QUERY, SMALL)
        assert COLUMN.tenants(other) == ()
        with pytest.raises(errors.InsufficientPrivilege):
            COLUMN.run_tenants(other)
