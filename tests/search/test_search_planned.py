"""A plan is made for the values at hand; only plain searches keep a prepared one."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg import errors, sql
from support.databases import Conn, Server, connect, role
from support.plans import explain, indexes
from support.vectors import Vectors

from mrl_pg import MatryoshkaIndex
from mrl_pg.load import load_blocks

ROWS = 6000
INDEX = MatryoshkaIndex("days", "embedding", dims=16, m=8, ef_construction=32)
NARROW = ROWS - 15
"""Fifteen days are later; an ordinary index finds them, a walk of 1,000 does not."""

NAMED: dict[str, Any] = {"filter": "day >= %(day)s", "params": {"day": NARROW}}
IN_ORDER: dict[str, Any] = {"filter": "day >= %s", "params": [NARROW]}


@dataclass(frozen=True, slots=True)
class Days:
    """A table whose days and tenants are both indexed, and who may read some."""

    url: str
    reader: str
    rows: Vectors


@pytest.fixture(scope="module")
def days(pg_server: Server) -> Iterator[Days]:
    rows = np.random.default_rng(5).normal(size=(ROWS, 32)).astype("f4")
    at = np.arange(ROWS)
    columns = {
        "id": at,
        "day": (at * 7919) % ROWS,
        "tenant": np.where(at % 300 == 7, 77, at % 10),
    }
    with pg_server.fresh() as url, connect(url) as conn:
        load_blocks(conn, rows, INDEX.table, columns=columns)
        INDEX.create(conn)
        reader = role(conn, url, "reader_of_days")
        conn.execute(
            """
            create index on days (day);
            create index on days (tenant);
            alter table days enable row level security;
            create policy own on days
                using (tenant = current_setting('app.tenant')::int);
            grant select on days to reader_of_days;
            analyze days
            """
        )
        name = sql.Identifier(conn.info.dbname)
        scan = "alter database {} set hnsw.max_scan_tuples = 1000"
        conn.execute(sql.SQL(scan).format(name))
        yield Days(url, reader, rows)


def prepared(conn: Conn) -> int:
    """Searches that the session has prepared."""
    asked = "select count(*) from pg_prepared_statements where statement ~ %s"
    count: int = conn.execute(asked, ["^with mrl_query"]).fetchall()[0][0]
    return count


def wide(options: dict[str, Any], i: int) -> dict[str, Any]:
    """The same search for values that let half of the rows through."""
    half = ROWS // 2 + i
    params = {"day": half} if isinstance(options["params"], dict) else [half]
    return {**options, "params": params}


@pytest.mark.parametrize("options", [NAMED, IN_ORDER], ids=["named", "in order"])
@pytest.mark.parametrize("threshold", [5, 0, None])
def test_a_filter_is_planned_for_its_values(
    days: Days, options: dict[str, Any], threshold: int | None
) -> None:
    """Six of ten, once the server kept the plan of twelve wide searches."""
    with connect(days.url) as conn:
        conn.prepare_threshold = threshold
        plan = INDEX.plan(conn, days.rows[3], **wide(options, 0))
        assert indexes(explain(conn, plan))[:1] == [INDEX.name]
        for i in range(12):
            assert len(INDEX.search(conn, days.rows[3], **wide(options, i))) == 10
        found = INDEX.search(conn, days.rows[3], **options)
        assert len(found) == 10
        assert (
            found.keys == INDEX.search(conn, days.rows[3], exact=True, **options).keys
        )
        batch = [days.rows[3]] * 4
        for i in range(3):
            INDEX.search_many(conn, batch, **wide(options, i))
        many = INDEX.search_many(conn, batch, **options)
        assert [one.keys for one in many] == [found.keys] * 4
        assert prepared(conn) == 0


def test_a_policy_is_planned_for_the_setting_it_reads(days: Days) -> None:
    """Four of ten, once the server kept the plan of twelve large tenants."""
    with connect(days.reader) as conn:
        for i in range(12):
            conn.execute(f"set app.tenant = {i % 7}")
            assert len(INDEX.search(conn, days.rows[3])) == 10
            INDEX.search_many(conn, [days.rows[3]] * 2)
        conn.execute("set app.tenant = 77")
        found = INDEX.search(conn, days.rows[3])
        assert len(found) == 10
        assert INDEX.search_many(conn, [days.rows[3]] * 2)[1].keys == found.keys
        assert found.keys == INDEX.search(conn, days.rows[3], exact=True).keys
        assert prepared(conn) == 0


def test_a_plain_search_keeps_its_plan(days: Days) -> None:
    with connect(days.url) as conn:
        conn.execute("alter table days disable row level security")
        try:
            for _ in range(3):
                INDEX.search(conn, days.rows[3])
                INDEX.search_many(conn, days.rows[:3])
            assert prepared(conn) == 1
            assert INDEX.plan(conn, days.rows[3]).prepared
            assert not INDEX.plan(conn, days.rows[3], **NAMED).prepared
        finally:
            conn.execute("alter table days enable row level security")


def test_asynchronous_batches_are_planned_for_their_values(days: Days) -> None:
    async def run() -> None:
        async with await psycopg.AsyncConnection.connect(
            days.url, autocommit=True
        ) as conn:
            batch = [days.rows[3]] * 6
            for i in range(3):
                await INDEX.search_many_async(conn, batch, **wide(NAMED, i))
                await INDEX.search_async(conn, days.rows[3], **wide(NAMED, i))
            found = await INDEX.search_many_async(conn, batch, **NAMED)
            assert [len(one) for one in found] == [10] * 6
            one = await INDEX.search_async(conn, days.rows[3], **NAMED)
            assert one.keys == found[0].keys

    asyncio.run(run())


def test_a_batch_with_a_filter_works_inside_a_pipeline_and_a_transaction(
    days: Days,
) -> None:
    with connect(days.url) as conn:
        found = INDEX.search(conn, days.rows[3], **NAMED).keys
        with conn.pipeline():
            many = INDEX.search_many(conn, [days.rows[3]] * 2, **NAMED)
        with conn.transaction():
            more = INDEX.search_many(conn, [days.rows[3]] * 2, **NAMED)
        assert [one.keys for one in [*many, *more]] == [found] * 4


# ------------------------------------------------------- statements that are lost

PLAIN = MatryoshkaIndex("plain", "embedding", dims=16, m=8, ef_construction=32)


@pytest.fixture(scope="module")
def plain(days: Days) -> Days:
    """The same database, with a table whose searches are prepared."""
    with connect(days.url) as conn:
        load_blocks(conn, days.rows[:500], PLAIN.table)
        PLAIN.create(conn)
    return days


def discard(conn: Conn) -> None:
    """Reset the session as a pooler does: psycopg does not see it."""
    assert conn.pgconn.exec_(b"discard all").error_message == b""


def names(conn: Conn) -> list[str]:
    found = conn.execute(
        "select name from pg_prepared_statements where statement ~ '^with mrl_query'",
        prepare=False,
    )
    return [row[0] for row in found.fetchall()]


def test_a_reset_that_psycopg_did_not_see(plain: Days) -> None:
    """Every later search failed: "prepared statement _pg3_0 does not exist"."""
    query = plain.rows[3]
    with connect(plain.url) as conn:
        right = PLAIN.search(conn, query).keys
        for many in (False, True):
            before = names(conn)
            discard(conn)
            found = PLAIN.search_many(conn, [query] * 3) if many else []
            found.append(PLAIN.search(conn, query))
            assert {tuple(one.keys) for one in found} == {tuple(right)}
            # prepared again, by another name
            PLAIN.search(conn, query)
            assert len(names(conn)) == len(before) == 1
            assert names(conn) != before
        # a connection that loses one again and again prepares no more
        discard(conn)
        for _ in range(2):
            assert PLAIN.search(conn, query).keys == right
        assert names(conn) == []


def test_a_reset_within_a_transaction(plain: Days) -> None:
    """The error ends the transaction; the next search succeeds."""
    query = plain.rows[3]
    with psycopg.connect(plain.url) as conn:
        right = PLAIN.search(conn, query).keys
        discarded = b"deallocate all"
        assert conn.pgconn.exec_(discarded).error_message == b""
        with pytest.raises(errors.InvalidSqlStatementName):
            PLAIN.search(conn, query)
        conn.rollback()
        assert PLAIN.search(conn, query).keys == right


def test_a_name_that_another_client_prepared(plain: Days) -> None:
    """As through a pooler without tracking, which hands the names of others on."""
    query = plain.rows[3]
    with connect(plain.url) as conn:
        conn.execute("prepare _pg3_0 as select 1", prepare=False)
        right = PLAIN.search(conn, query, exact=True).keys
        assert PLAIN.search(conn, query, candidates=500).keys == right
        assert PLAIN.search_many(conn, [query] * 2, candidates=500)[1].keys == right


def test_a_reset_of_an_asynchronous_connection(plain: Days) -> None:
    async def run() -> None:
        async with await psycopg.AsyncConnection.connect(
            plain.url, autocommit=True
        ) as conn:
            right = (await PLAIN.search_async(conn, plain.rows[3])).keys
            assert conn.pgconn.exec_(b"discard all").error_message == b""
            found = await PLAIN.search_many_async(conn, [plain.rows[3]] * 2)
            assert [one.keys for one in found] == [right] * 2
            assert conn.pgconn.exec_(b"discard all").error_message == b""
            assert (await PLAIN.search_async(conn, plain.rows[3])).keys == right

    asyncio.run(run())
