"""Servers for tests, and fresh databases on them."""

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import psycopg
import pytest
from psycopg import Connection, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from mrl_pg.server import EmbeddedServer

Conn = Connection[Any]

SETTINGS = {
    # Nothing here has to survive a crash.
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    # Small enough for several sessions at the same time. All of it is looked through
    # whenever a table is dropped.
    "shared_buffers": "32MB",
    "maintenance_work_mem": "256MB",
    "effective_cache_size": "1GB",
    "max_connections": "50",
    # Autovacuum could change plans in the middle of a test.
    "autovacuum": "off",
    # Plans must use the index also under PostgreSQL's own default costs.
    "random_page_cost": "4",
    # Each `drop database` makes a checkpoint.
    "log_checkpoints": "off",
}
"""Settings of every server that tests start."""

TEMPLATE = f"mrl_template_{os.getpid()}"
"""Name of a database with pgvector and mrl_pg, to be copied."""

NUMBERS = itertools.count(1)

CLOSING: list[Callable[[], object]] = []
"""Called before a database is copied or dropped; they close connections."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server on which tests make databases, with a superuser's connection."""

    base_url: str
    version: int
    admin: Conn
    embedded: EmbeddedServer | None = None
    templates: set[str] = field(default_factory=set)

    def url(self, database: str = "postgres") -> str:
        """Connection string of one database, as a superuser."""
        return urlsplit(self.base_url)._replace(path=f"/{quote(database)}").geturl()

    @contextmanager
    def fresh(self, template: str = TEMPLATE) -> Iterator[str]:
        """Connection string of a copy of a database, for a test or a module."""
        name = f"test_{os.getpid()}_{next(NUMBERS)}"
        self._copy(template, name)
        try:
            yield self.url(name)
        finally:
            self._drop(name)

    @contextmanager
    def copy_of(self, name: str, build: Callable[[str], object]) -> Iterator[str]:
        """Connection string of a copy of a database that is built only once.

        `build` is given a connection string, and leaves no connection open.
        """
        template = f"{TEMPLATE}_{name}"
        if template not in self.templates:
            self._copy(TEMPLATE, template)
            self.templates.add(template)
            build(self.url(template))
        with self.fresh(template) as url:
            yield url

    def drop_templates(self) -> None:
        """Drop the databases that `copy_of` built, on a server that keeps running."""
        for template in self.templates:
            self._drop(template)

    def _copy(self, template: str, name: str) -> None:
        close_left()
        # PostgreSQL 18 takes 130 ms to copy through the log, 15 ms to copy the files.
        create = sql.SQL("create database {} template {} strategy file_copy")
        names = map(sql.Identifier, (name, template))
        self.admin.execute(create.format(*names))
        if self.embedded is None:
            # a server that tests start has these in its configuration
            for setting in ("random_page_cost", "effective_cache_size"):
                alter = sql.SQL("alter database {} set {} = {}").format(
                    sql.Identifier(name), sql.SQL(setting), SETTINGS[setting]
                )
                self.admin.execute(alter)

    def _drop(self, name: str) -> None:
        close_left()
        drop = sql.SQL("drop database {} with (force)")
        self.admin.execute(drop.format(sql.Identifier(name)))


def close_left() -> None:
    """Close connections that are kept for one test."""
    for close in CLOSING:
        close()


def connect(url: str) -> Conn:
    """An autocommit connection."""
    return psycopg.connect(url, autocommit=True)


def url_of(dsn: str) -> str:
    """A connection string as a URL whose path is the database."""
    given = {k: str(v) for k, v in conninfo_to_dict(dsn).items()}
    given.pop("dbname", None)
    user, password = given.pop("user", "postgres"), given.pop("password", None)
    name = quote(user) + (f":{quote(password, safe='')}" if password else "")
    return f"postgresql://{name}@/postgres?{urlencode(given)}"


def address(conn: Conn) -> str:
    """Connection string that psql of any version understands, unlike `info.dsn`."""
    info = conn.info
    return make_conninfo(
        host=info.host, port=info.port, user=info.user, dbname=info.dbname
    )


def role(conn: Conn, url: str, name: str) -> str:
    """Make an ordinary role, allowed to log in; its connection string."""
    exists = conn.execute("select from pg_roles where rolname = %s", [name]).fetchone()
    if exists is None:
        # the superuser's, if the server needs a password
        password = conninfo_to_dict(url).get("password")
        conn.execute(
            sql.SQL("create role {} login password {}").format(
                sql.Identifier(name), password
            )
        )
    return make_conninfo(url, user=name)


def connection_fixture(prepare: Callable[[Conn], object] | None = None) -> Any:
    """A fixture: a connection to a fresh database, shared by a module."""

    @pytest.fixture(scope="module")
    def connection(pg_server: Server) -> Iterator[Conn]:
        with pg_server.fresh() as url, connect(url) as conn:
            if prepare is not None:
                prepare(conn)
            yield conn

    return connection


def database_fixture(prepare: Callable[[Conn], object], *, used_by: str) -> Any:
    """A module's fixture `database`: `prepare` filled it, for tests with `used_by`.

    It is filled once, and copied for each test that uses the fixture of that name. So
    they may change it, and no index is built for each. Other tests get an empty one.
    """
    name = f"filled_{next(NUMBERS)}"

    def build(url: str) -> None:
        with connect(url) as conn:
            prepare(conn)

    @pytest.fixture
    def database(request: pytest.FixtureRequest, pg_server: Server) -> Iterator[str]:
        filled = used_by in request.fixturenames
        with pg_server.copy_of(name, build) if filled else pg_server.fresh() as url:
            yield url

    return database
