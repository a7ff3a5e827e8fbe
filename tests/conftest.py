"""Databases for tests: two servers a session, one fresh database a test."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache, partial

import psycopg
import pytest
from psycopg import sql
from support.folders import temporary_folder
from support.helpers import connect, fresh_database

from mrl_pg import install, server
from mrl_pg.server import EmbeddedServer

SETTINGS = {
    # Nothing here has to survive a crash.
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    # Small enough for several sessions side by side.
    "shared_buffers": "256MB",
    "maintenance_work_mem": "256MB",
    "effective_cache_size": "1GB",
    "max_connections": "50",
    # Plans must not change halfway because autovacuum came along.
    "autovacuum": "off",
    # Plans must use the index under PostgreSQL's own default costs, too.
    "random_page_cost": "4",
    # Each `drop database` makes one.
    "log_checkpoints": "off",
}
TEMPLATE = "mrl_template"


@pytest.fixture(scope="session", autouse=True)
def clean_environment() -> Iterator[None]:
    """Nothing the developer has set decides which server a test talks to."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith("PG") or name in ("DATABASE_URL", "XDG_RUNTIME_DIR"):
                patch.delenv(name)
        yield


@pytest.fixture(scope="session", params=[18, 16], ids=["pg18", "pg16"])
def pg_version(request: pytest.FixtureRequest) -> int:
    """Major version of PostgreSQL; every test of a database runs on both."""
    version: int = request.param
    return version


@dataclass(frozen=True, slots=True)
class Prepared:
    """A server for the session: a superuser in `postgres`, and what is copied."""

    server: EmbeddedServer
    admin: psycopg.Connection
    template: str


@pytest.fixture(scope="session")
def prepared(clean_environment: None) -> Iterator[Callable[[int], Prepared]]:
    """The server of a version, started when first asked for; removed in the end.

    Not by `pg_server` itself, which pytest takes down at each change of version: that
    is twice a file.
    """
    with ExitStack() as stack:
        yield cache(partial(prepare, stack))


def prepare(stack: ExitStack, version: int) -> Prepared:
    """Start a server with settings for tests, and make the database to be copied."""
    # Not pytest's own folder: it takes the way in from the server's user again.
    folder = stack.enter_context(temporary_folder()) / f"pg{version}"
    running = stack.enter_context(server.embedded(folder, version, settings=SETTINGS))
    admin = stack.enter_context(connect(running.url()))
    admin.execute(sql.SQL("create database {}").format(sql.Identifier(TEMPLATE)))
    with connect(running.url(TEMPLATE)) as conn:
        conn.execute("create extension vector")
        install(conn)
    return Prepared(running, admin, TEMPLATE)


@pytest.fixture(scope="session")
def pg_server(pg_version: int, prepared: Callable[[int], Prepared]) -> EmbeddedServer:
    """A server for the session, with settings for tests."""
    return prepared(pg_version).server


@pytest.fixture(scope="session")
def admin(pg_version: int, prepared: Callable[[int], Prepared]) -> psycopg.Connection:
    """A superuser's connection to `postgres`, to make and drop databases with."""
    return prepared(pg_version).admin


@pytest.fixture(scope="session")
def template(pg_version: int, prepared: Callable[[int], Prepared]) -> str:
    """Name of a database with pgvector and mrl installed, to be copied."""
    return prepared(pg_version).template


@pytest.fixture
def database(
    pg_server: EmbeddedServer, admin: psycopg.Connection, template: str
) -> Iterator[str]:
    """Connection string of a fresh database with pgvector and mrl installed."""
    with fresh_database(pg_server, admin, template) as url:
        yield url


@pytest.fixture
def bare_database(
    pg_server: EmbeddedServer, admin: psycopg.Connection
) -> Iterator[str]:
    """Connection string of a fresh database without pgvector or mrl."""
    with fresh_database(pg_server, admin, "template0") as url:
        yield url


@pytest.fixture
def conn(database: str) -> Iterator[psycopg.Connection]:
    """An autocommit connection to `database`."""
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection
