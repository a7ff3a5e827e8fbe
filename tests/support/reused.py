"""A database for the tests of some modules, which each finds as it was at first.

A new session is dear, because its server process has read no catalog yet and planned
no function: a test on a fresh database costs several times what it costs here. After a
test all that it made is dropped, and its session is made new. If the catalog then
differs from what it was, the database is dropped, and the next test gets a fresh one.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import psycopg
from psycopg import pq, sql
from psycopg.pq import TransactionStatus as Status

from support.databases import Conn, Server, close_left, connect

NEW_SESSION = (
    "close all; set session authorization default; reset all; unlisten *;"
    " select pg_catalog.pg_advisory_unlock_all(); discard temp; discard sequences;"
    " deallocate all"
)
"""What `discard all` does, without forgetting the plans of functions."""

MADE = """
select format('drop schema if exists %%I cascade', nspname)
from pg_namespace
where age(xmin) < age(%(since)s::text::xid) and nspname !~ '^pg_(toast_)?temp_'
union all
select format('drop %%s if exists %%I.%%I cascade', word, nspname, relname)
from pg_class as class
join pg_namespace as space on space.oid = relnamespace
join (
    values ('r', 'table'), ('p', 'table'), ('v', 'view'), ('m', 'materialized view'),
        ('f', 'foreign table'), ('S', 'sequence'), ('c', 'type')
) as words (letter, word) on relkind = letter::"char"
where class.oid >= 16384 and age(class.xmin) < age(%(since)s::text::xid)
    -- not the sequence of a column, nor a partition
    and not exists (
        select
        from pg_depend
        where objid = class.oid and objsubid = 0 and deptype = any ('{a,i}')
    )
union all
select format(
    'drop routine if exists %%I.%%I(%%s) cascade',
    nspname, proname, pg_get_function_identity_arguments(routine.oid)
)
from pg_proc as routine
join pg_namespace as space on space.oid = pronamespace
where routine.oid >= 16384 and age(routine.xmin) < age(%(since)s::text::xid)
union all
select format('drop type if exists %%I.%%I cascade', nspname, typname)
from pg_type as type
join pg_namespace as space on space.oid = typnamespace
where type.oid >= 16384 and age(type.xmin) < age(%(since)s::text::xid)
    and typtype = any ('{d,e,r}')
"""
"""Statements that drop what was made since a transaction."""

COUNT = (
    "(select array[count(*), count(*) filter (where age(xmin) < age(made.xid))]"
    " from {table} where {rows})"
)
"""The rows of a catalog, and how many of them are newer than a transaction."""

ROWS = {
    **dict.fromkeys(
        (
            *("pg_am", "pg_attrdef", "pg_cast", "pg_class", "pg_collation"),
            *("pg_constraint", "pg_default_acl", "pg_event_trigger", "pg_extension"),
            *("pg_foreign_server", "pg_index", "pg_language", "pg_largeobject"),
            *("pg_opclass", "pg_policy", "pg_publication", "pg_rewrite"),
            *("pg_statistic_ext", "pg_trigger", "pg_ts_config"),
        ),
        "true",
    ),
    # only what is about objects that PostgreSQL did not bring
    **dict.fromkeys(("pg_operator", "pg_proc", "pg_type"), "oid >= 16384"),
    "pg_attribute": "attrelid >= 16384",
    "pg_description": "objoid >= 16384",
    # a session that had a temporary table leaves its schema
    "pg_namespace": "nspname !~ '^pg_(toast_)?temp_'",
    "pg_database": "datname = current_database()",
    "pg_db_role_setting": "setdatabase = (select oid from pg_database"
    " where datname = current_database())",
}
"""Catalogs, and which of their rows are counted. The others have parts of these."""


class Check:
    """Drops what a test made in a database, and says whether nothing else changed."""

    def __init__(self, conn: Conn) -> None:
        """Read what a database has that no test has used."""
        ours = conn.execute(
            "select relname from pg_class"
            " where relnamespace = 'mrl'::regnamespace and relkind = 'r'"
        ).fetchall()
        rows = {("pg_catalog", table): which for table, which in ROWS.items()}
        rows |= {("mrl", table): "true" for (table,) in ours}
        self._count = sql.SQL(
            "select {} from (select %s::text::xid) as made (xid)"
        ).format(
            sql.SQL(", ").join(
                sql.SQL(COUNT).format(table=sql.Identifier(*table), rows=sql.SQL(which))
                for table, which in rows.items()
            )
        )
        sequences = conn.execute(
            "select format('select setval(%L, 1, false)', oid::regclass::text)"
            " from pg_class where relnamespace = 'mrl'::regnamespace and relkind = 'S'"
        ).fetchall()
        self._empty = ["delete from mrl._tables", *(row[0] for row in sequences)]
        self._known = self._counted(conn, now(conn))

    def clean(self, conn: Conn, since: str) -> bool:
        """Drop what was made since a transaction; returns whether all is as it was."""
        with conn.transaction():
            conn.execute("set local search_path = pg_catalog")
            conn.execute("set local lock_timeout = '200ms'")
            made = conn.execute(MADE, {"since": since}).fetchall()
            drops = [*self._empty, *(row[0] for row in made)]
            conn.execute("; ".join(drops).encode())
        return self._counted(conn, since) == self._known

    def _counted(self, conn: Conn, since: str) -> list[Any]:
        return conn.execute(self._count, [since]).fetchall()


class Session(psycopg.Connection[Any]):
    """A connection whose server process stays for another one when this is closed."""

    keep: Callable[["Session"], None]

    def close(self) -> None:
        """Give the server process back, as a new session."""
        if not self.closed:
            with suppress(psycopg.Error):
                self.keep(self)
        super().close()


class Reused:
    """A database, and sessions of it that one test after another uses."""

    def __init__(self, server: Server) -> None:
        self.module = ""
        self.tests = 0
        self._stack = ExitStack()
        self.url = self._stack.enter_context(server.fresh())
        self._idle: list[pq.abc.PGconn] = []
        if server.base_url not in CHECKS:
            with connect(self.url) as conn:
                CHECKS[server.base_url] = Check(conn)
        self._check = CHECKS[server.base_url]
        self._since = now(server.admin)

    def session(self, *, autocommit: bool = False) -> Session:
        """A connection, to a server process that another one had if there is one."""
        conn = Session(self._idle.pop()) if self._idle else Session.connect(self.url)
        conn.keep = self._keep
        conn.autocommit = autocommit
        return conn

    def _keep(self, conn: Session) -> None:
        status = conn.pgconn.transaction_status
        if status not in (Status.IDLE, Status.INTRANS, Status.INERROR):
            # a statement is under way
            return
        conn.rollback()
        conn.autocommit = True
        conn.execute(NEW_SESSION)
        self._idle.append(conn.pgconn)
        conn.pgconn = pq.PGconn()

    def clean(self) -> bool:
        """Drop what a test has made; returns whether all is as it was."""
        try:
            with self.session(autocommit=True) as conn:
                ours = [
                    conn.info.backend_pid,
                    *(idle.backend_pid for idle in self._idle),
                ]
                return _alone(conn, ours) and self._check.clean(conn, self._since)
        except psycopg.Error:
            return False

    def next_module(self, module: str) -> None:
        """Keep one session for tests of another module, which may count sessions."""
        if module != self.module:
            self._finish(1)
            self.module = module

    def drop(self) -> None:
        """Drop the database."""
        self._finish(0)
        self._stack.close()

    def _finish(self, most: int) -> None:
        while len(self._idle) > most:
            self._idle.pop().finish()


def _alone(conn: Conn, ours: list[int]) -> bool:
    """Whether no other session is left; one that was closed is given time to end."""
    others = (
        "select from pg_catalog.pg_stat_activity"
        " where pid operator(pg_catalog.<>) all (%s)"
        " and datname operator(pg_catalog.=) pg_catalog.current_database()"
    )
    until = time.monotonic() + 0.2
    while conn.execute(others, [ours]).fetchall():
        if time.monotonic() > until:
            return False
        time.sleep(0.005)
    return True


def now(conn: Conn) -> str:
    """The number of a new transaction."""
    row = conn.execute("select pg_current_xact_id()::text").fetchone()
    assert row is not None
    number: str = row[0]
    return number


CHECKS: dict[str, Check] = {}
"""By server."""

IN_USE: dict[str, Reused] = {}
"""By server."""


MOST_TESTS = 60
"""After so many tests, the next module gets a fresh database.

What tests drop leaves dead rows in the catalogs, and a look into them takes longer.
"""


@contextmanager
def reused(server: Server, module: str) -> Iterator[str]:
    """Connection string of the database for a test of a module."""
    kept = IN_USE.get(server.base_url)
    if kept is None or (kept.module != module and kept.tests >= MOST_TESTS):
        leave(server)
        kept = IN_USE[server.base_url] = Reused(server)
    kept.next_module(module)
    kept.tests += 1
    try:
        yield kept.url
    finally:
        close_left()
        if not kept.clean():
            leave(server)


def leave(server: Server) -> None:
    """Drop the database in use, if there is one."""
    kept = IN_USE.pop(server.base_url, None)
    if kept is not None:
        kept.drop()


def session(url: str) -> Conn:
    """An autocommit connection to a database, in a session that is there, if any."""
    for kept in IN_USE.values():
        if kept.url == url:
            return kept.session(autocommit=True)
    return connect(url)


def creator(url: str) -> dict[str, Callable[[], Conn]]:
    """The argument of SQLAlchemy's `create_engine` for sessions that are there."""
    for kept in IN_USE.values():
        if kept.url == url:
            return {"creator": kept.session}
    return {}
