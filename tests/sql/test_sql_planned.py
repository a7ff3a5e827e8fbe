"""Searches from SQL are planned for their values; plain made functions keep a plan."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from psycopg import sql
from support.databases import Conn, Server, connect, role
from support.sql_calls import ids, keys, many, one, text
from support.vectors import Vectors

from mrl_pg import MatryoshkaIndex
from mrl_pg.load import load_blocks

ROWS = 6000
NARROW = ROWS - 15
"""Fifteen days are later; an ordinary index finds them, a walk of 1,000 does not."""


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
        load_blocks(conn, rows, "docs", columns=columns)
        MatryoshkaIndex("docs", "embedding", dims=16, m=8, ef_construction=32).create(
            conn
        )
        reader = role(conn, url, "reader_of_days")
        for made in (
            "'near', 'docs', 'embedding'",
            "'since', 'docs', 'embedding', filter => 'day >= $1',"
            " parameters => array['first int']",
        ):
            one(conn, f"select mrl.create_search_function({made})")
        # after the functions were made
        conn.execute(
            """
            create index on docs (day);
            create index on docs (tenant);
            alter table docs enable row level security;
            create policy own on docs
                using (tenant = current_setting('app.tenant')::int);
            grant select on docs to reader_of_days;
            analyze docs
            """
        )
        name = sql.Identifier(conn.info.dbname)
        scan = "alter database {} set hnsw.max_scan_tuples = 1000"
        conn.execute(sql.SQL(scan).format(name))
        yield Days(url, reader, rows)


Search = Callable[[Conn, Vectors, dict[str, Any]], list[Any]]

INTERFACES: dict[str, Search] = {
    "search": lambda conn, query, options: ids(conn, query, **options),
    "search_keys": lambda conn, query, options: [
        key for key, _ in keys(conn, query, **options)
    ],
    "search_many": lambda conn, query, options: [
        key for key, _ in many(conn, [query, query], **options)[1]
    ],
}


def made(conn: Conn, query: Any, *values: Any) -> list[Any]:
    """Keys that a made function answers: of all days, or since one."""
    call = "since(%s, %s)" if values else "near(%s)"
    found = conn.execute(f"select id from {call}".encode(), [*values, text(query)])
    return [row[0] for row in found]


@pytest.mark.parametrize("interface", [*INTERFACES, "made"])
def test_a_filter_is_planned_for_its_values(days: Days, interface: str) -> None:
    def search(conn: Conn, first: int, **more: Any) -> list[Any]:
        if interface == "made" and not more:
            return made(conn, days.rows[3], first)
        options = {"filter": "day >= $1::int", "args": [str(first)], **more}
        ask = INTERFACES.get(interface, INTERFACES["search"])
        return ask(conn, days.rows[3], options)

    with connect(days.url) as conn:
        # as the server chooses by itself, once it has found the plans to cost the same
        conn.execute("set plan_cache_mode = force_generic_plan")
        for i in range(3):
            assert len(search(conn, ROWS // 2 + i)) == 10
        assert search(conn, NARROW) == search(conn, NARROW, exact=True)
        assert len(search(conn, NARROW)) == 10
        assert one(conn, "show plan_cache_mode") == "force_generic_plan"


@pytest.mark.parametrize("interface", [*INTERFACES, "made"])
def test_a_policy_is_planned_for_the_setting_it_reads(
    days: Days, interface: str
) -> None:
    def search(conn: Conn, **more: Any) -> list[Any]:
        if interface == "made" and not more:
            return made(conn, days.rows[3])
        ask = INTERFACES.get(interface, INTERFACES["search"])
        return ask(conn, days.rows[3], more)

    with connect(days.reader) as conn:
        conn.execute("set plan_cache_mode = force_generic_plan")
        for i in range(3):
            conn.execute(f"set app.tenant = {i}")
            assert len(search(conn)) == 10
        conn.execute("set app.tenant = 77")
        assert search(conn) == search(conn, exact=True)
        assert len(search(conn)) == 10
        assert one(conn, "show plan_cache_mode") == "force_generic_plan"


def test_a_plain_made_function_keeps_its_plan(days: Days) -> None:
    with connect(days.url) as conn:
        conn.prepare_threshold = 0
        planned: list[str] = []
        conn.add_notice_handler(lambda diag: planned.append(diag.message_primary or ""))

        def keeps_it(*values: Any) -> bool:
            for _ in range(12):
                made(conn, days.rows[3], *values)
            conn.execute("set client_min_messages = log")
            conn.execute("set log_planner_stats = on")
            planned.clear()
            made(conn, days.rows[3], *values)
            conn.execute("reset log_planner_stats")
            return planned == []

        # a superuser is asked by no policy
        assert keeps_it()
        assert not keeps_it(NARROW)
    # of what a policy lets through, which came after the function
    with connect(days.url) as conn:
        conn.execute("grant set on parameter log_planner_stats to reader_of_days")
    with connect(days.reader) as conn:
        conn.prepare_threshold = 0
        conn.add_notice_handler(lambda diag: planned.append(diag.message_primary or ""))
        conn.execute("set app.tenant = 1")
        assert not keeps_it()


@pytest.mark.parametrize("filter", [None, "day >= $1"])
def test_a_printed_search_says_when_not_to_keep_it_prepared(
    days: Days, filter: str | None
) -> None:
    printed = "select mrl.search_sql('docs', 'embedding', filter => %s)"
    with connect(days.url) as conn:
        statement = one(conn, printed, filter)
        assert ("plan_cache_mode" in statement) == (filter is not None)
    with connect(days.reader) as conn:
        assert "plan_cache_mode" in one(conn, printed, filter)
