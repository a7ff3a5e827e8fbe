"""Connections in states that callers may have, and checks of what a call leaves."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import psycopg
from psycopg import pq
from psycopg.adapt import Loader
from psycopg.rows import dict_row

from support.hostile.draw import Draw
from support.hostile.judge import Leaked
from support.hostile.tables import READER, TENANT

AnyConn: TypeAlias = "psycopg.Connection[Any] | psycopg.AsyncConnection[Any]"

STATEMENT_SECONDS = 10
MOST_PREPARED = 100

# settings that a transaction has, or that report the server's state
FREE = (
    *("transaction_read_only", "transaction_isolation", "transaction_deferrable"),
    *("in_hot_standby", "max_stack_depth", "server_encoding", "session_authorization"),
)
SETTINGS = (
    b"select name, setting, boot_val from pg_catalog.pg_settings"
    b" union all select 'role', current_user::pg_catalog.text, null"
)
BEHIND = (
    b"select 'lock', mode || ' on ' || coalesce(relation::pg_catalog.regclass::text,"
    b" locktype) from pg_catalog.pg_locks where pid = pg_catalog.pg_backend_pid()"
    b" and locktype not in ('virtualxid', 'transactionid')"
    b" and relation is distinct from 'pg_catalog.pg_locks'::pg_catalog.regclass"
    b" and (relation is null or relation >= 16384)"
    b" union all select 'prepared', name from pg_catalog.pg_prepared_statements"
)

STATES = {
    "": 60,
    "set search_path = pg_temp, public": 4,
    "set search_path = ''": 4,
    'set search_path = "Ext ", public, "Sch ""ema"" %s"': 4,
    "set client_encoding = 'SQL_ASCII'": 3,
    "set client_encoding = 'LATIN1'": 2,
    "set plan_cache_mode = force_generic_plan": 4,
    "set plan_cache_mode = force_custom_plan": 2,
    "set standard_conforming_strings = off; set escape_string_warning = off": 4,
    "set default_transaction_read_only = on": 3,
    "set default_transaction_isolation = serializable": 2,
    "set hnsw.ef_search = 77; set hnsw.iterative_scan = strict_order;"
    " set hnsw.max_scan_tuples = 12345": 4,
    "set hnsw.max_scan_tuples = 1": 3,
    "set bytea_output = escape; set datestyle = 'German, DMY'": 2,
    "set row_security = off": 2,
    "set jit = off; set max_parallel_workers_per_gather = 4; set"
    " min_parallel_table_scan_size = 0; set parallel_setup_cost = 0": 2,
}


@dataclass(frozen=True, slots=True)
class State:
    """The state of a connection before the call."""

    before: str = ""
    forced: bool = False
    autocommit: bool = True
    block: str = ""
    reader: bool = False
    rows: str = ""
    threshold: int | None = 5

    def __str__(self) -> str:
        """The state for people; empty if all is as usual."""
        parts = [
            self.before,
            "enable_seqscan = off" * self.forced,
            "autocommit=False" * (not self.autocommit),
            self.block,
            f"role {READER}, {TENANT} = 1" * self.reader,
            self.rows,
            "" if self.threshold == 5 else f"prepare_threshold={self.threshold}",
        ]
        return "; ".join(part for part in parts if part)


def state(draw: Draw, *, secured: bool = False) -> State:
    """A connection's state, most often the usual one."""
    if draw.chance(0.5):
        return State(forced=draw.chance(0.5), reader=secured and draw.chance(0.7))
    block = draw.weighted(
        {
            "": 70,
            "transaction": 15,
            "read only": 5,
            "failed": 3,
            "closed": 2,
            "pipeline": 3,
        }
    )
    return State(
        before=draw.weighted(STATES),
        forced=draw.chance(0.5),
        autocommit=bool(block) or draw.chance(0.7),
        block=block,
        reader=draw.chance(0.7 if secured else 0.03),
        rows=draw.weighted({"": 80, "dict_row": 10, "text as bytes": 10}),
        threshold=draw.weighted({5: 80, 0: 10, None: 10}),
    )


def known(world: str, given: State) -> State:
    """The state without parts that SQLAlchemy cannot handle, such as bytes for text."""
    before = "" if "SQL_ASCII" in given.before else given.before
    if world == "ascii":
        before = "set client_encoding = 'UTF8'"
    return replace(given, before=before, autocommit=False, block="", rows="")


@dataclass(slots=True)
class Session:
    """An open connection, its earlier state, and the messages of the server."""

    conn: Any
    state: State
    said: list[str] = field(default_factory=list)
    before: Mapping[str, str] = field(default_factory=dict)
    status: pq.TransactionStatus = pq.TransactionStatus.IDLE
    handlers: int = 0

    @property
    def flagged(self) -> bool:
        """Whether a warning said that rows are missing."""
        return any("cut short" in text for text in self.said)

    def ready(self) -> None:
        """Note the present state. From here on nothing may change."""
        pgconn = self.conn.pgconn
        if self.state.block in ("transaction", "read only", "failed"):
            only = b" read only" if self.state.block == "read only" else b""
            _send(pgconn, b"begin" + only)
        self.before = settings(pgconn)
        if self.state.block == "failed":
            pgconn.exec_(b"select 1 / 0")
        self.conn.add_notice_handler(
            lambda diag: self.said.append(diag.message_primary or "")
        )
        self.handlers = len(self.conn._notice_handlers)
        self.status = pq.TransactionStatus(pgconn.transaction_status)

    def ready_again(self) -> None:
        """Note the state again, because the caller changed the settings."""
        self.before = settings(self.conn.pgconn)

    def check(self, failed: bool) -> None:
        """Raise Leaked if the call left something behind."""
        if self.conn.closed:
            return
        pgconn = self.conn.pgconn
        status = pq.TransactionStatus(pgconn.transaction_status)
        IDLE, INTRANS, INERROR = (
            pq.TransactionStatus.IDLE,
            pq.TransactionStatus.INTRANS,
            pq.TransactionStatus.INERROR,
        )
        opened = not self.state.autocommit and status in (INTRANS, INERROR)
        broken = failed and self.status == INTRANS and status == INERROR
        if status != self.status and not opened and not broken:
            raise Leaked(f"the transaction was {self.status.name}, now {status.name}")
        if status == INERROR and self.status != INERROR and not failed:
            raise Leaked("the transaction is broken, though there was no error")
        if status == INTRANS:
            self._compare(pgconn)
        if status != IDLE:
            _send(pgconn, b"rollback")
        self._compare(pgconn)
        behind = rows(pgconn, BEHIND)
        if locks := [what for kind, what in behind if kind == "lock"]:
            raise Leaked(f"locks: {locks}")
        if len(behind) > MOST_PREPARED:
            raise Leaked(f"{len(behind)} prepared statements")
        if len(self.conn._notice_handlers) != self.handlers:
            raise Leaked("a notice handler")

    def _compare(self, pgconn: Any) -> None:
        now = settings(pgconn)
        changed = [
            f"{name} {self.before.get(name)} → {value}"
            for name, value in now.items()
            # settings of a library loaded meanwhile start with the server's values
            if self.before.get(name, value) != value
        ]
        if changed:
            raise Leaked(", ".join(changed))


def rows(pgconn: Any, query: bytes) -> list[tuple[str, ...]]:
    """Rows of a query, read without the caller's adapters."""
    found = _send(pgconn, query)
    return [
        tuple(
            (found.get_value(row, column) or b"").decode("utf8", "replace")
            for column in range(found.nfields)
        )
        for row in range(found.ntuples)
    ]


def settings(pgconn: Any) -> dict[str, str]:
    """All settings and their present values."""
    return {
        name: value for name, value, _ in rows(pgconn, SETTINGS) if name not in FREE
    }


def _send(pgconn: Any, query: bytes) -> Any:
    result = pgconn.exec_(query)
    if result.status in (pq.ExecStatus.FATAL_ERROR, pq.ExecStatus.BAD_RESPONSE):
        raise psycopg.OperationalError(result.error_message.decode(errors="replace"))
    return result


def script(state: State, path: str | None = None) -> list[bytes]:
    """Statements that bring a new connection into its state."""
    texts = [f"set statement_timeout = '{STATEMENT_SECONDS}s'"]
    if path is not None:
        texts.append(f'set search_path = public, "{path}"')
    if state.forced:
        texts += [
            f"set enable_{way} = off" for way in ("seqscan", "bitmapscan", "sort")
        ]
    if state.before:
        texts.append(state.before)
    if state.reader:
        texts += [f"set {TENANT} = '1'", f"set role {READER}"]
    return [text.encode() for text in texts]


def options(state: State) -> dict[str, Any]:
    """Options for `connect`."""
    given: dict[str, Any] = {"prepare_threshold": state.threshold}
    if state.rows == "dict_row":
        given["row_factory"] = dict_row
    return given


def adapt(conn: AnyConn, state: State, path: str | None = None) -> None:
    """Bring a new connection into its state."""
    for text in script(state, path):
        _send(conn.pgconn, text)
    if state.rows == "text as bytes":
        for name in ("text", "name", "varchar"):
            conn.adapters.register_loader(name, BytesText)


class BytesText(Loader):
    """Loads text as bytes, as SQL_ASCII does."""

    def load(self, data: Any) -> Any:
        """The bytes without any change."""
        return bytes(data)


@contextmanager
def session(url: str, state: State, path: str | None = None) -> Iterator[Session]:
    """A connection in a state; raises Leaked if the call leaves something on it."""
    conn = psycopg.connect(url, autocommit=True, **options(state))
    adapt(conn, state, path)
    conn.autocommit = state.autocommit
    opened = Session(conn, state)
    opened.ready()
    failed = True
    try:
        if state.block == "closed":
            conn.close()
        if state.block == "pipeline":
            with conn.pipeline():
                yield opened
        else:
            yield opened
        failed = False
    finally:
        try:
            opened.check(failed)
        finally:
            conn.close()


@asynccontextmanager
async def session_async(
    url: str, state: State, path: str | None = None
) -> AsyncIterator[Session]:
    """The same on an asynchronous connection."""
    conn = await psycopg.AsyncConnection.connect(url, autocommit=True, **options(state))
    adapt(conn, state, path)
    await conn.set_autocommit(state.autocommit)
    opened = Session(conn, state)
    opened.ready()
    failed = True
    try:
        if state.block == "closed":
            await conn.close()
        if state.block == "pipeline":
            async with conn.pipeline():
                yield opened
        else:
            yield opened
        failed = False
    finally:
        try:
            opened.check(failed)
        finally:
            await conn.close()
