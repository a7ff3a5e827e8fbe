"""Searching a column by the index that is in use, and falling back on it."""

import asyncio
from collections.abc import Iterator

import psycopg
import pytest
from support.calibrations import never_exact
from support.databases import Conn, connect, database_fixture
from support.in_use import (
    DOCS,
    QUERY,
    ROWS,
    TRUTH,
    assert_by,
    assert_searched,
    make_docs,
)
from support.plans import force_index
from support.tables import make_table
from support.vectors import least_far, nearest

from mrl_pg import (
    ColumnNotFound,
    IndexNotFound,
    InvalidSetting,
    MatryoshkaColumn,
    MatryoshkaIndex,
    NotInstalled,
    TableNotFound,
)

OLD = MatryoshkaIndex("docs", "embedding", dims=32)
NEW = MatryoshkaIndex("docs", "embedding", dims=16)


database = database_fixture(lambda conn: make_docs(conn, OLD), used_by="docs")


@pytest.fixture
def docs(conn: Conn) -> Conn:
    force_index(conn)
    return conn


def switch(conn: Conn, index: MatryoshkaIndex) -> None:
    conn.execute(
        "select mrl.switch_index('docs', 'embedding', index_name => %s)", [index.name]
    )


def test_a_process_that_runs_sees_a_switch_at_its_next_search(
    docs: Conn, database: str
) -> None:
    NEW.create(docs)
    with connect(database) as other:
        force_index(other)
        # often enough that the server keeps a plan
        for _ in range(8):
            assert_searched(other, DOCS, OLD)
        switch(docs, NEW)
        assert_searched(other, DOCS, NEW)
        # who names an index gets that one
        assert_searched(other, OLD, OLD)
        switch(docs, OLD)
        assert_searched(other, DOCS, OLD)
        # in a transaction of the reader, too
        with other.transaction():
            assert DOCS.search(other, QUERY).index_name == OLD.name
            switch(docs, NEW)
            found = DOCS.search(other, QUERY, k=5, filter="id > 0")
            assert_by(found, NEW)


def test_the_next_after_a_drop(docs: Conn, database: str) -> None:
    NEW.create(docs)
    switch(docs, NEW)
    assert_searched(docs, DOCS, NEW)
    with connect(database) as other:
        NEW.drop(other)
    assert_searched(docs, DOCS, OLD)
    with connect(database) as other:
        OLD.drop(other)
    with pytest.raises(IndexNotFound, match=r"docs\.embedding has no short column"):
        DOCS.search(docs, QUERY)
    assert DOCS.search(docs, QUERY, k=5, exact=True).keys == TRUTH
    with connect(database) as other:
        far = MatryoshkaIndex("docs", "embedding", dims=32, distance="l2")
        far.create(other)
    found = DOCS.search(docs, QUERY, k=5, exact=True)
    assert found.keys == nearest(ROWS, QUERY, 5, distance="l2")
    assert_by_far(docs, far)


def assert_by_far(conn: Conn, far: MatryoshkaIndex) -> None:
    found = DOCS.search(conn, QUERY, k=5, candidates=300)
    assert found.index_name == far.name
    assert found.keys == nearest(ROWS, QUERY, 5, distance="l2")


def test_a_renamed_index_and_table(docs: Conn, database: str) -> None:
    assert_searched(docs, DOCS, OLD)
    with connect(database) as other:
        other.execute(f"alter index {OLD.name} rename to nearest".encode())
    found = DOCS.search(docs, QUERY, k=5)
    assert (found.index_name, found.keys) == ("nearest", TRUTH)
    with connect(database) as other:
        other.execute("alter table docs rename to papers")
    with pytest.raises(TableNotFound):
        DOCS.search(docs, QUERY)
    papers = MatryoshkaColumn("papers", "embedding", schema="public")
    assert papers.search(docs, QUERY, k=5).keys == TRUTH


def test_async_does_the_same(docs: Conn, database: str) -> None:
    async def act() -> None:
        async with await psycopg.AsyncConnection.connect(
            database, autocommit=True
        ) as conn:
            await conn.execute("set enable_seqscan = off")
            assert_by(await DOCS.search_async(conn, QUERY, k=5), OLD)
            assert_by(await NEW.search_async(conn, QUERY, k=5), OLD, True)
            NEW.create(docs)
            switch(docs, NEW)
            for found in await DOCS.search_many_async(conn, [QUERY], k=5):
                assert_by(found, NEW)
            assert_by(await NEW.search_async(conn, QUERY, k=5), NEW)
            plan = await DOCS.plan_async(conn, QUERY)
            assert plan.shape.layout.name == NEW.name

    asyncio.run(act())


def test_what_is_not_there_falls_back_until_it_is(docs: Conn, database: str) -> None:
    bits = MatryoshkaIndex("docs", "embedding", dims=64, kind="bit")
    assert_searched(docs, NEW, OLD, fallback=True)
    assert_searched(docs, NEW, OLD, fallback=True, filter="id > 0")
    assert_searched(docs, bits, OLD, fallback=True)
    invalid = "update pg_index set indisvalid = %s where indexrelid = %s::regclass"
    with connect(database) as other:
        NEW.create(other)
        # as while it is built
        other.execute(invalid, [False, NEW.name])
        assert_searched(docs, NEW, OLD, fallback=True)
        other.execute(invalid, [True, NEW.name])
        assert_searched(docs, NEW, NEW)
        switch(other, NEW)
        assert_searched(docs, bits, NEW, fallback=True)
        assert_searched(docs, OLD, OLD)
        OLD.drop(other)
        # code of before
        assert_searched(docs, OLD, NEW, fallback=True)
        OLD.create(other)
        assert_searched(docs, OLD, OLD)


def test_a_size_and_a_kind_choose_among_the_indexes(docs: Conn, database: str) -> None:
    bits = MatryoshkaIndex("docs", "embedding", dims=16, kind="bit")
    NEW.create(docs)
    # as often as it takes for the server to keep plans, of both sizes in turn
    for _ in range(6):
        assert_searched(docs, DOCS, NEW, dims=16)
        assert_searched(docs, DOCS, OLD, dims=32)
    assert_searched(docs, DOCS, OLD)
    assert_searched(docs, DOCS, OLD, kind="halfvec")
    # not there yet: another answers, and says so, until it is
    assert_searched(docs, DOCS, OLD, fallback=True, kind="bit")
    assert_searched(docs, DOCS, OLD, fallback=True, dims=16, kind="bit")
    with connect(database) as other:
        bits.create(other)
        assert_searched(docs, DOCS, bits, kind="bit")
        assert_searched(docs, DOCS, bits, dims=16, kind="bit", filter="id > 0")
        # of two of one size the older one, until another is in use
        assert_searched(docs, DOCS, NEW, dims=16)
        switch(other, bits)
        assert_searched(docs, DOCS, bits, dims=16)
        assert_searched(docs, DOCS, NEW, dims=16, kind="halfvec")
        other.execute(f"alter index {NEW.name} rename to small".encode())
        found = DOCS.search(docs, QUERY, k=5, dims=16, kind="halfvec")
        assert (found.index_name, found.keys, found.fallback) == ("small", TRUTH, False)
        bits.drop(other)
        found = DOCS.search(docs, QUERY, k=5, candidates=300, dims=16)
        assert (found.index_name, found.keys, found.fallback) == ("small", TRUTH, False)
        assert_searched(docs, DOCS, OLD, fallback=True, kind="bit")


def test_each_size_has_its_own_promise(docs: Conn) -> None:
    never_exact(docs)
    NEW.create(docs)
    OLD.calibrate(docs, k=5, sample=20)
    near = least_far(ROWS, 5)
    for dims, standing in ((32, "rows"), (16, "uncalibrated")):
        found = DOCS.search(docs, near, k=5, recall=0.5, dims=dims)
        assert found.promise is not None
        assert found.promise.standing == standing


def test_a_size_that_no_search_takes(docs: Conn) -> None:
    with pytest.raises(InvalidSetting, match="dims=16 chooses among the indexes of a"):
        OLD.search(docs, QUERY, dims=16)
    with pytest.raises(InvalidSetting, match="kind='bit' chooses among the indexes"):
        OLD.plan(docs, QUERY, kind="bit")
    with pytest.raises(InvalidSetting, match=r"dims='16'"):
        DOCS.search(docs, QUERY, dims="16")  # type: ignore[arg-type]
    with pytest.raises(InvalidSetting, match="kind='bits'"):
        DOCS.search(docs, QUERY, kind="bits")  # type: ignore[arg-type]


def test_a_scan_that_goes_on_says_so_too(docs: Conn) -> None:
    docs.execute("delete from docs where id > 20")
    found = NEW.search(docs, ROWS[3], k=10, candidates=100)
    assert (found.index_name, found.fallback) == (OLD.name, True)
    assert (len(found), found.scan) == (10, "iterative")


def test_a_promise_is_that_of_the_index_that_answers(docs: Conn) -> None:
    never_exact(docs)
    OLD.calibrate(docs, k=5, sample=20)
    near = least_far(ROWS, 5)
    for searched in (DOCS, NEW):
        found = searched.search(docs, near, k=5, recall=0.5)
        assert found.promise is not None
        assert found.promise.standing == "rows"
        assert found.index_name == OLD.name


@pytest.mark.parametrize(
    "index",
    [
        MatryoshkaIndex("docs", "embedding", dims=16, name="mine"),
        MatryoshkaIndex("docs", "embedding", dims=16, short="mine"),
        MatryoshkaIndex("docs", "embedding", dims=16, distance="l2"),
    ],
    ids=["name", "short", "distance"],
)
def test_nothing_stands_in_for(docs: Conn, index: MatryoshkaIndex) -> None:
    with pytest.raises(IndexNotFound, match="yet: run"):
        index.search(docs, QUERY)


def test_what_measures_and_drops_does_not_fall_back(docs: Conn) -> None:
    with pytest.raises(IndexNotFound):
        NEW.calibrate(docs, sample=3)
    with pytest.raises(IndexNotFound):
        NEW.recall(docs, sample=3)
    assert not NEW.drop(docs).changed


def test_what_cannot_be_searched(docs: Conn) -> None:
    with pytest.raises(TableNotFound, match="nowhere"):
        MatryoshkaColumn("nowhere", "embedding").search(docs, QUERY)
    with pytest.raises(ColumnNotFound, match="nothing"):
        MatryoshkaColumn("docs", "nothing").search(docs, QUERY)
    for bad in ("", None, 5):
        with pytest.raises(InvalidSetting, match="is not a name"):
            MatryoshkaColumn("docs", bad)  # type: ignore[arg-type]
    with pytest.raises(InvalidSetting, match="schema="):
        MatryoshkaColumn("docs", "embedding", schema=5)  # type: ignore[arg-type]
    assert str(MatryoshkaColumn("docs", "embedding", "public")) == (
        "public.docs.embedding"
    )


@pytest.fixture
def bare(bare_database: str) -> Iterator[Conn]:
    with connect(bare_database) as conn:
        conn.execute("create extension vector")
        make_table(conn, ROWS[:20])
        yield conn


def test_without_the_database_side(bare: Conn) -> None:
    for exact in (False, True):
        with pytest.raises(NotInstalled, match="and this database has none"):
            DOCS.search(bare, QUERY, exact=exact)
    with pytest.raises(IndexNotFound):
        NEW.search(bare, QUERY)


def test_each_schema_of_a_search_path_has_its_own(docs: Conn) -> None:
    docs.execute("create schema tenant")
    make_table(docs, ROWS[:100], schema="tenant")
    own = MatryoshkaIndex("docs", "embedding", dims=8, schema="tenant")
    own.create(docs)
    assert DOCS.search(docs, QUERY, k=5).index_name == OLD.name
    docs.execute("set search_path = tenant, public")
    found = DOCS.search(docs, QUERY, k=5, candidates=90)
    assert (found.index_name, found.keys) == (own.name, nearest(ROWS[:100], QUERY, 5))
    docs.execute("reset search_path")
    assert_searched(docs, DOCS, OLD)
