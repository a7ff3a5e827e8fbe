"""A read replica, made by pg_basebackup and fed by streaming, answers alike."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from psycopg import AsyncConnection, RawCursor, errors, sql
from psycopg.conninfo import make_conninfo
from support.calibrations import never_exact
from support.command import mrl_pg
from support.databases import SETTINGS, Conn, Server, connect
from support.folders import make_folder, temporary_folder
from support.interfaces import INTERFACES, TABLES, Case, Library, open_library, truth
from support.plans import explain, first_pass, force_index
from support.servers import index_scans, run_as_server, wait
from support.tables import append, make_table
from support.vectors import Vectors, least_far, matryoshka, nearest

from mrl_pg import MatryoshkaColumn, MatryoshkaIndex, Progress, install, server

SEARCHES = {
    "mrl.search": "select id from mrl.search(null::docs, 'embedding', %s, k => 7)",
    "filter": (
        "select id from mrl.search(null::docs, 'embedding', %s, k => 7,"
        " filter => 'n < $1::int', args => array['40'])"
    ),
    "mrl.search_keys": (
        "select key, distance from"
        " mrl.search_keys(null::bigint, 'docs', 'embedding', %s, k => 7)"
    ),
    "mrl.search_many": (
        "select query, (hit).id, distance from"
        " mrl.search_many(null::docs, 'embedding', array[%s::vector], k => 7)"
    ),
    "a function of its own": "select id from search_docs(%s, 7)",
}
LATEST = "docs_embedding_16_halfvec_cosine_hnsw"
"""An index that was built when the replica was there already."""

READ_ONLY = r"read-only|during recovery"
HNSW = (
    "select name, setting, source from pg_settings where name like 'hnsw.%' order by 1"
)


@dataclass(frozen=True, slots=True)
class Pair:
    """A primary with `docs`, and its replica."""

    primary: Conn
    replica: Conn
    servers: tuple[server.EmbeddedServer, server.EmbeddedServer]
    vectors: Vectors
    index: MatryoshkaIndex

    @property
    def url(self) -> str:
        """Connection string of the replica."""
        return self.servers[1].url()

    def either(self, attributes: str) -> str:
        """Connection string of both servers, for libpq to choose one."""
        return make_conninfo(
            host=",".join(each.host for each in self.servers),
            port=",".join(str(each.port) for each in self.servers),
            user="postgres",
            dbname="postgres",
            target_session_attrs=attributes,
        )


@pytest.fixture(scope="module")
def pair(pg_version: int, clean_environment: None) -> Iterator[Pair]:
    settings = {
        **SETTINGS,
        "wal_level": "replica",
        "max_wal_senders": "4",
        # what is committed can be sent at once
        "synchronous_commit": "local",
    }
    vectors = matryoshka(1500)
    index = MatryoshkaIndex("docs", "embedding", dims=32)
    with (
        temporary_folder() as folder,
        server.embedded(folder / "primary", pg_version, settings=settings) as first,
        connect(first.url()) as primary,
    ):
        install(primary)
        make_table(primary, vectors[:1000])
        index.create(primary)
        primary.execute(
            "select mrl.create_search_function('search_docs', 'docs', 'embedding')"
        )
        copy = make_folder(folder / "replica")
        where = ("-h", first.host, "-p", str(first.port), "-U", "postgres", "-D", ".")
        how = ("-R", "-X", "stream", "-c", "fast", "--no-sync")
        run_as_server(copy, pg_version, "pg_basebackup", *where, *how)
        with (
            server.embedded(copy, pg_version, settings=settings) as second,
            connect(second.url()) as replica,
        ):
            # from here on by streaming: rows, an index, its row in the registry
            append(primary, vectors[1000:], sql.Identifier("docs"), first=1001)
            primary.execute("select mrl.create_index('docs', 'embedding', dims => 16)")
            primary.execute("analyze docs")
            catch_up(primary, replica)
            for conn in (primary, replica):
                force_index(conn)
            yield Pair(primary, replica, (first, second), vectors, index)


def catch_up(primary: Conn, replica: Conn) -> None:
    """Wait until the replica has replayed all that the primary has written."""
    position = primary.execute("select pg_current_wal_flush_lsn()").fetchall()[0][0]
    replayed = "select pg_last_wal_replay_lsn() >= %s::pg_lsn"
    wait(
        f"replay of {position}",
        lambda: replica.execute(replayed, [position]).fetchone() == (True,),
    )


def test_it_is_a_replica_with_all_that_the_primary_has(pair: Pair) -> None:
    assert pair.replica.execute("select pg_is_in_recovery()").fetchone() == (True,)
    for everything in (
        "select * from docs order by id",
        "select * from mrl.indexes order by index_name",
        "select * from mrl.registry order by index_name",
    ):
        kept = pair.replica.execute(everything).fetchall()
        assert kept == pair.primary.execute(everything).fetchall()


@pytest.mark.parametrize("way", SEARCHES)
def test_sql_answers_the_same_by_the_index(pair: Pair, way: str) -> None:
    statement = SEARCHES[way]
    before = pair.replica.execute(HNSW).fetchall()
    for query in matryoshka(3, seed=7):
        text = str(query.tolist())
        found = pair.replica.execute(statement, [text]).fetchall()
        assert len(found) == 7
        assert found == pair.primary.execute(statement, [text]).fetchall()
        assert index_scans(pair.replica, pair.index.name, statement, text) == 1
    assert pair.replica.execute(HNSW).fetchall() == before


def test_any_short_column_can_be_named(pair: Pair) -> None:
    statement = "select id from mrl.search(null::docs, 'embedding', %s, dims => 16)"
    text = str(pair.vectors[1200].tolist())
    found = pair.replica.execute(statement, [text]).fetchall()
    assert found[0] == (1201,)
    assert found == pair.primary.execute(statement, [text]).fetchall()
    assert index_scans(pair.replica, LATEST, statement, text) == 1


def test_the_printed_statement_runs_there(pair: Pair) -> None:
    printed = "select mrl.search_sql('docs', 'embedding', k => 7)"
    statement = pair.replica.execute(printed).fetchall()[0][0]
    assert pair.primary.execute(printed).fetchall() == [(statement,)]
    before = pair.replica.execute(HNSW).fetchall()
    for query in matryoshka(3, seed=7):
        given = [str(query.tolist())]
        with RawCursor(pair.replica) as here, RawCursor(pair.primary) as there:
            found = here.execute(statement, given, prepare=True).fetchall()
            assert found == there.execute(statement, given).fetchall()
            here.execute(f"explain (costs off, format json) {statement}", given)
            assert first_pass(here.fetchall()[0][0][0]["Plan"]) == [pair.index.name]
        assert [key for key, _ in found] == nearest(pair.vectors, query, 7)
    assert pair.replica.execute(HNSW).fetchall() == before


def test_python_searches_there(pair: Pair) -> None:
    queries = matryoshka(3, seed=7)
    before = pair.replica.execute(HNSW).fetchall()
    plan = pair.index.plan(pair.replica, queries[0])
    assert first_pass(explain(pair.replica, plan)) == [pair.index.name]
    expected = [pair.index.search(pair.primary, query) for query in queries]
    for query, found in zip(queries, expected, strict=True):
        assert pair.index.search(pair.replica, query) == found
        assert found.keys == nearest(pair.vectors, query)
    assert pair.index.search_many(pair.replica, queries) == expected
    assert pair.replica.execute(HNSW).fetchall() == before

    async def ask() -> None:
        async with await AsyncConnection.connect(pair.url, autocommit=True) as conn:
            await conn.execute("set enable_seqscan = off")
            assert await pair.index.search_async(conn, queries[0]) == expected[0]

    asyncio.run(ask())


def test_recall_can_be_measured_there(pair: Pair) -> None:
    measure = (
        "select * from mrl.recall('docs', 'embedding', k => 5, queries => %s::vector[])"
    )
    given = [[str(query.tolist()) for query in matryoshka(8, seed=7)]]
    before = pair.replica.execute(HNSW).fetchall()
    found = pair.replica.execute(measure, given).fetchall()
    assert found == pair.primary.execute(measure, given).fetchall()
    assert found[0][0] >= 0.95
    sampled = "select measured from mrl.recall('docs', 'embedding', sample => 6)"
    assert pair.replica.execute(sampled).fetchone() == (6,)
    assert pair.index.recall(pair.replica, sample=6).queries == 6
    assert pair.replica.execute(HNSW).fetchall() == before


def test_a_recall_is_kept_by_the_calibration_of_the_primary(pair: Pair) -> None:
    never_exact(pair.primary)
    pair.index.calibrate(pair.primary, k=5, sample=20)
    catch_up(pair.primary, pair.replica)
    everything = "select * from mrl.calibrations order by candidates, ef_search"
    kept = pair.replica.execute(everything).fetchall()
    assert kept == pair.primary.execute(everything).fetchall()
    search = (
        "select id from mrl.search(null::docs, 'embedding', %s, k => 5, recall => 0.5)"
    )
    query = least_far(pair.vectors, 5)
    found = pair.replica.execute(search, [str(query.tolist())]).fetchall()
    assert index_scans(pair.replica, pair.index.name, search, str(query.tolist())) == 1
    answer = pair.index.search(pair.replica, query, k=5, recall=0.5)
    assert [(key,) for key in answer.keys] == found
    assert answer.promise is not None
    assert answer.promise.standing == "rows"


def test_queries_are_kept_on_the_primary_alone(pair: Pair) -> None:
    pair.primary.execute("select mrl.sample_queries('docs', 'embedding', 1)")
    query = matryoshka(1, seed=9)[0]
    assert pair.index.keep_query(pair.primary, query)
    catch_up(pair.primary, pair.replica)
    assert not pair.index.keep_query(pair.replica, query)
    keep = "select mrl.keep_query('docs', 'embedding', %s)"
    assert pair.replica.execute(keep, [str(query.tolist())]).fetchone() == (False,)
    # but there they can be asked with
    report = pair.index.recall(pair.replica, real_queries=True)
    assert report.queries == 1


@pytest.mark.parametrize(
    "statement",
    [
        "select mrl.create_index('docs', 'embedding', dims => 8)",
        "select mrl.drop_index('docs', 'embedding', dims => 32)",
        "select mrl.create_search_function('other', 'docs', 'embedding')",
        "select mrl.calibrate('docs', 'embedding')",
        "select mrl.recall('docs', 'embedding', keep => true)",
    ],
)
def test_what_writes_fails_with_postgresqls_own_words(
    pair: Pair, statement: str
) -> None:
    with pytest.raises(errors.Error, match=READ_ONLY) as raised:
        pair.replica.execute(statement)
    assert raised.value.sqlstate in ("25006", "55000")  # read only; in recovery


def test_python_fails_there_in_the_same_words(pair: Pair) -> None:
    other = MatryoshkaIndex("docs", "embedding", dims=8)
    with pytest.raises(errors.Error, match=READ_ONLY):
        other.create(pair.replica)
    with pytest.raises(errors.Error, match=READ_ONLY):
        install(pair.replica)


def test_a_fill_waits_for_a_standby_that_lags(pair: Pair) -> None:
    index = MatryoshkaIndex("docs", "embedding", dims=8, keep="trigger")
    count = f"select count(*) from docs where {index.short} is not null"
    filled: list[int] = []

    def progress(told: Progress) -> None:
        if "waiting for a standby that lags" in told.stage and not filled:
            with connect(pair.primary.info.dsn) as other:
                filled.extend(other.execute(count.encode()).fetchall()[0])
            pair.replica.execute("select pg_wal_replay_resume()")

    paused = "select pg_get_wal_replay_pause_state() = 'paused'"
    pair.replica.execute("select pg_wal_replay_pause()")
    try:
        wait("pause", lambda: pair.replica.execute(paused).fetchone() == (True,))
        # more than the 64 MB by which a standby may lag
        pair.primary.execute(
            "select pg_logical_emit_message(false, 'lag', repeat('x', 70000000))"
        )
        index.create(pair.primary, progress=progress)
    finally:
        pair.replica.execute("select pg_wal_replay_resume()")
    # it waited before its first row, and went on
    assert filled == [0]
    assert pair.primary.execute(count.encode()).fetchone() == (len(pair.vectors),)
    catch_up(pair.primary, pair.replica)
    query = matryoshka(1, seed=7)[0]
    wanted = nearest(pair.vectors, query, 7)
    for conn in (pair.primary, pair.replica):
        found = index.search(conn, query, k=7, candidates=len(pair.vectors))
        assert found.keys == wanted
        plan = index.plan(conn, query, k=7, candidates=len(pair.vectors))
        assert first_pass(explain(conn, plan)) == [index.name]
    index.drop(pair.primary)
    catch_up(pair.primary, pair.replica)


# ------------------------------------------------------------------ which server


@pytest.mark.parametrize(
    ("attributes", "replica"),
    [
        ("primary", False),
        ("read-write", False),
        ("standby", True),
        ("read-only", True),
        ("prefer-standby", True),
    ],
)
def test_a_connection_string_chooses_the_server(
    pair: Pair, attributes: str, replica: bool, tmp_path: Path
) -> None:
    query = matryoshka(1, seed=7)[0]
    wanted = nearest(pair.vectors, query, 7)
    url = pair.either(attributes)
    with connect(url) as conn:
        assert conn.execute("select pg_is_in_recovery()").fetchone() == (replica,)
        assert pair.index.search(conn, query, k=7).keys == wanted

    async def ask() -> None:
        async with await AsyncConnection.connect(url, autocommit=True) as conn:
            assert conn.info.port == pair.servers[replica].port
            assert conn.info.host == pair.servers[replica].host
            found = await pair.index.search_async(conn, query, k=7)
            assert found.keys == wanted

    asyncio.run(ask())
    file = tmp_path / "query.json"
    file.write_text(str(query.tolist()))
    options = ("docs", "embedding", "--query", file, "--k", 7, "--json")
    shown = mrl_pg("search", *options, "--dims", 32, "--dsn", url)
    assert shown.returncode == 0, shown.stderr
    assert [hit["key"] for hit in json.loads(shown.stdout)["hits"]] == wanted
    status = mrl_pg("status", "docs", "--json", "--dsn", url)
    assert status.returncode == 0, status.stderr


def test_a_verb_that_writes_says_that_it_met_a_replica(pair: Pair) -> None:
    made = mrl_pg("create", "docs", "embedding", "--dims", 8, "--dsn", pair.url)
    assert made.returncode != 0
    assert "read-only" in made.stderr or "recovery" in made.stderr
    assert "Traceback" not in made.stderr


# ------------------------------------------------------------------ every interface


@pytest.fixture(scope="module")
def library(pair: Pair) -> Iterator[Library]:
    """Tables of every sort, made on the primary, searched on the replica."""
    first, second = pair.servers
    writable = Server(first.url(), first.version, pair.primary)

    @contextmanager
    def on_replica(url: str) -> Iterator[str]:
        catch_up(pair.primary, pair.replica)
        yield second.url(urlsplit(url).path.removeprefix("/"))

    with open_library(writable, through=on_replica) as library:
        yield library


@pytest.mark.parametrize("filtered", [False, True], ids=["all", "filtered"])
@pytest.mark.parametrize("word", TABLES)
def test_every_interface_answers_there(
    library: Library, word: str, filtered: bool
) -> None:
    table = TABLES[word]
    case = Case(table, table.layouts[0], filtered)
    exact = truth(library, case)
    for name, interface in INTERFACES.items():
        if name == "mrl.create_search_function":
            continue  # makes a function
        hits, scans = interface(library, case)
        assert hits == exact, name
        if table.rows:
            assert scans > 0, f"{name} did not use {case.index.name}"


# ------------------------------------------------------------------ lag


def test_a_replica_that_lags_answers_as_the_primary_did(pair: Pair) -> None:
    """Rows and indexes are those that it knows, and all at once when it catches up."""
    column = MatryoshkaColumn("lags", "embedding")
    vectors = matryoshka(400, seed=3)
    make_table(pair.primary, vectors, table="lags")
    old = MatryoshkaIndex("lags", "embedding", dims=16)
    new = MatryoshkaIndex("lags", "embedding", dims=32)
    old.create(pair.primary)
    catch_up(pair.primary, pair.replica)
    query = matryoshka(1, seed=8)[0]

    def used(conn: Conn) -> list[str]:
        return first_pass(explain(conn, column.plan(conn, query)))

    wanted = nearest(vectors, query)
    assert column.search(pair.replica, query, candidates=400).keys == wanted
    paused = "select pg_get_wal_replay_pause_state() = 'paused'"
    pair.replica.execute("select pg_wal_replay_pause()")
    try:
        wait("pause", lambda: pair.replica.execute(paused).fetchone() == (True,))
        new.create(pair.primary)
        old.drop(pair.primary)
        key = pair.primary.execute(
            "insert into lags (id, n, title, embedding) values (1000, 1, '', %s)"
            " returning id",
            [str(query.tolist())],
        ).fetchall()[0][0]
        assert column.search(pair.primary, query).keys[0] == key
        assert used(pair.primary) == [new.name]
        assert column.search(pair.replica, query, candidates=400).keys == wanted
        assert used(pair.replica) == [old.name]
    finally:
        pair.replica.execute("select pg_wal_replay_resume()")
    catch_up(pair.primary, pair.replica)
    found = column.search(pair.replica, query, candidates=400)
    assert found.keys == [key, *wanted[:-1]]
    assert used(pair.replica) == [new.name]
