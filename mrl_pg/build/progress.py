"""How far an index build is, watched from a second connection."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.rows import tuple_row

from mrl_pg import source
from mrl_pg.exchange import AnyConn
from mrl_pg.exchange.progress import OnProgress, Progress

SECONDS_BETWEEN = 0.2


@contextmanager
def watch(conn: AnyConn, progress: OnProgress | None) -> Iterator[None]:
    """Call `progress` about five times a second with the build that `conn` runs.

    The calls come from another thread. If one raises, or the server takes no second
    connection, the calls end and the build goes on.
    """
    if progress is None:
        yield
        return
    stop = threading.Event()
    thread = threading.Thread(
        target=_poll,
        args=(conninfo(conn), conn.info.backend_pid, progress, stop),
        daemon=True,
    )
    thread.start()
    try:
        yield
    finally:
        stop.set()
        # ends at once, unless it waits for a server that is out of connections
        thread.join(timeout=1)


def conninfo(conn: AnyConn) -> str:
    """Connection string of another connection like this one, with its password."""
    return make_conninfo(conn.info.dsn, password=conn.info.password or None)


def _poll(conninfo: str, pid: int, progress: OnProgress, stop: threading.Event) -> None:
    query = source.statement("build_progress").encode()
    try:
        with psycopg.Connection[tuple[str, int, int, int]].connect(
            conninfo, autocommit=True, row_factory=tuple_row, connect_timeout=5
        ) as second:
            while not stop.wait(SECONDS_BETWEEN):
                row = second.execute(query, {"pid": pid}).fetchone()
                if row is not None:
                    progress(Progress(*row))
    except psycopg.OperationalError:
        return
