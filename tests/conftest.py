"""Databases for tests: two servers a session, one fresh database a test."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from helpers import fresh_database
from psycopg import sql

from mrl_pg import server
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


@pytest.fixture(scope="session")
def pg_server(pg_version: int, clean_environment: None) -> Iterator[EmbeddedServer]:
    """A server for the session, with settings for tests; removed afterwards."""
    # Not pytest's own folder: it takes the way in from the server's user again.
    home = Path(tempfile.mkdtemp(prefix="mrl_pg-test-"))
    try:
        with server.embedded(
            home / f"pg{pg_version}", pg_version, settings=SETTINGS
        ) as running:
            yield running
    finally:
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def admin(pg_server: EmbeddedServer) -> Iterator[psycopg.Connection]:
    """A superuser's connection to `postgres`, to make and drop databases with."""
    with psycopg.connect(pg_server.url(), autocommit=True) as conn:
        yield conn


@pytest.fixture(scope="session")
def template(pg_server: EmbeddedServer, admin: psycopg.Connection) -> str:
    """Name of a database with pgvector and mrl installed, to be copied."""
    from mrl_pg.install import install

    admin.execute(sql.SQL("create database {}").format(sql.Identifier(TEMPLATE)))
    with psycopg.connect(pg_server.url(TEMPLATE), autocommit=True) as conn:
        conn.execute("create extension vector")
        install(conn)
    return TEMPLATE


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
