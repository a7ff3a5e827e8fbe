"""A plan is made for the values at hand; only plain searches keep a prepared one."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg
import pytest
from helpers import Conn, Vectors, connect, explain, fresh_database, indexes, role
from psycopg import sql

from mrl_pg import MatryoshkaIndex
from mrl_pg.load import load_blocks
from mrl_pg.server import EmbeddedServer

ROWS = 6000
INDEX = MatryoshkaIndex("days", "embedding", dims=16, m=8, ef_construction=32)
NARROW = ROWS - 15
"""Fifteen days are later; an ordinary index finds them, a walk of 1,000 does not."""

NAMED: dict[str, Any] = {"where": "day >= %(day)s", "params": {"day": NARROW}}
IN_ORDER: dict[str, Any] = {"where": "day >= %s", "params": [NARROW]}


@dataclass(frozen=True, slots=True)
class Days:
    """A table whose days and tenants are both indexed, and who may read some."""

    url: str
    reader: str
    rows: Vectors


@pytest.fixture(scope="module")
def days(pg_server: EmbeddedServer, admin: Conn, template: str) -> Iterator[Days]:
    rows = np.random.default_rng(5).normal(size=(ROWS, 32)).astype("f4")
    at = np.arange(ROWS)
    columns = {
        "id": at,
        "day": (at * 7919) % ROWS,
        "tenant": np.where(at % 300 == 7, 77, at % 10),
    }
    with fresh_database(pg_server, admin, template) as url, connect(url) as conn:
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
