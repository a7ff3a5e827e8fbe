"""Alembic in this process, on scratch databases: its commands, its operations."""

import io
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import alembic
import psycopg
from alembic import command
from alembic.config import Config
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from pgvector.sqlalchemy import VECTOR
from sqlalchemy import Column, Connection, Engine, Integer, MetaData, Table, event
from sqlalchemy import create_engine as engine_of
from sqlalchemy.pool import NullPool

import mrl_pg.alembic
from mrl_pg import server
from mrl_pg.sqlalchemy import Matryoshka
from support.databases import CLOSING, Conn
from support.reused import creator, session

mrl_pg.alembic.register()

TEMPLATE = Path(alembic.__file__).parent / "templates" / "generic"
Catalog = dict[str, list[str]]


def sqlalchemy_url(url: str, driver: str = "psycopg") -> str:
    """The same database as a dialect of SQLAlchemy writes it."""
    return url.replace("postgresql:", f"postgresql+{driver}:", 1)


@contextmanager
def engine(url: str) -> Iterator[Engine]:
    """An engine that keeps no connection open."""
    made = engine_of(sqlalchemy_url(url), poolclass=NullPool, **creator(url))
    yield made
    made.dispose()


KEPT: dict[tuple[str, bool, bool], Engine] = {}
"""Engines of the test that runs, by URL and the options of `kept_engine`."""


def kept_engine(url: str, *, one_session: bool = False, new: bool = False) -> Engine:
    """An engine that serves a whole test.

    So statements are compiled once. With `one_session`, commands one after another run
    on one connection. `new`: each connection has a new server process, which follows
    what was said of new sessions, but has read no catalog.
    """
    key = (url, one_session, new)
    if key not in KEPT:
        options: dict[str, Any] = {} if new else creator(url)
        if not one_session:
            options["poolclass"] = NullPool
        KEPT[key] = engine_of(sqlalchemy_url(url), **options)
    return KEPT[key]


OBSERVERS: dict[str, Conn] = {}
"""Connections that read catalogs, by URL."""


def observer(url: str) -> Conn:
    """A connection that only reads, kept because a first look at catalogs is dear."""
    if url not in OBSERVERS:
        OBSERVERS[url] = session(url)
    return OBSERVERS[url]


def close_all() -> None:
    """Close the connections of a test."""
    while KEPT:
        KEPT.popitem()[1].dispose()
    while OBSERVERS:
        OBSERVERS.popitem()[1].close()


CLOSING.append(close_all)


# ------------------------------------------------------------------ what is there

OURS = (
    "nspname not in ('mrl', 'pg_catalog', 'information_schema', 'pg_toast') "
    "and relname <> 'alembic_version'"
)
CATALOG = {
    "columns": "select nspname, relname, attname, format_type(atttypid, atttypmod), "
    "attnotnull, attgenerated::text, pg_get_expr(adbin, adrelid) from pg_attribute "
    "join pg_class on pg_class.oid = attrelid "
    "join pg_namespace on pg_namespace.oid = relnamespace "
    "left join pg_attrdef on adrelid = attrelid and adnum = attnum "
    f"where {OURS} and relkind = 'r' and attnum > 0 and not attisdropped",
    "indexes": "select pg_get_indexdef(indexrelid), indisvalid from pg_index "
    "join pg_class on pg_class.oid = indrelid "
    f"join pg_namespace on pg_namespace.oid = relnamespace where {OURS}",
    "triggers": "select pg_get_triggerdef(pg_trigger.oid), tgenabled::text, prosrc "
    "from pg_trigger join pg_proc on pg_proc.oid = tgfoid "
    "join pg_class on pg_class.oid = tgrelid "
    "join pg_namespace on pg_namespace.oid = relnamespace "
    f"where {OURS} and not tgisinternal",
    "extensions": "select extname from pg_extension",
}
REGISTRY = (
    "select table_name::text, full_column, short_column, dims, kind, distance, "
    "index_name, m, ef_construction, usable from mrl.indexes"
)


def catalog(url: str, *, one_session: bool = False) -> Catalog:
    """Tables, indexes, extensions and registry of a database, as text.

    `one_session`: read in the session that served the last call of `operating`.
    """
    if not one_session:
        return _catalog(observer(url))
    with _kept_session(url) as conn:
        return _catalog(conn)


FORGET = (
    *("close all", "set session authorization default", "reset all", "unlisten *"),
    *("select pg_advisory_unlock_all()", "discard temp", "discard sequences"),
)
"""What `discard all` does, without the prepared statements, which psycopg counts on."""


def forget_session(url: str) -> None:
    """Make a new session of the one that served the last call of `operating`."""
    with _kept_session(url) as conn:
        conn.autocommit = True
        for statement in FORGET:
            conn.execute(statement.encode())
        conn.autocommit = False


@contextmanager
def _kept_session(url: str) -> Iterator[Conn]:
    kept = kept_engine(url, one_session=True).raw_connection()
    try:
        conn = kept.driver_connection
        assert isinstance(conn, psycopg.Connection)
        yield conn
    finally:
        kept.close()


def _catalog(conn: Conn) -> Catalog:
    queries = dict(CATALOG)
    installed = conn.execute("select to_regclass('mrl.indexes') is not null")
    if installed.fetchall() == [(True,)]:
        queries["registry"] = REGISTRY
    return {
        what: sorted(repr(row) for row in conn.execute(query.encode()).fetchall())
        for what, query in queries.items()
    }


def registry(url: str) -> list[tuple[str, str, int, str, str, str, int, int, bool]]:
    """`(table, short, dims, kind, distance, index, m, ef_construction, usable)`."""
    rows = observer(url).execute(REGISTRY.encode()).fetchall()
    return sorted((row[0], *row[2:]) for row in rows)


def execute(url: str, *statements: str) -> list[Any]:
    """Run each statement in a transaction of its own; returns rows of the last."""
    rows: list[Any] = []
    with session(url) as conn:
        for statement in statements:
            done = conn.execute(statement.encode())
            rows = done.fetchall() if done.description else []
    return rows


def psql(url: str, version: int, text: str) -> None:
    """Run a script with psql, which stops at the first error."""
    program = str(server.bin_dir(version) / "psql")
    done = subprocess.run(
        [program, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", url],
        input=text,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


# ------------------------------------------------------------------ models as values


def docs(
    *declared: Matryoshka,
    name: str = "docs",
    schema: str | None = None,
    full: Any = None,
    metadata: MetaData | None = None,
) -> MetaData:
    """A table with a vector column and its declarations."""
    metadata = metadata if metadata is not None else MetaData()
    Table(
        name,
        metadata,
        Column("id", Integer, primary_key=True),
        Column("embedding", full or VECTOR(8), *declared),
        schema=schema,
    )
    return metadata


# ------------------------------------------------------------------ in this process

ENV = """
import mrl_pg.alembic

mrl_pg.alembic.register()
from alembic import context

given = context.config.attributes
options = {"target_metadata": given["metadata"], **given["options"]}
if context.is_offline_mode():
    context.configure(dialect_name="postgresql", literal_binds=True, **options)
    with context.begin_transaction():
        context.run_migrations()
else:
    with given["engine"].connect() as connection:
        given["before"](connection)
        context.configure(connection=connection, **options)
        with context.begin_transaction():
            context.run_migrations()
"""

REVISION = '''"""Written by hand."""

import sqlalchemy as sa
from alembic import op

revision = {revision!r}
down_revision = {down!r}


def upgrade() -> None:
    {upgrade}


def downgrade() -> None:
    {downgrade}
'''


def _nothing(connection: Connection) -> None:
    pass


@dataclass
class Project:
    """Alembic's commands in this process, on models that a test makes.

    They share a session of the server, unless `one_session` is false or `before`
    changes the session.
    """

    folder: Path
    url: str
    metadata: MetaData = field(default_factory=MetaData)
    options: dict[str, Any] = field(default_factory=dict)
    before: Any = _nothing
    revisions: list[str] = field(default_factory=list)
    printed: io.StringIO = field(default_factory=io.StringIO)
    one_session: bool = True

    def __post_init__(self) -> None:
        (self.folder / "versions").mkdir(parents=True, exist_ok=True)
        (self.folder / "env.py").write_text(ENV)
        mako = (TEMPLATE / "script.py.mako").read_text()
        (self.folder / "script.py.mako").write_text(mako)

    def _config(self) -> Config:
        config = Config(stdout=io.StringIO(), output_buffer=self.printed)
        config.set_main_option("script_location", str(self.folder).replace("%", "%%"))
        config.attributes.update(
            metadata=self.metadata,
            options=self.options,
            engine=kept_engine(
                self.url,
                one_session=self.one_session and self.before is _nothing,
                new=not self.one_session,
            ),
            before=self.before,
        )
        return config

    def revise(self, metadata: MetaData | None = None) -> str:
        """Have autogenerate write a revision for the models; returns its text."""
        self.metadata = metadata if metadata is not None else self.metadata
        name = f"r{len(self.revisions) + 1}"
        command.revision(self._config(), "auto", autogenerate=True, rev_id=name)
        self.revisions.append(name)
        text = (self.folder / "versions" / f"{name}_auto.py").read_text()
        compile(text, name, "exec")
        return text

    def write(self, upgrade: str, downgrade: str = "pass") -> str:
        """Write a revision by hand; returns its name. Indent lines after the first."""
        name = f"r{len(self.revisions) + 1}"
        down = self.revisions[-1] if self.revisions else None
        text = REVISION.format(
            revision=name, down=down, upgrade=upgrade, downgrade=downgrade
        )
        (self.folder / "versions" / f"{name}_hand.py").write_text(text)
        self.revisions.append(name)
        return name

    def upgrade(self, to: str = "head") -> None:
        """`alembic upgrade`."""
        command.upgrade(self._config(), to)

    def downgrade(self, to: str = "-1") -> None:
        """`alembic downgrade`."""
        command.downgrade(self._config(), to)

    def check(self) -> None:
        """`alembic check`: raises if models and database differ."""
        command.check(self._config())

    def text(self, revisions: str, *, down: bool = False) -> str:
        """The output of `--sql`."""
        self.printed = io.StringIO()
        run = command.downgrade if down else command.upgrade
        run(self._config(), revisions, sql=True)
        return self.printed.getvalue()

    def step(self, metadata: MetaData) -> str:
        """Revise, upgrade, and check that nothing is left to do; returns the text."""
        text = self.revise(metadata)
        self.upgrade()
        self.check()
        return text

    def there_and_back(self, metadata: MetaData) -> str:
        """A step, then its downgrade and its upgrade again; returns the text."""
        before = catalog(self.url)
        text = self.step(metadata)
        after = catalog(self.url)
        self.downgrade()
        assert catalog(self.url) == before
        self.upgrade()
        assert catalog(self.url) == after
        return text


def operations(text: str) -> list[str]:
    """Names of the operations that a revision's upgrade calls, in order."""
    upgrade = text.split("def upgrade")[1].split("def downgrade")[0]
    return re.findall(r"\bop\.(\w+)\(", upgrade)


# ------------------------------------------------------------------ operations alone


@contextmanager
def operating(
    url: str,
    *,
    watch: Callable[[str], None] | None = None,
    begun: bool = False,
    one_session: bool = False,
) -> Iterator[Operations]:
    """Operations in a migration's transaction; `watch` gets each statement first.

    `begun`: in a transaction that the caller began. `one_session`: in the session that
    served the last call, because a new session plans every statement again.
    """
    with kept_engine(url, one_session=one_session).connect() as connection:
        if watch is not None:
            event.listen(
                connection,
                "before_cursor_execute",
                lambda conn, cursor, statement, *rest: watch(statement),
            )
        if begun:
            connection.begin()
        context = MigrationContext.configure(connection)
        with context.begin_transaction():
            yield Operations(context)
