"""Verbs as the requests that they send, with something done between two of them."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TypeVar

from psycopg import OperationalError, sql

from mrl_pg.exchange import (
    BeginTransaction,
    EndTransaction,
    Exchange,
    Request,
    Send,
    run,
)
from support.databases import Conn, connect

T = TypeVar("T")

MODES = (
    *("ACCESS SHARE", "ROW SHARE", "ROW EXCLUSIVE", "SHARE UPDATE EXCLUSIVE"),
    *("SHARE", "SHARE ROW EXCLUSIVE", "EXCLUSIVE", "ACCESS EXCLUSIVE"),
)
"""Locks on a table, the weakest first."""


FILL = "call mrl.fill_short_column("


def text_of(request: Request) -> str:
    """The statement of a request; for other requests their name."""
    if not isinstance(request, Send):
        return type(request).__name__
    statement = request.statement
    if isinstance(statement, bytes):
        return statement.decode()
    if isinstance(statement, sql.Composable):
        return statement.as_string()
    return str(statement)


def intercepted(
    verb: Exchange[T], handle: Callable[[Request], Exchange[object]]
) -> Exchange[T]:
    """The same verb; `handle` carries out each of its requests, or something else."""
    try:
        request = next(verb)
        while True:
            try:
                answer = yield from handle(request)
            except Exception as error:
                request = verb.throw(error)
            else:
                request = verb.send(answer)
    except StopIteration as done:
        result: T = done.value
        return result


def sent(conn: Conn, verb: Exchange[object]) -> list[str]:
    """What a verb sends, as `text_of` shows it, while it is carried out."""
    texts: list[str] = []

    def handle(request: Request) -> Exchange[object]:
        texts.append(text_of(request))
        return (yield request)

    run(conn, intercepted(verb, handle))
    return texts


# ------------------------------------------------------------------ locks


def strongest(conn: Conn, pid: int, relation: str = "docs") -> str | None:
    """The strongest lock that a session has, or waits for, on a table."""
    rows = conn.execute(
        "select mode from pg_locks where pid = %s and relation = to_regclass(%s)",
        [pid, relation],
    ).fetchall()
    names = {mode.title().replace(" ", "") + "Lock": mode for mode in MODES}
    held = [names[mode] for (mode,) in rows]
    return max(held, key=MODES.index, default=None)


def looked_at(
    verb: Exchange[T], url: str, pid: int, look: Callable[[str], object]
) -> Exchange[T]:
    """The same verb; `look` is told each statement while its session holds its locks.

    That is before the commit: a statement that would be a transaction by itself gets
    one around it. A statement that cannot run in a transaction is looked at while it
    waits, as `held_up` makes it; of a fill, whose batches commit, the first batch is.
    """
    depth = 0

    def handle(request: Request) -> Exchange[object]:
        nonlocal depth
        depth += isinstance(request, BeginTransaction)
        depth -= isinstance(request, EndTransaction)
        text = text_of(request)
        if not isinstance(request, Send):
            return (yield request)
        if "index concurrently" in text:
            with held_up(url, pid, lambda: look(text)):
                return (yield request)
        if depth:
            answer = yield request
            look(text)
            return answer
        sent: Request = request
        if text.startswith(FILL):
            first = text.removeprefix(FILL).replace("check_rows", "wrong")
            sent = Send(f"select mrl._fill_next(mrl._begin_fill({first})")
        yield BeginTransaction()
        try:
            answer = yield sent
        except Exception as error:
            yield EndTransaction(error)
            raise
        look(text)
        yield EndTransaction()
        return answer if sent is request else (yield request)

    return intercepted(verb, handle)


@contextmanager
def held_up(url: str, pid: int, look: Callable[[], object]) -> Iterator[None]:
    """Make a concurrent build or drop wait for others, and look each time it waits.

    It waits for who writes the table, and then, if it is a build, for an old snapshot.
    """
    ended = threading.Event()
    with ExitStack() as stack:
        watcher = stack.enter_context(connect(url))
        writer, snapshot = (connect(url) for _ in range(2))
        for conn in (writer, snapshot):
            stack.callback(conn.close)
            conn.execute("begin isolation level repeatable read")
            conn.execute("select 1")
        writer.execute("lock table docs in row exclusive mode")

        def wait(other: Conn) -> bool:
            """Whether the session came to wait for the other one."""
            while not ended.is_set():
                ((waits,),) = watcher.execute(
                    "select %s = any (pg_blocking_pids(%s))",
                    [other.info.backend_pid, pid],
                )
                if waits:
                    return True
                time.sleep(0.01)
            return False

        def hold() -> None:
            # the server may have been killed by `look`
            with suppress(OperationalError):
                for other in (writer, snapshot):
                    if wait(other):
                        look()
                    other.rollback()

        thread = threading.Thread(target=hold)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
