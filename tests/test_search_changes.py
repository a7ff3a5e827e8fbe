"""Tables that change under a connection that has searched them."""

import asyncio

import numpy as np
import psycopg
import pytest
from helpers import Conn, connect, force_index, make_table, matryoshka, nearest
from psycopg import errors

from mrl_pg import InvalidSetting, MatryoshkaIndex, TableNotFound

VECTORS = matryoshka(300)
QUERY = VECTORS[4]


@pytest.fixture
def index(conn: Conn) -> MatryoshkaIndex:
    make_table(conn, VECTORS)
    made = MatryoshkaIndex("docs", "embedding", dims=32)
    made.create(conn)
    made.search(conn, QUERY)
    return made


def test_a_column_added_later_can_be_asked_for(
    conn: Conn, database: str, index: MatryoshkaIndex
) -> None:
    with connect(database) as other:
        other.execute("alter table docs add mood text default 'calm'")
    found = index.search(conn, QUERY, columns=["mood"])
    assert found[0]["mood"] == "calm"


def test_a_column_that_changes_type_is_read_as_it_is_now(
    conn: Conn, database: str, index: MatryoshkaIndex
) -> None:
    """A server refuses the prepared statement: "must not change result type"."""
    for _ in range(3):
        index.search(conn, QUERY, columns=["n"])
    with connect(database) as other:
        other.execute("alter table docs alter n type text using 'n' || n")
    assert index.search(conn, QUERY, columns=["n"])[0]["n"] == "n5"
    assert index.search(conn, QUERY, columns=["n"], exact=True)[0]["n"] == "n5"


def test_rows_embedded_anew_in_another_size(
    conn: Conn, database: str, index: MatryoshkaIndex
) -> None:
    new = matryoshka(300, dims=96)
    with connect(database) as other:
        index.drop(other)
        other.execute("drop table docs")
        make_table(other, new)
        index.create(other)
    force_index(conn)
    assert index.search(conn, new[4]).keys == nearest(new, new[4])


@pytest.mark.parametrize("many", [False, True])
def test_the_search_path_turns_to_another_table(
    conn: Conn, index: MatryoshkaIndex, many: bool
) -> None:
    """With a key of another shape; neither its rows nor its keys are mixed up."""
    conn.execute("create schema b")
    conn.execute(
        "create table b.docs (tenant int, id bigint, embedding vector(64),"
        " primary key (tenant, id))"
    )
    conn.execute("insert into b.docs select 7, id + 1000, embedding from docs")
    conn.execute("set search_path = b, public")
    with pytest.raises(Exception, match="no short column"):
        index.search(conn, QUERY)
    index.create(conn)
    conn.execute("set search_path = public, b")
    assert index.search(conn, QUERY).keys[0] == 5
    conn.execute("set search_path = b, public")
    if many:
        found = index.search_many(conn, [QUERY, QUERY])[1]
    else:
        found = index.search(conn, QUERY)
    assert found.keys[0] == (7, 1005)
    assert len(found) == 10
    assert index.search(conn, QUERY, where="id < 0").keys == []
    assert index.search(conn, QUERY, exact=True).keys[0] == (7, 1005)
    # in a transaction the server's error has ended it: there is no second try
    with pytest.raises(errors.UndefinedColumn), conn.transaction():
        conn.execute("set local search_path = public")
        index.search(conn, QUERY)
    with conn.transaction():
        assert index.search(conn, QUERY).keys[0] == (7, 1005)


def test_one_schema_a_tenant_within_transactions(
    conn: Conn, index: MatryoshkaIndex
) -> None:
    """Tables alike but for their schema, told apart by the path of the moment."""
    conn.execute("create schema b")
    make_table(conn, -VECTORS, schema="b")
    MatryoshkaIndex("docs", "embedding", dims=32, schema="b").create(conn)
    for path, first in (("b", False), ("public", True), ("b", False)) * 2:
        with conn.transaction():
            conn.execute(f"set local search_path = {path}, public")
            found = index.search(conn, QUERY)
            assert (found[0].distance < 1e-5) == first
            assert (found.keys[0] == 5) == first


def test_the_asynchronous_twin_looks_again_too(
    database: str, index: MatryoshkaIndex
) -> None:
    async def run() -> None:
        async with await psycopg.AsyncConnection.connect(
            database, autocommit=True
        ) as conn:
            await index.search_async(conn, QUERY)
            with connect(database) as other:
                other.execute("alter table docs alter n type text, add mood int")
            found = await index.search_async(conn, QUERY, columns=["n", "mood"])
            assert dict(found[0].columns) == {"n": "5", "mood": None}
            batch = await index.search_many_async(conn, [QUERY] * 3, columns=["n"])
            assert [one.keys[0] for one in batch] == [5, 5, 5]

    asyncio.run(run())


def test_a_dropped_table_is_said_to_be_missing(
    conn: Conn, database: str, index: MatryoshkaIndex
) -> None:
    with connect(database) as other:
        other.execute("drop table docs")
    with pytest.raises(TableNotFound):
        index.search(conn, QUERY)


def test_no_right_to_read_is_not_blamed_on_the_filter(
    conn: Conn, index: MatryoshkaIndex
) -> None:
    conn.execute("create role stranger_to_docs")
    try:
        conn.execute("set role stranger_to_docs")
        with pytest.raises(errors.InsufficientPrivilege):
            index.search(conn, QUERY, where="n > 3")
    finally:
        conn.execute("reset role")
        conn.execute("drop role stranger_to_docs")


def test_the_session_keeps_what_it_set_higher(
    conn: Conn, index: MatryoshkaIndex
) -> None:
    """Our own wish for more rows or memory never lowers the session's."""
    conn.execute("set hnsw.max_scan_tuples = 1000000")
    conn.execute("set hnsw.scan_mem_multiplier = 8.5")
    statement = index.plan(conn, QUERY, candidates=20_000).statement
    assert b"greatest" in statement
    assert len(index.search(conn, QUERY, candidates=20_000, where="n >= 0")) == 10
    shown = conn.execute(
        "select current_setting('hnsw.max_scan_tuples'),"
        " current_setting('hnsw.scan_mem_multiplier')"
    ).fetchone()
    assert shown == ("1000000", "8.5")


def test_more_candidates_than_work_mem_holds(conn: Conn) -> None:
    """24,000 stopped at 22,977 with the default scan_mem_multiplier of 1."""
    random = np.random.default_rng(5)
    vectors = random.standard_normal((25_000, 8)).astype(np.float32)
    make_table(conn, vectors)
    index = MatryoshkaIndex("docs", "embedding", dims=8, m=4, ef_construction=8)
    index.create(conn)
    force_index(conn)
    found = index.search(conn, vectors[0], k=10, candidates=24_000)
    assert found.seen is not None
    assert found.seen >= 23_900
    assert found.scan == "iterative"


@pytest.mark.parametrize(
    ("option", "value"),
    [("k", 10**10), ("candidates", 10**19), ("max_scan_tuples", 3 * 10**9)],
)
def test_numbers_beyond_postgresql_are_refused(
    conn: Conn, index: MatryoshkaIndex, option: str, value: int
) -> None:
    with pytest.raises(InvalidSetting, match=f"{option}={value} is above"):
        index.search(conn, QUERY, **{option: value})  # type: ignore[arg-type]


def test_a_plan_runs_by_hand(conn: Conn, index: MatryoshkaIndex) -> None:
    plan = index.plan(conn, QUERY, k=3, where="n = any(%s)", params=[[3, 4, 5]])
    rows = conn.execute(plan.statement, plan.params).fetchall()
    found = index.search(conn, QUERY, k=3, where="n = any(%s)", params=[[3, 4, 5]])
    assert [row[0] for row in rows] == found.keys
