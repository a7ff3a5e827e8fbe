"""Progress of a build: watched from a second connection, or not at all."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from mrl_pg import MatryoshkaIndex, Progress
from mrl_pg.server import EmbeddedServer

Conn = psycopg.Connection[Any]
ROWS, DIMS = 4_000, 64
# a wide search for neighbours makes the build last a second or so
INDEX = MatryoshkaIndex("docs", "embedding", dims=DIMS, m=16, ef_construction=200)


@pytest.fixture
def docs(conn: Conn) -> Iterator[Conn]:
    """A table that takes a moment to index."""
    conn.execute(f"create table docs (id int, embedding halfvec({DIMS}))".encode())
    vectors = np.random.default_rng(4).standard_normal((ROWS, DIMS)).round(2)
    with conn.cursor().copy("copy docs from stdin") as copy:
        for i, vector in enumerate(vectors.tolist()):
            copy.write_row([i, str(vector)])
    conn.execute("alter table docs add primary key (id)")
    yield conn


def test_a_build_is_reported(docs: Conn, database: str) -> None:
    seen: list[Progress] = []
    threads = set[int]()

    def watch(progress: Progress) -> None:
        seen.append(progress)
        threads.add(threading.get_ident())

    INDEX.create(docs, workers=0, progress=watch)
    assert seen
    assert threads.isdisjoint({threading.get_ident()})
    for look in seen:
        assert look.stage.startswith(("initializing", "building index"))
        assert 0 <= look.done <= (look.total or 0)
        assert 0 <= look.rows <= ROWS
    rows = [look.rows for look in seen]
    assert rows == sorted(rows)
    assert max(rows) > 0
    assert max(look.total or 0 for look in seen) > 0
    others = docs.execute(
        "select from pg_stat_activity where datname = current_database() "
        "and pid <> pg_backend_pid() and backend_type = 'client backend'"
    )
    assert others.fetchall() == []


def test_the_async_twin_reports_too(docs: Conn, database: str) -> None:
    seen: list[Progress] = []

    async def run() -> None:
        async with await psycopg.AsyncConnection.connect(
            database, autocommit=True
        ) as conn:
            await INDEX.create_async(conn, workers=0, progress=seen.append)

    asyncio.run(run())
    assert max(look.rows for look in seen) > 0


def test_a_server_without_room_for_a_watcher(
    conn: Conn, database: str, pg_server: EmbeddedServer
) -> None:
    seen: list[Progress] = []
    conn.execute("create role progress_alone login connection limit 1")
    conn.execute("grant create on schema public to progress_alone")
    with psycopg.connect(
        make_conninfo(database, user="progress_alone"), autocommit=True
    ) as alone:
        alone.execute("create table docs (id int primary key, embedding vector(64))")
        report = INDEX.create(alone, progress=seen.append)
    assert report.changed
    assert seen == []


def test_nothing_to_build_is_nothing_to_report(conn: Conn) -> None:
    seen: list[Progress] = []
    conn.execute("create table docs (id int primary key, embedding vector(64))")
    INDEX.create(conn)
    assert not INDEX.create(conn, progress=seen.append).changed
    assert seen == []
