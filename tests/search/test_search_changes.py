"""Tables that change under a connection that has searched them."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg import errors
from support.databases import Conn, Server, connect, database_fixture, role
from support.plans import explain, first_pass, force_index
from support.tables import make_table
from support.vectors import matryoshka, nearest
from support.versions import one_version

from mrl_pg import (
    IndexMismatch,
    IndexNotFound,
    InvalidSetting,
    MatryoshkaIndex,
    MrlError,
    SearchResult,
    TableNotFound,
)

VECTORS = matryoshka(300)
QUERY = VECTORS[4]


LAYOUT = MatryoshkaIndex("docs", "embedding", dims=32)


def prepare(conn: Conn) -> None:
    make_table(conn, VECTORS)
    LAYOUT.create(conn)


database = database_fixture(prepare, used_by="index")


@pytest.fixture
def index(conn: Conn) -> MatryoshkaIndex:
    LAYOUT.search(conn, QUERY)
    return LAYOUT


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
    assert index.search(conn, QUERY, filter="id < 0").keys == []
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
            index.search(conn, QUERY, filter="n > 3")
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
    assert len(index.search(conn, QUERY, candidates=20_000, filter="n >= 0")) == 10
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
    plan = index.plan(conn, QUERY, k=3, filter="n = any(%s)", params=[[3, 4, 5]])
    rows = conn.execute(plan.statement, plan.params).fetchall()
    found = index.search(conn, QUERY, k=3, filter="n = any(%s)", params=[[3, 4, 5]])
    assert [row[0] for row in rows] == found.keys


# ------------------------------------------------------- what nothing fails for

SWAP = """
    alter table docs rename embedding to old;
    alter table docs rename other to embedding
"""
SHORTS = """
    alter table docs rename embedding_32_halfvec to old_32_halfvec;
    alter table docs rename other_32_halfvec to embedding_32_halfvec
"""
INDEXES = """
    alter index docs_embedding_32_halfvec_cosine_hnsw rename to old_hnsw;
    alter index other_hnsw rename to docs_embedding_32_halfvec_cosine_hnsw
"""
INDEX = "alter index docs_embedding_32_halfvec_cosine_hnsw rename to other_name"
POLICY = """
    alter table docs enable row level security, force row level security;
    create policy own on docs using (id > 100);
    grant select on docs to reader_of_changes
"""
TWO_SETS = (
    MatryoshkaIndex("docs", "embedding", dims=32),
    MatryoshkaIndex("docs", "other", dims=32, name="other_hnsw", keep="generated"),
)
NAME = "docs_embedding_32_halfvec_cosine_hnsw"

NAMES = {
    "full alone": "other_hnsw",
    "full and short": "other_hnsw",
    "index alone": "other_name",
}
"""The index that answers, if it is of another name."""

SILENT: dict[str, tuple[str, type[MrlError] | None, str]] = {
    # the index of the other columns is found by what it is, whatever its name
    "full, short, index": (SWAP + ";" + SHORTS + ";" + INDEXES, None, "other"),
    "full alone": (SWAP, None, "other"),
    "full and short": (SWAP + ";" + SHORTS, None, "other"),
    "index alone": (INDEX, None, "embedding"),
    "no longer generated": (
        "alter table docs alter embedding_32_halfvec drop expression",
        IndexMismatch,
        "embedding",
    ),
    "another short column": (
        "alter table docs drop embedding_32_halfvec;"
        " alter table docs add embedding_32_halfvec halfvec(32);"
        f" create index {NAME} on docs using hnsw (embedding_32_halfvec"
        " halfvec_cosine_ops) with (m = 16, ef_construction = 64)",
        IndexMismatch,
        "embedding",
    ),
    "another index of the name": (
        f"drop index {NAME}; create index {NAME} on docs using hnsw"
        " (embedding_32_halfvec halfvec_l2_ops)",
        IndexMismatch,
        "embedding",
    ),
    "no index": (f"drop index {NAME}", IndexNotFound, "embedding"),
    "the index of a part": (
        f"drop index {NAME}; create index {NAME} on docs using hnsw"
        " (embedding_32_halfvec halfvec_cosine_ops) where id > 5",
        IndexMismatch,
        "embedding",
    ),
    "key moved": (
        "alter table docs drop constraint docs_pkey, add primary key (code)",
        None,
        "code",
    ),
    "key renamed": (
        "alter table docs rename id to was; alter table docs rename code to id",
        None,
        "embedding",
    ),
    "key of two columns": (
        "alter table docs drop constraint docs_pkey, add primary key (code, id)",
        None,
        "both",
    ),
    "row-level security": (POLICY, None, "embedding"),
}


@pytest.fixture(scope="module")
def two_sets(pg_server: Server) -> Iterator[str]:
    """A database to be copied: two full columns, the second from the last row on."""
    with pg_server.fresh() as url:
        with connect(url) as conn:
            role(conn, url, "reader_of_changes")
            make_table(conn, VECTORS)
            conn.execute(
                """
                alter table docs
                    add code bigint not null default 0,
                    add other vector(64);
                update docs set code = 1000 - docs.id, other = last.embedding
                from docs as last where last.id = 301 - docs.id
                """
            )
            for layout in TWO_SETS:
                layout.create(conn, rebuild=True)
            conn.execute("analyze docs")
            name = conn.info.dbname
        yield name


@pytest.fixture(scope="module")
def changing(pg_server: Server, two_sets: str) -> Iterator[Conn]:
    """A session that takes back all it changes."""
    with pg_server.fresh(two_sets) as url, connect(url) as conn:
        force_index(conn)
        yield conn


def expected(meaning: str, least: int = 0) -> list[Any]:
    """Keys of the exact answer, by what the names mean after the change."""
    ids = [key for key in nearest(VECTORS, QUERY, 300) if key > least]
    keys: dict[str, list[Any]] = {
        "embedding": ids,
        "other": [301 - key for key in ids],
        "code": [1000 - key for key in ids],
        "both": [(1000 - key, key) for key in ids],
    }
    return keys[meaning][:10]


SEARCHES: tuple[tuple[bool, dict[str, Any]], ...] = (
    (False, {"candidates": 300}),
    (True, {"candidates": 300, "filter": "n >= %s", "params": [0]}),
    (False, {"filter": "n < 0"}),
    (True, {"exact": True}),
    (False, {"exact": True, "filter": "n < 0"}),
)
"""One search or many; of rows or none, prepared or not."""


def search(conn: Conn, many: bool, options: dict[str, Any]) -> SearchResult:
    """One of several searches alike, or the only one."""
    if many:
        return TWO_SETS[0].search_many(conn, [QUERY] * 2, **options)[1]
    return TWO_SETS[0].search(conn, QUERY, **options)


def check_changed(conn: Conn, name: str, many: bool, options: dict[str, Any]) -> None:
    """The first search after a change answers by the names as they are now."""
    _, error, meaning = SILENT[name]
    if error is not None and "exact" not in options:
        with pytest.raises(error):
            search(conn, many, options)
        return
    policy = name == "row-level security"
    if policy:
        conn.execute("set role reader_of_changes")
    found = search(conn, many, options)
    if "n < 0" in options.values():
        assert found.keys == []
    else:
        assert found.keys == expected(meaning, least=100 if policy else 0)
    if "exact" not in options:
        goes_on = policy or "filter" in options
        assert found.scan == ("iterative" if goes_on else "single")
        plan = TWO_SETS[0].plan(conn, QUERY, **options)
        assert first_pass(explain(conn, plan)) == [NAMES.get(name, NAME)]
    conn.execute("reset role")


@pytest.mark.parametrize("name", SILENT)
def test_a_change_that_fails_nothing_is_noticed(
    pg_server: Server, two_sets: str, name: str
) -> None:
    """Columns swapped by renaming: none of the true rows was found, and no error."""
    with (
        pg_server.fresh(two_sets) as url,
        connect(url) as other,
        ExitStack() as stack,
    ):
        searching = [
            (stack.enter_context(connect(url)), many, options)
            for many, options in SEARCHES
        ]
        for conn, many, options in searching:
            force_index(conn)
            for _ in range(2):
                search(conn, many, options)
        other.execute(SILENT[name][0])
        for conn, many, options in searching:
            check_changed(conn, name, many, options)


@one_version
@pytest.mark.parametrize("name", SILENT)
def test_a_change_within_the_transaction_is_noticed(changing: Conn, name: str) -> None:
    for many, options in SEARCHES:
        with changing.transaction(force_rollback=True):
            search(changing, many, options)
            changing.execute(SILENT[name][0])
            check_changed(changing, name, many, options)
        assert search(changing, many, options).keys in ([], expected("embedding"))
