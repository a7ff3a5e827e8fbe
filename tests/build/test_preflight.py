"""What a build will need, said before it starts, against what it then takes."""

import asyncio
import json
from typing import Any

import psycopg
import pytest
from support.command import mrl_pg
from support.databases import Conn, connect
from support.tables import make_table
from support.vectors import matryoshka

from mrl_pg import MatryoshkaIndex, Preflight
from mrl_pg.kinds import Kind
from mrl_pg.tune.predict.index_size import index_bytes

ROWS = matryoshka(2000, dims=128)
INDEX = MatryoshkaIndex(
    "docs", "embedding", dims=64, m=8, ef_construction=16, keep="expression"
)


@pytest.fixture
def docs(conn: Conn) -> Conn:
    make_table(conn, ROWS)
    return conn


def state(conn: Conn) -> list[tuple[Any, ...]]:
    """Everything that a build could change."""
    return conn.execute(
        "select oid::regclass::text, relfilenode, relpages, reltuples from pg_class "
        "where relnamespace in ('public'::regnamespace, 'mrl'::regnamespace) "
        "order by oid"
    ).fetchall()


@pytest.mark.parametrize(
    ("kind", "dims", "m"), [("halfvec", 64, 8), ("bit", 128, 16), ("vector", 100, 32)]
)
def test_sizes_are_those_that_the_build_then_takes(
    docs: Conn, kind: Kind, dims: int, m: int
) -> None:
    docs.execute(
        "insert into docs (id) select 100000 + n from generate_series(1, 500) n"
    )
    index = MatryoshkaIndex(
        *("docs", "embedding"),
        dims=dims,
        kind=kind,
        m=m,
        ef_construction=2 * m,
        keep="expression",
    )
    told = index.preflight(docs)
    assert told.rows == len(ROWS)
    report = index.create(docs)
    assert told.index_bytes == pytest.approx(report.index_bytes, rel=0.1)
    assert told.index_bytes == pytest.approx(
        index_bytes(kind, dims, len(ROWS), m), rel=0.02, abs=16_384
    )
    assert told.disk_bytes == told.index_bytes
    again = index.preflight(docs)
    assert not again.changes
    assert again.says == ("nothing is left to do",)


def test_the_graph_fits_the_memory_that_it_names(docs: Conn) -> None:
    notices: list[str] = []
    docs.add_notice_handler(lambda said: notices.append(said.message_primary or ""))
    index = MatryoshkaIndex("docs", "embedding", dims=128, keep="expression")
    told = index.preflight(docs, maintenance_work_mem="1MB")
    assert told.maintenance_work_mem == 1024 * 1024
    assert not told.fits
    assert f"set it to {told.memory_needed} for this build" in str(told)
    index.create(docs, maintenance_work_mem="1MB")
    assert any("no longer fits" in text for text in notices)
    index.drop(docs)
    notices.clear()
    assert index.preflight(docs, maintenance_work_mem=told.memory_needed).fits
    index.create(docs, maintenance_work_mem=told.memory_needed)
    assert notices == []


def test_it_changes_nothing(docs: Conn, database: str) -> None:
    before = state(docs)
    told = INDEX.preflight(docs)
    assert [(step.lock, step.held) for step in told.steps] == [
        ("SHARE UPDATE EXCLUSIVE", "while the index is built"),
        ("ACCESS SHARE", "while a sample is searched"),
        ("ACCESS SHARE", "a moment"),
    ]
    described = ("docs", "embedding", "--dims", "64", "--m", "8")
    command = ("create", *described, "--keep", "expression", "--dsn", database)
    done = mrl_pg(*command, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "create index concurrently" in done.stdout
    assert "SHARE UPDATE EXCLUSIVE lock" in done.stdout
    done = mrl_pg(*command, "--dry-run", "--json")
    shown = json.loads(done.stdout)
    assert shown["index_bytes"] == told.index_bytes
    assert [step["lock"] for step in shown["steps"]] == [
        step.lock for step in told.steps
    ]
    assert state(docs) == before
    done = mrl_pg(*command, "--json")
    assert json.loads(done.stdout)["preflight"]["index_bytes"] == told.index_bytes


def test_it_names_other_indexes(docs: Conn) -> None:
    docs.execute("create index mine on docs using hnsw (embedding vector_cosine_ops)")
    effects = {}
    for keep in ("generated", "trigger", "expression"):
        index = MatryoshkaIndex("docs", "embedding", dims=64, keep=keep)
        told = index.preflight(docs)
        assert told.refused == (keep == "generated")
        (mine,) = (other for other in told.other_indexes if "mine" in other.name)
        size = docs.execute("select pg_relation_size('mine')").fetchone()
        assert size == (mine.bytes,)
        effects[keep] = mine.effect
        assert any("mine" in says for says in told.short()) == (keep != "expression")
    assert effects == {
        "generated": "is built again",
        "trigger": "gets an entry for each row",
        "expression": "stays as it is",
    }


def test_it_names_those_that_the_build_would_wait_for(
    docs: Conn, database: str
) -> None:
    with connect(database) as reader, connect(database) as writer:
        reader.execute("begin isolation level repeatable read")
        reader.execute("select from pg_class")
        writer.execute("begin")
        writer.execute("update docs set id = id where id = 1")
        told = INDEX.preflight(docs)
        old = {known.pid: known for known in told.waits_for}
        for conn, why in ((reader, "snapshot"), (writer, "has written to the table")):
            known = old[conn.info.backend_pid]
            assert known.role == conn.info.user
            assert known.since
            assert why in known.why
            assert f"process {known.pid} of role" in str(told)
        # a build in a transaction waits for no snapshot
        assert INDEX.preflight(docs, concurrently=False).waits_for == ()


def test_the_async_form_says_the_same(docs: Conn, database: str) -> None:
    async def ask() -> Preflight:
        opened = psycopg.AsyncConnection.connect(database, autocommit=True)
        async with await opened as conn:
            return await INDEX.preflight_async(conn)

    assert asyncio.run(ask()).index_bytes == INDEX.preflight(docs).index_bytes


def test_workers_although_full_vectors_are_in_toast(conn: Conn) -> None:
    conn.execute(
        "create table docs (id int primary key, embedding vector(3), rest text); "
        "alter table docs alter rest set storage external, "
        "alter embedding set storage external"
    )
    conn.execute(
        "insert into docs "
        "select n, array[sin(n), cos(n), 2]::vector, repeat('x', 80000) "
        "from generate_series(1, 900) n"
    )
    said: list[str] = []
    conn.add_notice_handler(lambda notice: said.append(notice.message_primary or ""))
    index = MatryoshkaIndex("docs", "embedding", dims=2, keep="expression")
    told = index.preflight(conn, workers=1)
    assert (told.workers, told.limited_by) == (1, "max_parallel_maintenance_workers")
    before = conn.execute("show min_parallel_table_scan_size").fetchone()
    conn.execute("set client_min_messages = debug1")
    index.create(conn, workers=1)
    conn.execute("reset client_min_messages")
    assert "using 1 parallel workers" in said
    assert conn.execute("show min_parallel_table_scan_size").fetchone() == before


def test_small_numbers_beside_an_index_of_halves(conn: Conn) -> None:
    """Their products are below what a half can hold, which pgvector refuses."""
    make_table(conn, ROWS[:100] * 1e-4)
    conn.execute(
        "create index small on docs using hnsw"
        " ((embedding::halfvec(128)) halfvec_ip_ops)"
    )
    told = INDEX.preflight(conn)
    assert any("small" in other.name for other in told.other_indexes)
