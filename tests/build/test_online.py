"""Indexes that are built while others write, and without a short column."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg import errors, sql
from support.databases import database_fixture
from support.plans import explain, force_index, indexes
from support.vectors import matryoshka

from mrl_pg import (
    BuildRunning,
    IndexNotFound,
    InvalidSetting,
    MatryoshkaIndex,
    RebuildRefused,
    source,
)

Conn = psycopg.Connection[Any]

INDEX = MatryoshkaIndex("docs", "embedding", dims=16, kind="bit")
FULL = "docs_embedding_hnsw"
ROWS = matryoshka(600, dims=32)


def prepare(conn: Conn) -> None:
    conn.execute("create table docs (id int primary key, embedding vector(32))")
    with conn.cursor().copy("copy docs (id, embedding) from stdin") as copy:
        for key, row in enumerate(ROWS.tolist()):
            copy.write_row([key, str(row)])
    conn.execute(
        f"create index {FULL} on docs using hnsw (embedding vector_cosine_ops)"
    )
    conn.execute("analyze docs")


database = database_fixture(prepare, used_by="docs")


@pytest.fixture
def docs(conn: Conn) -> Conn:
    """A table in use: rows, and an index over the full vectors."""
    return conn


def columns(conn: Conn) -> list[str]:
    rows = conn.execute(
        "select attname::text from pg_attribute where attrelid = 'docs'::regclass "
        "and attnum > 0 and not attisdropped order by attnum"
    )
    return [name for (name,) in rows]


def file_of(conn: Conn, relation: str) -> int:
    """Changes when PostgreSQL rewrites or rebuilds it."""
    ((number,),) = conn.execute("select pg_relation_filenode(%s::regclass)", [relation])
    return int(number)


def nearest(query: np.ndarray) -> list[int]:
    return [int(key) for key in np.argsort(-(ROWS @ query), kind="stable")[:5]]


@pytest.mark.parametrize("kind", ["bit", "halfvec", "vector"])
@pytest.mark.parametrize("concurrently", [True, False])
def test_a_table_with_a_vector_index_gets_no_column(
    docs: Conn, kind: Any, concurrently: bool
) -> None:
    index = MatryoshkaIndex("docs", "embedding", dims=32, kind=kind)
    before = file_of(docs, "docs"), file_of(docs, FULL)
    report = index.create(docs, concurrently=concurrently)
    assert report.kept_as == "expression"
    assert report.why is not None
    assert FULL in report.why
    assert columns(docs) == ["id", "embedding"]
    assert (file_of(docs, "docs"), file_of(docs, FULL)) == before
    assert not index.create(docs).changed
    force_index(docs)
    query = matryoshka(1, dims=32, seed=7)[0]
    exact = nearest(query)
    found = index.search(docs, query, k=5, candidates=400)
    assert [hit.key for hit in found.hits] == exact
    plan = index.plan(docs, query, k=5, candidates=400)
    assert indexes(explain(docs, plan)) == [index.name]
    by_sql = docs.execute(
        "select id from mrl.search(null::docs, 'embedding', %s::vector, k => 5, "
        "candidates => 400)",
        [str(query.tolist())],
    )
    assert [key for (key,) in by_sql] == exact
    # rows that come later are found, and rows that change
    docs.execute("insert into docs values (9000, %s::vector)", [str(query.tolist())])
    docs.execute(
        "update docs set embedding = %s::vector where id = 1", [str(query.tolist())]
    )
    keys = [hit.key for hit in index.search(docs, query, k=2, candidates=400).hits]
    assert sorted(keys) == [1, 9000]
    assert "dropped index" in str(index.drop(docs))
    assert not index.drop(docs).changed


def test_a_column_that_rebuilds_vector_indexes_has_to_be_allowed(docs: Conn) -> None:
    index = MatryoshkaIndex("docs", "embedding", dims=16, keep="generated")
    before = file_of(docs, FULL)
    with pytest.raises(RebuildRefused, match=rf"{FULL} \(.*kB\).*rebuild=True"):
        index.create(docs)
    with pytest.raises(
        errors.ObjectNotInPrerequisiteState, match=rf"rebuilds.*{FULL} \(.*kB\)"
    ):
        docs.execute(
            "select mrl.create_index('docs', 'embedding', 16, keep => %s)",
            ["generated"],
        )
    assert columns(docs) == ["id", "embedding"]
    assert file_of(docs, FULL) == before
    assert index.create(docs, rebuild=True).kept_as == "generated"
    assert columns(docs)[-1] == index.short
    assert file_of(docs, FULL) != before


def test_an_empty_table_gets_a_column(conn: Conn) -> None:
    conn.execute("create table docs (id int primary key, embedding vector(32))")
    conn.execute("create index on docs using hnsw (embedding vector_cosine_ops)")
    assert INDEX.create(conn).kept_as == "generated"


def test_concurrently_needs_a_connection_outside_a_transaction(docs: Conn) -> None:
    with docs.transaction(), pytest.raises(InvalidSetting, match="autocommit=True"):
        INDEX.create(docs, concurrently=True)
    with docs.transaction():
        # builds in the transaction of the caller
        assert INDEX.create(docs).changed
        raise psycopg.Rollback
    assert not docs.execute("select from mrl.registry").fetchall()


# ------------------------------------------------------------------ beside others


class Waiting:
    """A build that waits for an old transaction; `end` lets it go on."""

    def __init__(self, database: str, build: Callable[[Conn], object]) -> None:
        self.old = psycopg.connect(database)
        # a snapshot that every concurrent build has to wait for
        self.old.execute("set transaction isolation level repeatable read")
        self.old.execute("create temporary table waited_for ()")
        # a reader of the table, for whom a concurrent drop waits
        self.old.execute("select from docs limit 1")
        self.watcher = psycopg.connect(database, autocommit=True)
        self.raised: BaseException | None = None
        self.conn = psycopg.connect(database, autocommit=True)
        self.pid = self.conn.info.backend_pid
        self.thread = threading.Thread(target=self._run, args=[build])
        self.thread.start()
        self._until_it_waits()

    def _run(self, build: Callable[[Conn], object]) -> None:
        try:
            build(self.conn)
        except BaseException as error:
            self.raised = error

    def _until_it_waits(self) -> None:
        while not self.watcher.execute(
            "select from pg_locks where pid = %s and not granted", [self.pid]
        ).fetchall():
            assert self.thread.is_alive(), self.raised
            time.sleep(0.01)

    def locks(self) -> set[str]:
        """The modes of its locks on tables and indexes of the user."""
        rows = self.watcher.execute(
            "select mode from pg_locks join pg_class on pg_class.oid = relation "
            "where pid = %s and relnamespace = 'public'::regnamespace",
            [self.pid],
        )
        return {mode for (mode,) in rows}

    def end(self) -> BaseException | None:
        if self.old.closed:
            return self.raised
        self.old.rollback()
        self.thread.join()
        for conn in (self.old, self.watcher, self.conn):
            conn.close()
        return self.raised


@pytest.fixture
def waiting(docs: Conn, database: str) -> Iterator[Waiting]:
    build = Waiting(database, INDEX.create)
    yield build
    build.end()


def test_nobody_waits_for_a_build(docs: Conn, waiting: Waiting) -> None:
    assert waiting.locks() <= {"ShareUpdateExclusiveLock", "AccessShareLock"}
    docs.execute("set lock_timeout = '50ms'")
    docs.execute("update docs set embedding = embedding where id < 5")
    docs.execute("delete from docs where id = 5")
    with pytest.raises(BuildRunning, match=f"process {waiting.pid} "):
        INDEX.create(docs)
    with pytest.raises(IndexNotFound):
        INDEX.search(docs, ROWS[0])
    assert waiting.end() is None
    assert INDEX.search(docs, ROWS[6], k=1, candidates=100).hits[0].key == 6
    assert not INDEX.create(docs).changed


def test_it_says_which_process_it_waits_for(waiting: Waiting) -> None:
    query = source.statement("build_progress")
    while True:
        rows = waiting.watcher.execute(query, {"pid": waiting.pid}).fetchall()
        if rows and "process" in rows[0][0]:
            break
        assert waiting.thread.is_alive()
    assert f"process {waiting.old.info.backend_pid} of role" in rows[0][0]


@pytest.mark.parametrize("how", ["terminate", "cancel"])
def test_a_build_that_is_killed_is_finished_by_the_next(
    docs: Conn, waiting: Waiting, how: str
) -> None:
    waiting.watcher.execute(
        sql.SQL("select {}(%s)").format(sql.Identifier(f"pg_{how}_backend")),
        [waiting.pid],
    )
    waiting.thread.join()
    assert isinstance(waiting.raised, errors.OperationalError)
    if how == "cancel":
        ((lock, statement),) = waiting.conn.execute(
            "select current_setting('lock_timeout'), "
            "current_setting('statement_timeout')"
        )
        assert (lock, statement) == ("0", "0")
    ((valid,),) = docs.execute(
        "select indisvalid from pg_index where indexrelid = %s::regclass", [INDEX.name]
    )
    assert valid is False
    with pytest.raises(IndexNotFound, match="is not valid"):
        INDEX.search(docs, ROWS[0])
    waiting.old.rollback()
    report = INDEX.create(docs)
    assert "dropped the invalid index" in str(report)
    assert INDEX.search(docs, ROWS[6], k=1, candidates=100).hits[0].key == 6


def test_the_callers_settings_come_back(docs: Conn) -> None:
    docs.execute("set lock_timeout = '7s'")
    docs.execute("set statement_timeout = '70s'")
    docs.execute("set maintenance_work_mem = '9MB'")
    INDEX.create(docs, maintenance_work_mem="20MB")
    assert docs.execute(
        "select current_setting('lock_timeout'), current_setting('statement_timeout'), "
        "current_setting('maintenance_work_mem')"
    ).fetchall() == [("7s", "70s", "9MB")]


# ------------------------------------------------------------------ partitions


@pytest.fixture
def parts(conn: Conn) -> Iterator[Conn]:
    """A partitioned table in use: two levels, with an index over full vectors."""
    conn.execute("""
        create table docs (id int primary key, embedding vector(32))
            partition by range (id);
        create table docs_low partition of docs for values from (0) to (300);
        create table docs_high partition of docs for values from (300) to (9999)
            partition by range (id);
        create table docs_mid partition of docs_high for values from (300) to (500);
        create table docs_top partition of docs_high for values from (500) to (9999);
    """)
    with conn.cursor().copy("copy docs (id, embedding) from stdin") as copy:
        for key, row in enumerate(ROWS.tolist()):
            copy.write_row([key, str(row)])
    conn.execute(
        f"create index {FULL} on docs using hnsw (embedding vector_cosine_ops)"
    )
    conn.execute("analyze docs")
    force_index(conn)
    yield conn


LEAVES = ("docs_low", "docs_mid", "docs_top")
PARTED = MatryoshkaIndex("docs", "embedding", dims=32, kind="halfvec")


def check_parts(conn: Conn) -> None:
    query = matryoshka(1, dims=32, seed=7)[0]
    found = PARTED.search(conn, query, k=5, candidates=400)
    assert found.keys == nearest(query)
    scanned = indexes(explain(conn, PARTED.plan(conn, query, k=5, candidates=400)))
    assert sorted(scanned) == sorted(f"{leaf}_{PARTED.name}" for leaf in LEAVES)


def test_each_partition_is_built_by_itself(parts: Conn) -> None:
    before = [file_of(parts, table) for table in LEAVES]
    report = PARTED.create(parts)
    assert report.kept_as == "expression"
    assert [label for label, _ in report.done if "docs_mid" in label] == [
        f"built index docs_mid_{PARTED.name}",
        f"attached index docs_mid_{PARTED.name}",
    ]
    assert [file_of(parts, table) for table in LEAVES] == before
    check_parts(parts)
    assert not PARTED.create(parts).changed
    # PostgreSQL indexes a new partition by itself
    parts.execute(
        "create table docs_new partition of docs for values from (9999) to (99999)"
    )
    assert parts.execute(
        "select count(*) from pg_index where indrelid = 'docs_new'::regclass"
    ).fetchall() == [(3,)]
    assert "dropped index" in str(PARTED.drop(parts))


@pytest.mark.parametrize("after", [1, 3, 7])
def test_partitions_that_broke_off_are_finished(parts: Conn, after: int) -> None:
    call = "select mrl.create_index_sql('docs', 'embedding', dims => 32)"
    for (statement,) in parts.execute(call).fetchall()[:after]:
        parts.execute(statement)
    PARTED.create(parts)
    check_parts(parts)
    assert not PARTED.create(parts).changed


# ------------------------------------------------------------------ drop


def test_an_index_without_a_column_is_dropped_concurrently(
    docs: Conn, database: str
) -> None:
    INDEX.create(docs)
    drop = Waiting(database, INDEX.drop)
    assert "AccessExclusiveLock" not in drop.locks()
    docs.execute("set lock_timeout = '50ms'")
    docs.execute("update docs set embedding = embedding where id < 5")
    assert drop.end() is None
    assert docs.execute("select from mrl.registry").fetchall() == []
    assert not INDEX.drop(docs).changed


def test_a_drop_of_a_column_keeps_nobody_waiting_behind_a_reader(
    docs: Conn, database: str
) -> None:
    index = MatryoshkaIndex("docs", "embedding", dims=16, keep="trigger")
    index.create(docs)
    with psycopg.connect(database) as reader:
        reader.execute("select from docs limit 1")
        dropping = threading.Thread(target=index.drop, args=[docs])
        dropping.start()
        with psycopg.connect(database, autocommit=True) as writer:
            # passes between two tries, or waits for one of at most 500 ms
            writer.execute("set lock_timeout = '5s'")
            for _ in range(5):
                writer.execute("update docs set embedding = embedding where id = 7")
                time.sleep(0.2)
        assert dropping.is_alive()
        reader.rollback()
        dropping.join()
    assert columns(docs) == ["id", "embedding"]
