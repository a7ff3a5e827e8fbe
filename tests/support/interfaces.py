"""One search through every interface: its hits, and how often it scanned the index."""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import quote

import psycopg
from psycopg import sql
from sqlalchemy import Connection, Engine, create_engine, select
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from mrl_pg import MatryoshkaIndex
from mrl_pg.kinds import OPERATORS
from mrl_pg.search.result import SearchResult
from mrl_pg.sqlalchemy import Matryoshka, distance, register, search
from support.command import mrl_pg
from support.databases import Conn, Server
from support.hostile.by_alchemy import model
from support.hostile.by_sql import from_json
from support.hostile.ground import Ground, Place
from support.hostile.judge import Answer, Expected, check
from support.hostile.tables import READER, TENANT, WORLDS, Row, Table
from support.servers import wait

CANDIDATES = 400
"""More than the rows of any of the tables."""

EDGE = 5
"""Rows with a smaller `n` pass the filter."""

QUERY = [0.5, -1.0, 2.0, 0.25, 1.0, -0.5, 0.125, 1.0]
TEXT = sql.Literal(str(QUERY)).as_string()

# the planner has no cheap plan without the index
FORCED = {f"enable_{way}": "off" for way in ("seqscan", "bitmapscan", "sort")}
SCANS = """
select coalesce(sum(pg_stat_get_{0}numscans(part.relid)), 0)::int
from (
    select relid from pg_partition_tree('{1}'::regclass) where isleaf
    union select '{1}'::regclass
) as part
"""

TABLES = {
    word: table for word, table in WORLDS["usual"].tables.items() if table.layouts
}
"""The tables that have short columns."""

Hits: TypeAlias = "list[tuple[Any, float]]"


@dataclass(frozen=True, slots=True)
class Case:
    """A search: its table, its index, k, its filter, and how many rows it reads."""

    table: Table
    index: MatryoshkaIndex
    filtered: bool
    k: int = 10
    rerank: int | None = None

    @property
    def n(self) -> str:
        """The column that is filtered, in SQL."""
        return sql.Identifier(self.table.n).as_string()

    @property
    def options(self) -> dict[str, Any]:
        """Options of the search in Python."""
        given: dict[str, Any] = {"k": self.k, "candidates": CANDIDATES}
        if self.rerank is not None:
            given["rerank"] = self.rerank
        if self.filtered:
            doubled = self.n.replace("%", "%%")
            given |= {"filter": f"{doubled} < %(edge)s", "params": {"edge": EDGE}}
        return given

    def arguments(self, values: str | None) -> str:
        """Arguments of the search in SQL; `values` are the filter's, or their types."""
        name = sql.Literal(self.index.name).as_string()
        given = f"k => {self.k}, candidates => {CANDIDATES}, index_name => {name}"
        if self.rerank is not None:
            given += f", rerank => {self.rerank}"
        if not self.filtered:
            return given
        condition = sql.Literal(f"{self.n} < $1::int").as_string()
        given += f", filter => {condition}"
        return given if values is None else f"{given}, {values}"

    @property
    def place(self) -> str:
        """Table and full column as arguments."""
        return ", ".join(map(_literal, (self.table.quoted(), self.table.column)))

    def hit(self, alias: str = "") -> str:
        """Key columns and distance of a row of the table."""
        names = [sql.Identifier(key).as_string() for key in self.table.keys]
        full = alias + sql.Identifier(self.table.column).as_string()
        operator = OPERATORS[self.index.distance]
        far = f"{full} {operator} {TEXT}::{self.table.full_type}"
        return ", ".join([*(alias + name for name in names), far])

    def passes(self, row: Row) -> bool:
        """Whether the filter and the policy let a row through."""
        mine = not self.table.secured or row.tenant == 1
        return mine and (not self.filtered or row.n < EDGE)

    @property
    def settings(self) -> dict[str, str]:
        """Settings that force the index, and the role and tenant of the search."""
        asks = {TENANT: "1", "role": READER} if self.table.secured else {}
        return FORCED | asks

    def scans(self, *, reported: bool = False) -> str:
        """A query that counts index scans: in this transaction, or all reported."""
        name = sql.Identifier(self.table.schema, self.index.name).as_string()
        quoted = name.replace("'", "''")
        return SCANS.format("" if reported else "xact_", quoted)


def _literal(text: str) -> str:
    return sql.Literal(text).as_string()


@dataclass(frozen=True, slots=True)
class Library:
    """A database of many tables, and connections to it by every driver."""

    place: Place
    conn: Conn
    loop: asyncio.AbstractEventLoop
    async_conn: psycopg.AsyncConnection[Any]
    engine: Engine
    by_psycopg: AsyncEngine
    by_asyncpg: AsyncEngine


@contextmanager
def open_library(
    server: Server,
    through: Callable[[str], AbstractContextManager[str]] = nullcontext,
) -> Iterator[Library]:
    """A library for a module whose tests change nothing in it.

    `through` may put something between it and the server, such as a pooler: it takes
    the connection string of the database and gives the one to connect with.
    """
    with ExitStack() as stack:
        ground = Ground(server.url, server.admin)
        stack.callback(ground.close)
        place = ground.place("usual")
        url = stack.enter_context(through(place.url))
        loop = asyncio.new_event_loop()
        stack.callback(loop.close)
        conn = stack.enter_context(psycopg.connect(url, autocommit=True))
        async_conn = loop.run_until_complete(
            psycopg.AsyncConnection.connect(url, autocommit=True)
        )
        stack.callback(lambda: loop.run_until_complete(async_conn.close()))

        def driven(driver: str) -> str:
            return url.replace("postgresql:", f"postgresql+{driver}:", 1)

        engine = create_engine(driven("psycopg"))
        stack.callback(engine.dispose)
        by_psycopg = create_async_engine(driven("psycopg"))
        stack.callback(lambda: loop.run_until_complete(by_psycopg.dispose()))
        by_asyncpg = create_async_engine(driven("asyncpg"))
        stack.callback(lambda: loop.run_until_complete(by_asyncpg.dispose()))
        register(engine, by_psycopg, by_asyncpg)
        yield Library(place, conn, loop, async_conn, engine, by_psycopg, by_asyncpg)


# ------------------------------------------------------------------ Python


def of(result: SearchResult) -> Hits:
    """Hits of a result, which must not be cut short."""
    assert not result.cut_short
    return [(hit.key, hit.distance) for hit in result]


def by_search(conn: Conn, case: Case) -> Hits:
    return of(case.index.search(conn, QUERY, **case.options))


def by_search_many(conn: Conn, case: Case) -> Hits:
    other, result = case.index.search_many(conn, [QUERY[::-1], QUERY], **case.options)
    assert len(other) == len(result)
    return of(result)


def by_plan(conn: Conn, case: Case) -> Hits:
    plan = case.index.plan(conn, QUERY, **case.options)
    rows = conn.execute(plan.statement, plan.params).fetchall()
    return hits(case, [row[:-2] for row in rows])


async def by_search_async(conn: psycopg.AsyncConnection[Any], case: Case) -> Hits:
    return of(await case.index.search_async(conn, QUERY, **case.options))


async def by_search_many_async(conn: psycopg.AsyncConnection[Any], case: Case) -> Hits:
    (result,) = await case.index.search_many_async(conn, [QUERY], **case.options)
    return of(result)


# ------------------------------------------------------------------ SQL

ARGS = f"args => array['{EDGE}']"


def by_mrl_search(conn: Conn, case: Case) -> Hits:
    call = f"null::{case.table.quoted()}, {_literal(case.table.column)}, {TEXT}"
    return rows(conn, case, f"select {case.hit()} from mrl.search({call}, {{}})")


def by_mrl_search_many(conn: Conn, case: Case) -> Hits:
    call = f"null::{case.table.quoted()}, {_literal(case.table.column)}"
    return rows(
        conn,
        case,
        f"select {case.hit('(hit).')}"
        f" from mrl.search_many({call}, array[{TEXT}]::vector[], {{}})",
    )


def by_mrl_search_keys(conn: Conn, case: Case) -> Hits:
    text = (
        f"select key, distance from mrl.search_keys("
        f"null::{case.table.key_type}, {case.place}, {TEXT}, {case.arguments(ARGS)})"
    )
    found = conn.execute(text.encode()).fetchall()
    return [(from_json(case.table, key), far) for key, far in found]


def by_search_sql(conn: Conn, case: Case) -> Hits:
    call = f"select mrl.search_sql({case.place}, {case.arguments(None)})"
    (made,) = conn.execute(call.encode()).fetchall()[0]
    # as any client does, because the statement itself gives the types
    conn.execute(f"prepare asked as {made}".encode())
    values = f"{EDGE}, {TEXT}" if case.filtered else TEXT
    try:
        found = conn.execute(f"execute asked ({values})".encode()).fetchall()
    finally:
        conn.execute("deallocate asked")
    return hits(case, found)


def by_made_function(conn: Conn, case: Case) -> Hits:
    with conn.transaction(force_rollback=True):
        # the role that makes the function must have the right
        role = conn.execute("select current_setting('role')").fetchall()[0][0]
        conn.execute("set local role none")
        types = "parameters => array['edge int']"
        conn.execute(
            f"select mrl.create_search_function('public.near', {case.place},"
            f" {case.arguments(types)})".encode()
        )
        conn.execute("select set_config('role', %s, true)", [role])
        values = f"{EDGE}, {TEXT}" if case.filtered else TEXT
        call = f"select {case.hit()} from public.near({values})"
        return hits(case, conn.execute(call.encode()).fetchall())


def rows(conn: Conn, case: Case, text: str) -> Hits:
    """Hits of a statement with a slot for the arguments."""
    call = text.replace("{}", case.arguments(ARGS))
    return hits(case, conn.execute(call.encode()).fetchall())


def hits(case: Case, found: list[Any]) -> Hits:
    """Hits from rows of key columns and distance."""
    keys = len(case.table.keys)
    return [(row[0] if keys == 1 else tuple(row[:keys]), row[keys]) for row in found]


# ------------------------------------------------------------------ SQLAlchemy


def by_select(connection: Connection, case: Case) -> Hits:
    layout = case.index
    declared = Matryoshka(
        layout.dims,
        kind=layout.kind,
        distance=layout.distance,
        keep=layout.keep or "generated",
    )
    table = model(case.table, declared)
    statement = select(*(table.c[key] for key in case.table.keys), distance)
    if case.filtered:
        statement = statement.where(table.c[case.table.n] < EDGE)
    full = table.c[case.table.column]
    found = search(
        statement, full, QUERY, k=case.k, candidates=CANDIDATES, rerank=case.rerank
    )
    return hits(case, [*connection.execute(found).all()])


# ------------------------------------------------------------------ with the counters

Counted: TypeAlias = "tuple[Hits, int]"
"""Hits of a search, and scans of the index that it made."""


def set_local(case: Case) -> str:
    """A statement that sets the case's settings until the transaction ends."""
    calls = (
        f"set_config({_literal(name)}, {_literal(value)}, true)"
        for name, value in case.settings.items()
    )
    return f"select {', '.join(calls)}"


def counted(ask: Callable[[Conn, Case], Hits]) -> Callable[[Library, Case], Counted]:
    """The search by psycopg, with its scans."""

    def run(library: Library, case: Case) -> Counted:
        conn = library.conn
        with conn.transaction():
            conn.execute(set_local(case).encode())
            before = conn.execute(case.scans().encode()).fetchall()[0][0]
            found = ask(conn, case)
            after = conn.execute(case.scans().encode()).fetchall()[0][0]
            return found, after - before

    return run


def counted_async(ask: Callable[..., Any]) -> Callable[[Library, Case], Counted]:
    """The search by psycopg's asynchronous connection, with its scans."""

    async def work(conn: psycopg.AsyncConnection[Any], case: Case) -> Counted:
        async def scans() -> int:
            cursor = await conn.execute(case.scans().encode())
            count: int = (await cursor.fetchall())[0][0]
            return count

        async with conn.transaction():
            await conn.execute(set_local(case).encode())
            before = await scans()
            found = await ask(conn, case)
            return found, await scans() - before

    def run(library: Library, case: Case) -> Counted:
        return library.loop.run_until_complete(work(library.async_conn, case))

    return run


def counted_select(connection: Connection, case: Case) -> Counted:
    """The search by SQLAlchemy with any driver, with its scans."""

    def scans() -> int:
        # percent signs in it are not parameters
        text = case.scans().replace("%", "%%") if pyformat else case.scans()
        count: int = connection.exec_driver_sql(text).scalar_one()
        return count

    pyformat = connection.dialect.driver == "psycopg"
    connection.exec_driver_sql(set_local(case))
    before = scans()
    found = by_select(connection, case)
    return found, scans() - before


def select_sync(library: Library, case: Case) -> Counted:
    with library.engine.connect() as connection:
        return counted_select(connection, case)


def select_async(engine: AsyncEngine, library: Library, case: Case) -> Counted:
    async def work() -> Counted:
        async with engine.connect() as connection:
            return await connection.run_sync(counted_select, case)

    return library.loop.run_until_complete(work())


def select_psycopg(library: Library, case: Case) -> Counted:
    return select_async(library.by_psycopg, library, case)


def select_asyncpg(library: Library, case: Case) -> Counted:
    return select_async(library.by_asyncpg, library, case)


def shell(library: Library, case: Case, folder: Path) -> Counted:
    """The search by the command; its server process reports scans when it ends."""

    def scans() -> int:
        # in a transaction of its own, for a fresh snapshot of the counters
        asked = case.scans(reported=True).encode()
        count: int = library.place.observer.execute(asked).fetchall()[0][0]
        return count

    given = " ".join(f"-c {name}={value}" for name, value in case.settings.items())
    layout = case.index
    file = folder / "query.json"
    file.write_text(json.dumps(QUERY))
    parts = (case.table.schema, case.table.name)
    name = ".".join('"' + part.replace('"', '""') + '"' for part in parts)
    before = scans()
    done = mrl_pg(
        *("search", name, case.table.column, "--query", file, "--k", case.k),
        *("--dims", layout.dims, "--kind", layout.kind, "--distance", layout.distance),
        *("--candidates", CANDIDATES, "--json"),
        *(
            ("--filter", f"{case.n.replace('%', '%%')} < {EDGE}")
            if case.filtered
            else ()
        ),
        *(() if case.rerank is None else ("--rerank", case.rerank)),
        *("--dsn", f"{library.place.url}&options={quote(given)}"),
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert not found["cut_short"]
    if found["scan"] != "exact":
        wait("the process's counters", lambda: scans() > before)
    answers = [(hit["key"], hit["distance"]) for hit in found["hits"]]
    plain = [(tuple(k) if isinstance(k, list) else k, far) for k, far in answers]
    return plain, scans() - before


INTERFACES: Mapping[str, Callable[[Library, Case], Counted]] = {
    "search": counted(by_search),
    "search_many": counted(by_search_many),
    "plan": counted(by_plan),
    "search_async": counted_async(by_search_async),
    "search_many_async": counted_async(by_search_many_async),
    "mrl.search": counted(by_mrl_search),
    "mrl.search_many": counted(by_mrl_search_many),
    "mrl.search_keys": counted(by_mrl_search_keys),
    "mrl.search_sql": counted(by_search_sql),
    "mrl.create_search_function": counted(by_made_function),
    "SQLAlchemy": select_sync,
    "SQLAlchemy, psycopg async": select_psycopg,
    "SQLAlchemy, asyncpg": select_asyncpg,
}
"""All interfaces that use a connection of the library; `shell` is the command."""

# ------------------------------------------------------------------ what is right


def truth(library: Library, case: Case) -> Hits:
    """What exact search answers, after a look at it in NumPy."""
    with library.conn.transaction():
        for name, value in case.settings.items():
            library.conn.execute("select set_config(%s, %s, true)", [name, value])
        options = {**case.options, "candidates": None}
        found = case.index.search(library.conn, QUERY, exact=True, **options)
    hits: Hits = [(hit.key, hit.distance) for hit in found]
    assert_exact(case, hits)
    return hits


def assert_exact(case: Case, hits: Hits) -> None:
    """The nearest rows of all, at their true distances, ties by key."""
    expected = Expected(
        case.table, QUERY, case.index.distance, case.k, None, case.passes
    )
    check(Answer([*hits], expected))
