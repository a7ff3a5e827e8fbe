"""Databases for tests: two servers a session, one fresh database a test."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache, partial

import psycopg
import pytest
from psycopg import sql
from support.databases import SETTINGS, TEMPLATE, Server, connect
from support.folders import temporary_folder

from mrl_pg import install, server
from mrl_pg.server import EmbeddedServer


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
def prepared(clean_environment: None) -> Iterator[Callable[[int], Server]]:
    """The server of a version, started when first asked for; removed in the end.

    Not by `pg_server` itself, which pytest takes down at each change of version: that
    is twice a file.
    """
    with ExitStack() as stack:
        yield cache(partial(prepare, stack))


def prepare(stack: ExitStack, version: int) -> Server:
    """Start a server with settings for tests, and make the database to be copied."""
    # Not pytest's own folder: it takes the way in from the server's user again.
    folder = stack.enter_context(temporary_folder()) / f"pg{version}"
    running = stack.enter_context(server.embedded(folder, version, settings=SETTINGS))
    admin = stack.enter_context(connect(running.url()))
    admin.execute(sql.SQL("create database {}").format(sql.Identifier(TEMPLATE)))
    with connect(running.url(TEMPLATE)) as conn:
        conn.execute("create extension vector")
        install(conn)
    return Server(running.url(), version, admin, running)


@pytest.fixture(scope="session")
def pg_server(pg_version: int, prepared: Callable[[int], Server]) -> Server:
    """A server for the session, with settings for tests."""
    return prepared(pg_version)


@pytest.fixture(scope="session")
def embedded_server(pg_server: Server) -> EmbeddedServer:
    """The same, for tests that look into its folder."""
    assert pg_server.embedded is not None
    return pg_server.embedded


@pytest.fixture(scope="session")
def admin(pg_server: Server) -> psycopg.Connection:
    """A superuser's connection to `postgres`."""
    return pg_server.admin


@pytest.fixture
def database(pg_server: Server) -> Iterator[str]:
    """Connection string of a fresh database with pgvector and mrl installed."""
    with pg_server.fresh() as url:
        yield url


@pytest.fixture
def bare_database(pg_server: Server) -> Iterator[str]:
    """Connection string of a fresh database without pgvector or mrl."""
    with pg_server.fresh("template0") as url:
        yield url


@pytest.fixture
def conn(database: str) -> Iterator[psycopg.Connection]:
    """An autocommit connection to `database`."""
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection
