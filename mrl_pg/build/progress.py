"""How far an index build is, watched from a second connection."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.rows import tuple_row

from mrl_pg import source
from mrl_pg.catalog.read import AsyncConn, Conn

SECONDS_BETWEEN = 0.2


@dataclass(frozen=True, slots=True)
class Progress:
    """One look at a build: the server's phase, and blocks of the table read so far."""

    phase: str
    done: int
    total: int
    rows: int


Watcher: TypeAlias = Callable[[Progress], None]
"""Called about five times a second, from another thread; if it raises, the reports end
and the build goes on."""


@contextmanager
def watch(conn: Conn | AsyncConn, watcher: Watcher | None) -> Iterator[None]:
    """Report the build that `conn` runs inside the block, if anybody wants to know.

    A server that takes no second connection only costs the reports.
    """
    if watcher is None:
        yield
        return
    stop = threading.Event()
    thread = threading.Thread(
        target=_poll,
        args=(conninfo(conn), conn.info.backend_pid, watcher, stop),
        daemon=True,
    )
    thread.start()
    try:
        yield
    finally:
        stop.set()
        # it wakes at once, unless it waits for a server that takes no more connections
        thread.join(timeout=1)


def conninfo(conn: Conn | AsyncConn) -> str:
    """What opens another connection like this one, password included."""
    return make_conninfo(conn.info.dsn, password=conn.info.password or None)


def _poll(conninfo: str, pid: int, watcher: Watcher, stop: threading.Event) -> None:
    query = source.statement("build_progress").encode()
    try:
        with psycopg.Connection[tuple[str, int, int, int]].connect(
            conninfo, autocommit=True, row_factory=tuple_row, connect_timeout=5
        ) as second:
            while not stop.wait(SECONDS_BETWEEN):
                row = second.execute(query, {"pid": pid}).fetchone()
                if row is not None:
                    watcher(Progress(*row))
    except psycopg.OperationalError:
        return
