"""Real queries, kept for calibrations: how many, whose, who may, and what for."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timezone
from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg import AsyncConnection, errors
from support.calibrations import calibrate, recalls_of
from support.databases import Conn, connect, database_fixture, role
from support.installs import catalog
from support.plans import force_index
from support.sql_calls import create, many, one, stock, text
from support.tables import make_table
from support.vectors import matryoshka

from mrl_pg import MatryoshkaIndex, install
from mrl_pg.calibration import real_queries
from mrl_pg.errors import InvalidSetting, InvalidVector, NotInstalled
from mrl_pg.exchange import run

ROWS = matryoshka(300)
QUERIES = matryoshka(30, seed=7)
INDEX = MatryoshkaIndex("docs", "embedding", dims=32)
KEEP = "select mrl.keep_query('docs', 'embedding', %s)"
DISTANCES = "select array(select distance from mrl.kept_distances where k = 3)"
KEPT = "select mrl.kept_queries('docs', 'embedding')::text[]"
ROOMS = (
    "select array_agg(relname::text order by 1) from pg_class"
    " where relnamespace = 'mrl'::regnamespace and relname ~ '^_queries_[0-9]+$'"
)


database = database_fixture(lambda conn: stock(conn, ROWS), used_by="docs")


@pytest.fixture
def docs(conn: Conn) -> Conn:
    """A table with an index, and nothing turned on."""
    force_index(conn)
    return conn


def sample(conn: Conn, share: float = 1, most: int | None = 10) -> tuple[Any, ...]:
    """What is in force from now on: share, most, how many are kept."""
    call = "select * from mrl.sample_queries('docs', 'embedding', %s, %s)"
    row: tuple[Any, ...] = conn.execute(call, [share, most]).fetchall()[0]
    return row


def keep(conn: Conn, query: Any) -> bool:
    """Whether a query was kept."""
    return bool(one(conn, KEEP, text(query)))


def forget(conn: Conn) -> int:
    """How many were forgotten."""
    return int(one(conn, "select mrl.forget_queries('docs', 'embedding')"))


def rooms(conn: Conn) -> list[str]:
    """Tables that few may dump."""
    return one(conn, ROOMS) or []


def size(conn: Conn) -> int:
    """How many queries there is room for, in all."""
    return sum(one(conn, f"select count(*) from mrl.{room}") for room in rooms(conn))


def kept_ones(conn: Conn) -> set[str]:
    """The queries that are kept, as pgvector prints them."""
    return set(one(conn, KEPT))


def printed(conn: Conn, queries: Any) -> set[str]:
    """Queries as pgvector prints them."""
    asked = [text(query) for query in queries]
    return set(one(conn, "select %s::vector[]::text[]", asked))


def test_nothing_is_kept_until_it_is_asked_for(docs: Conn) -> None:
    assert not keep(docs, QUERIES[0])
    # not even looked at
    assert not keep(docs, [1, 2, 3])
    assert not INDEX.keep_query(docs, QUERIES[0])
    assert one(docs, "select count(*) from mrl.query_sampling") == 0
    with pytest.raises(errors.NoDataFound, match="is stored"):
        kept_ones(docs)
    before = calibrate(docs, k=3, sample=20)
    with pytest.raises(InvalidSetting, match=r"is stored; select mrl\.sample_queries"):
        INDEX.calibrate(docs, k=3, real_queries=True)
    # what was measured before is not lost over it
    assert one(docs, "select count(*) from mrl.calibrations") == len(before)


def test_a_bounded_number_is_kept_and_forgotten(docs: Conn) -> None:
    assert sample(docs) == (1, 10, 0)
    assert all(keep(docs, query) for query in QUERIES)
    there = kept_ones(docs)
    assert 3 < len(there) <= 10
    assert there <= printed(docs, QUERIES)
    days = docs.execute("select distinct kept_on from mrl.kept_queries").fetchall()
    assert days == [(datetime.now(timezone.utc).date(),)]
    # off keeps what is there, and the bound as it was
    assert sample(docs, 0, None) == (0, 10, len(there))
    assert not keep(docs, QUERIES[0])
    assert sample(docs, 0.5, 4)[2] == len(kept_ones(docs)) <= 4
    assert size(docs) == 4
    assert sample(docs, 1, 2000)[1] == size(docs) == 2000
    assert {keep(docs, query) for query in QUERIES} == {True}
    some = "select cardinality(mrl.kept_queries('docs', 'embedding', 7))"
    assert one(docs, some) == 7
    forget = "select mrl.forget_queries('docs', 'embedding', before => %s)"
    assert one(docs, forget, date(2020, 1, 1)) == 0
    count = one(docs, "select count(*) from mrl.kept_queries")
    assert one(docs, forget, None) == count
    assert one(docs, "select count(*) from mrl.kept_queries") == 0
    assert size(docs) == 2000


def test_a_share_of_them_is_kept(docs: Conn) -> None:
    sample(docs, 0.2, 10000)
    loop = (
        "select count(*) filter (where mrl.keep_query('docs', 'embedding', %s)) from"
        " generate_series(1, 2000)"
    )
    # eight standard deviations around 400
    assert 256 < one(docs, loop, text(QUERIES[0])) < 544


@pytest.mark.parametrize("full_type", ["vector", "halfvec"])
def test_queries_that_no_search_takes_are_refused(conn: Conn, full_type: str) -> None:
    stock(conn, ROWS, full_type=full_type)
    # always, and not only when the lot falls on one
    sample(conn, 1e-12)
    for query, said in (
        ([1, 2, 3], "the query has 3 dimensions, public.docs.embedding has 64"),
        ([0] * 64, "all zeros"),
    ):
        with pytest.raises(errors.DataException, match=said):
            keep(conn, query)
        with pytest.raises(InvalidVector):
            INDEX.keep_query(conn, query)
    with pytest.raises(errors.NullValueNotAllowed):
        conn.execute("select mrl.keep_query('docs', 'embedding', null)")
    for share, most in ((-0.1, 1), (1.1, 1), (float("nan"), 1), (1, 0), (1, 10001)):
        with pytest.raises(errors.InvalidParameterValue):
            sample(conn, share, most)
    sample(conn)
    assert keep(conn, QUERIES[0])
    assert kept_ones(conn) == printed(conn, QUERIES[:1])
    (point, *_) = calibrate(conn, k=3, queries=one(conn, KEPT))
    assert point.queries == 1


def test_writers_neither_wait_nor_pass_the_bound(docs: Conn, database: str) -> None:
    sample(docs, 1, 25)

    def work(seed: int) -> int:
        kept = 0
        with connect(database) as conn:
            conn.execute("set lock_timeout = '2s'")
            for query in matryoshka(20, seed=seed):
                # some in transactions that stay open for a while
                with conn.transaction(force_rollback=not kept % 7):
                    kept += sum(keep(conn, query) for _ in range(3))
        return kept

    with ThreadPoolExecutor(10) as pool:
        counts = list(pool.map(work, range(10, 20)))
    # a slot that another held was passed by, now and then
    assert all(count > 20 for count in counts)
    assert size(docs) == 25
    assert 10 < len(one(docs, KEPT)) <= 25
    with connect(database) as other, other.transaction():
        other.execute("select from mrl._queries_1 for update")
        docs.execute("set lock_timeout = '100ms'")
        assert not any(keep(docs, query) for query in QUERIES)


def test_only_the_owner_reads_and_only_readers_write(docs: Conn, database: str) -> None:
    for name in ("kept_owner", "kept_reader", "kept_stranger"):
        role(docs, database, name)
    docs.execute("alter table docs owner to kept_owner")
    docs.execute("grant select (embedding) on docs to kept_reader")
    docs.execute("grant create on schema public to kept_reader")
    owner, reader, stranger = (
        connect(psycopg.conninfo.make_conninfo(database, user=f"kept_{name}"))
        for name in ("owner", "reader", "stranger")
    )
    with owner, reader, stranger:
        sample(owner)
        assert keep(reader, QUERIES[0])
        assert INDEX.keep_query(reader, QUERIES[0])
        assert kept_ones(owner) == printed(docs, QUERIES[:1])
        with pytest.raises(errors.InsufficientPrivilege, match="may not read"):
            keep(stranger, QUERIES[1])
        keep_distance = "select mrl.keep_distance('docs', 'embedding', 3, 0.5)"
        one(owner, "select mrl.sample_distances('docs', 'embedding', 1, 10)")
        assert one(reader, keep_distance)
        with pytest.raises(errors.InsufficientPrivilege, match="may not read"):
            one(stranger, keep_distance)
        assert one(owner, DISTANCES) == [0.5]
        for conn in (reader, stranger):
            assert one(conn, DISTANCES) == []
            assert one(conn, "select count(*) from mrl.kept_distances") == 0
        assert one(owner, "select count(*) from mrl.kept_queries") > 0
        for conn in (reader, stranger):
            assert one(conn, "select count(*) from mrl.kept_queries") == 0
            for statement in (
                "select mrl.kept_queries('docs', 'embedding')",
                "select mrl.sample_queries('docs', 'embedding')",
                "select mrl.forget_queries('docs', 'embedding')",
                "select query from mrl._queries_1",
                "select query from mrl.query_inbox",
                "select distance from mrl.distance_inbox",
                "select distance from mrl._queries_1",
                "select mrl.sample_distances('docs', 'embedding')",
                "delete from mrl.distance_inbox",
                "insert into mrl.distance_inbox (table_id, full_column, k, distance,"
                " asked_by) values ('docs', 'embedding', 1, 1, 'kept_owner')",
                "update mrl.query_inbox set query = null returning query",
                "delete from mrl.query_inbox",
                "delete from mrl._own_queries_1",
                "update mrl.query_sampling set share = 1",
            ):
                with pytest.raises(
                    (
                        errors.InsufficientPrivilege,
                        errors.ObjectNotInPrerequisiteState,
                    )
                ):
                    conn.execute(statement.encode())
            assert one(conn, "select count(query) from mrl._own_queries_1") == 0
            conn.execute("update mrl._own_queries_1 set query = null")
        assert kept_ones(owner) == printed(docs, QUERIES[:1])
        # whose rights count is who asks, not whose session it is
        reader.execute(
            "create function thief() returns bigint language sql security definer"
            " begin atomic select count(*) from mrl.kept_queries; end"
        )
        assert one(owner, "select thief()") == 0
        docs.execute(
            "create function api(query vector) returns boolean language sql security"
            " definer begin atomic"
            " select mrl.keep_query('docs', 'embedding', query); end"
        )
        docs.execute("alter function api owner to kept_reader")
        assert one(stranger, "select api(%s)", text(QUERIES[2]))
    docs.execute("drop owned by kept_reader")
    docs.execute("drop owned by kept_owner cascade")


def test_nothing_is_written_where_nothing_can_be(docs: Conn) -> None:
    sample(docs)
    for mode in ("read only", "isolation level repeatable read"):
        with docs.transaction():
            docs.execute(f"set transaction {mode}".encode())
            assert not keep(docs, QUERIES[0])
            assert not INDEX.keep_query(docs, QUERIES[0])
            assert INDEX.search(docs, QUERIES[0], k=3).keys
    with pytest.raises(errors.DivisionByZero), docs.transaction():
        try:
            docs.execute("select 1 / 0")
        finally:
            assert not INDEX.keep_query(docs, QUERIES[0])
    assert one(docs, "select count(*) from mrl.kept_queries") == 0


def test_python_believes_a_share_for_a_minute(
    docs: Conn, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not INDEX.keep_query(docs, QUERIES[0])
    sample(docs)
    # believed for a minute, though the server knows better at once
    assert not INDEX.keep_query(docs, QUERIES[0])
    monkeypatch.setattr("time.monotonic", lambda: 1e12)
    assert INDEX.keep_query(docs, QUERIES[0])
    # but the server draws
    sample(docs, 1e-12)
    assert not INDEX.keep_query(docs, QUERIES[0])
    sample(docs, 0)
    assert not INDEX.keep_query(docs, QUERIES[0])
    # what fails beside a search leaves its transaction whole
    docs.execute("alter function mrl.keep_query rename to gone")
    with docs.transaction():
        with pytest.raises(NotInstalled):
            INDEX.keep_query(docs, QUERIES[0])
        assert INDEX.search(docs, QUERIES[0], k=3).keys
    docs.execute("alter function mrl.gone rename to keep_query")

    async def ask() -> bool:
        async with await AsyncConnection.connect(database) as conn:
            return await INDEX.keep_query_async(conn, QUERIES[9])

    docs.execute("select mrl.forget_queries('docs', 'embedding')")
    sample(docs)
    assert asyncio.run(ask())
    assert kept_ones(docs) == printed(docs, QUERIES[9:10])


@pytest.mark.parametrize("distance", ["cosine", "l2"])
def test_a_calibration_on_them_is_one_of_them(conn: Conn, distance: Any) -> None:
    make_table(conn, ROWS, analyze=False)
    create(conn, dims=8, distance=distance)
    conn.execute("analyze docs")
    force_index(conn)
    # unlike the rows: their last dimensions, which the prefix lacks, say most
    asked = QUERIES[:, ::-1].copy()
    sample(conn, 1, 10000)
    assert all(keep(conn, query) for query in asked)
    index = MatryoshkaIndex("docs", "embedding", dims=8, distance=distance)
    made = index.calibrate(conn, k=5, real_queries=True)
    there = np.array([np.fromstring(q[1:-1], sep=",") for q in one(conn, KEPT)])
    assert made.queries == len(there) >= 28
    # which points are kept depends on times, so each of them is searched again
    for point in made.points:
        if point.candidates is None:
            continue
        effort: dict[str, Any] = {
            "candidates": point.candidates,
            "ef_search": point.ef_search,
        }
        answers = many(conn, [*there], k=5, **effort)
        true = float(np.mean(recalls_of(answers, ROWS, there, 5, distance)))
        assert point.recall == pytest.approx(true, abs=1e-9)
    few: dict[str, Any] = {"k": 5, "candidates": 20}
    rows = index.recall(conn, **few)
    report = index.recall(conn, real_queries=True, **few)
    answers = many(conn, [*there], **few)
    true = float(np.mean(recalls_of(answers, ROWS, there, 5, distance)))
    assert report.recall is not None
    assert report.recall == pytest.approx(true, abs=1e-9)
    # measured .31 and .88 to .90
    assert rows.recall is not None
    assert report.recall + 0.3 < rows.recall
    some = index.recall(conn, real_queries=True, sample=4, **few)
    assert some.queries == 4
    with pytest.raises(
        InvalidSetting, match="'real': give vectors, or real_queries=True"
    ):
        index.recall(conn, queries="real")  # type: ignore[arg-type]


def test_they_follow_their_table_and_go_with_it(docs: Conn) -> None:
    sample(docs)
    assert keep(docs, QUERIES[0])
    docs.execute("create schema elsewhere")
    docs.execute('alter table docs rename to "My docs"')
    docs.execute('alter table "My docs" set schema elsewhere')
    install(docs)
    call = "select mrl.{}('elsewhere.\"My docs\"', 'embedding', {})"
    assert one(docs, call.format("keep_query", "%s"), text(QUERIES[1]))
    assert one(docs, call.format("kept_queries", "5"))
    # of another size they are no queries any more
    docs.execute('drop index elsewhere."docs_embedding_32_halfvec_cosine_hnsw"')
    docs.execute(
        'alter table elsewhere."My docs" drop column embedding_32_halfvec,'
        " alter column embedding type vector(8)"
        " using mrl.truncate(embedding, 8)::vector(8)"
    )
    with pytest.raises(errors.NoDataFound):
        one(docs, call.format("kept_queries", "5"))
    docs.execute('drop table elsewhere."My docs"')
    # nobody's, and swept with the registry
    assert one(docs, "select count(*) from mrl.kept_queries") == 0
    make_table(docs, ROWS)
    sample(docs)
    assert size(docs) == 10
    docs.execute("drop table docs")
    make_table(docs, ROWS)
    create(docs)
    assert not rooms(docs)


def test_distances_are_numbers_of_unfiltered_answers(docs: Conn, database: str) -> None:
    result = INDEX.search(docs, QUERIES[0], k=3)
    assert not INDEX.keep_distance(docs, result)
    with connect(database) as conn:
        assert not rooms(docs)
        turn_on = real_queries.sample_distances(INDEX, share=1, most=400)
        told = run(docs, turn_on)
        assert (told.share, told.distance_share, told.most_distances) == (0, 1, 400)
        assert size(docs) == 400
        assert INDEX.keep_distance(conn, result)
        assert one(docs, DISTANCES) == [result[-1].distance]
        days = docs.execute("select kept_on, k from mrl.kept_distances").fetchall()
        assert days == [(datetime.now(timezone.utc).date(), 3)]
        # with a filter, or with too few answers, it is another distance
        some = INDEX.search(conn, QUERIES[1], k=3, filter="n < 50")
        all_of_them = INDEX.search(conn, QUERIES[1], k=500, candidates=500)
        assert not INDEX.keep_distance(conn, some)
        assert not INDEX.keep_distance(conn, all_of_them)
        with pytest.raises(InvalidSetting, match="give what search returned"):
            INDEX.keep_distance(conn, [1.0])  # type: ignore[arg-type]
        for call in ("0, 0.5", "null, 0.5", "3, 'NaN'", "3, 'infinity'", "3, null"):
            with pytest.raises(errors.InvalidParameterValue):
                one(docs, f"select mrl.keep_distance('docs', 'embedding', {call})")

    async def ask() -> bool:
        async with await AsyncConnection.connect(database) as conn:
            return await INDEX.keep_distance_async(conn, result)

    assert asyncio.run(ask())
    # queries have their own share and their own bound in the same table
    assert one(docs, "select count(*) from mrl.kept_queries") == 0
    sample(docs, 1, 4)
    assert keep(docs, QUERIES[0])
    assert size(docs) == 400
    assert 1 <= len(one(docs, DISTANCES)) <= 2
    one(docs, "select mrl.sample_distances('docs', 'embedding', 0, 300)")
    assert not one(docs, "select mrl.keep_distance('docs', 'embedding', 3, 0.5)")
    sample(docs, 0, 4)
    assert rooms(docs)
    before = len(one(docs, DISTANCES))
    assert one(docs, "select mrl.forget_queries('docs', 'embedding')") == 1 + before
    assert not rooms(docs)


def test_there_is_room_while_there_is_use_for_it(docs: Conn, database: str) -> None:
    without = catalog(database)
    # said, but not turned on
    assert sample(docs, 0) == (0, 10, 0)
    assert forget(docs) == 0
    assert catalog(database) == without
    # nobody is granted more than is said, whatever the default
    role(docs, database, "kept_default")
    docs.execute("alter default privileges grant all on tables to kept_default, public")
    sample(docs)
    by_default = catalog(database)
    docs.execute("drop owned by kept_default")
    docs.execute("alter default privileges revoke all on tables from public")
    sample(docs, 0)
    assert catalog(database) == without
    sample(docs)
    within = catalog(database)
    assert by_default == within != without
    assert keep(docs, QUERIES[0])
    install(docs)
    assert catalog(database) == within
    assert kept_ones(docs) == printed(docs, QUERIES[:1])
    # what was kept outlives the end of the sampling
    sample(docs, 0)
    install(docs)
    assert catalog(database) == within
    assert forget(docs) == 1
    assert catalog(database) == without
    sample(docs)
    sample(docs, 0)
    assert catalog(database) == without


def test_keeping_copes_without_room(docs: Conn, database: str) -> None:
    """As after a restore of a dump that left it out."""
    sample(docs)
    docs.execute("drop table mrl._queries_1 cascade")
    assert not keep(docs, QUERIES[0])
    assert not INDEX.keep_query(docs, QUERIES[0])
    assert run(docs, real_queries.in_force(INDEX)) == real_queries.Sampling(
        1, 10, 0, None
    )
    assert forget(docs) == 0
    with pytest.raises(errors.NoDataFound, match="is stored"):
        kept_ones(docs)
    assert sample(docs) == (1, 10, 0)
    assert keep(docs, QUERIES[0])
    within = catalog(database)
    docs.execute("drop extension vector cascade")
    docs.execute("create extension vector")
    install(docs)
    assert catalog(database) == within
    # its vectors went with the extension
    docs.execute("alter table docs add column embedding vector(64)")
    assert sample(docs) == (1, 10, 0)
    assert keep(docs, QUERIES[1])
    assert kept_ones(docs) == printed(docs, QUERIES[1:2])


def test_nobody_waits_for_room_that_is_in_use(docs: Conn, database: str) -> None:
    said: list[str] = []
    docs.add_notice_handler(lambda notice: said.append(notice.message_primary or ""))
    sample(docs)
    docs.execute("set lock_timeout = '7s'")
    with connect(database) as dump, dump.transaction():
        dump.execute("lock table mrl._queries_1 in access share mode")
        assert sample(docs, 0) == (0, 10, 0)
        assert rooms(docs)
    [(empty, reason)] = [line.split(": ") for line in said]
    assert empty == "mrl._queries_1 is empty and stays for now"
    assert "lock timeout" in reason
    # out of sight of this one is what others keep
    with docs.transaction():
        docs.execute("set transaction isolation level repeatable read")
        assert forget(docs) == 0
    assert rooms(docs)
    docs.execute("create view mine as select * from mrl.kept_queries")
    assert forget(docs) == 0
    assert not rooms(docs)
    assert len(said) == 1
    assert one(docs, "show lock_timeout") == "7s"
    assert docs.execute("select * from mine").fetchall() == []
    # a query does not wait for who turns it off, and is not kept
    sample(docs)
    with connect(database) as other, docs.transaction():
        sample(docs, 0)
        other.execute("set lock_timeout = '2s'")
        assert not keep(other, QUERIES[0])
