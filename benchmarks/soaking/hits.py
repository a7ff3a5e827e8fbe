"""Hits a running verb: its client, its server process, or the whole server."""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg import errors

from mrl_pg import server
from mrl_pg.server import postmaster
from soaking.process import Running
from soaking.verbs import HELD, Verb
from soaking.watcher import APPLICATION

HOWS = ("client", "terminate", "cancel", "backend", "server")
"""What is hit: the client is killed; the server process is terminated, its statement
cancelled, or it is killed with -9, so that the server restarts; or every process of the
server is killed with -9, as a power cut does."""

RUNNING = """
select
    activity.pid,
    activity.query,
    activity.state <> 'idle' as busy,
    exists (
        select from pg_locks as lock
        where lock.pid = activity.pid
            and lock.locktype = 'advisory'
            and lock.classid = 1836215405
    ) as building,
    pg_blocking_pids(activity.pid) as blockers
from pg_stat_activity as activity
where activity.application_name = %s
    and strpos(activity.query, 'pg_stat_progress') = 0
"""

Conn = psycopg.Connection[Any]


@contextmanager
def connected(url: str) -> Iterator[Conn]:
    """A connection, which may be lost in the block."""
    conn = psycopg.connect(url, autocommit=True)
    try:
        yield conn
    finally:
        conn.close()


@dataclass(frozen=True, slots=True)
class Hit:
    """What was hit, and the statement that was running."""

    how: str
    query: str


@dataclass(slots=True)
class Holder:
    """A session whose lock makes a step of milliseconds wait until it is hit."""

    conn: Conn
    lock: str | None
    """The table and the mode; None if the step takes long enough by itself."""
    passing: str | None = None
    """A statement of an earlier step, for which it let go."""
    holds: bool = False

    @property
    def pid(self) -> int:
        """The server process that holds the lock."""
        return self.conn.info.backend_pid

    def take(self) -> None:
        """Take the lock, unless it is held, or does not come soon."""
        if self.lock is None or self.holds:
            return
        self.passing = None
        self.conn.execute("begin; set local lock_timeout = '20ms'")
        try:
            self.conn.execute(f"lock table {self.lock} mode".encode())
        except errors.LockNotAvailable:
            self.conn.execute("rollback")
        else:
            self.holds = True

    def let_pass(self, query: str) -> None:
        """Let go of the lock while a statement runs."""
        self.conn.execute("rollback")
        self.holds, self.passing = False, query


@dataclass(slots=True)
class Hitter:
    """Hits verbs, at their steps in turn and at random moments."""

    url: str
    folder: Path
    restart: Callable[[], object]
    draw: random.Random
    turns: dict[tuple[str, str], int] = field(default_factory=dict)
    typical: dict[tuple[str, str], float] = field(default_factory=dict)
    """Seconds that a verb takes, by name and way."""

    def strike(self, verb: Verb, how: str) -> Hit | None:
        """Start a verb and hit it; None if it was not running any more."""
        kind = verb.name, verb.keep
        turn = self.turns[kind] = self.turns.get(kind, -1) + 1
        # every step in turn, and then a moment at random, if the verb takes some time
        steps = [*verb.steps, *([None] if verb.is_long else [])]
        step = steps[turn % len(steps)]
        delay = self.draw.random() * self.typical.get(kind, 1)
        with ExitStack() as stack:
            holder = Holder(
                stack.enter_context(connected(self.url)), HELD.get(step or "")
            )
            holder.take()
            conn = stack.enter_context(connected(self.url))
            running = verb.start(self.url)
            struck = self._reach(conn, running, verb, step, delay, how, holder)
        if struck is None:
            running.wait()
            return None
        if how == "server":
            self.restart()
        running.wait()
        return struck if running.returncode else None

    def _reach(
        self,
        conn: Conn,
        running: Running,
        verb: Verb,
        step: str | None,
        delay: float,
        how: str,
        holder: "Holder",
    ) -> Hit | None:
        """Wait for the moment, and hit."""
        began = None
        while running.returncode is None:
            for pid, query, busy, building, blockers in conn.execute(
                RUNNING, [APPLICATION]
            ):
                at = next((part for part in verb.steps if part in query), None)
                if at != step and holder.pid in blockers:
                    # a step before
                    holder.let_pass(query)
                elif holder.passing not in (None, query) or not busy:
                    holder.take()
                if not (building or (busy and at)):
                    continue
                began = began or time.monotonic()
                if at == step if step else time.monotonic() - began >= delay:
                    return self._hit(conn, running, how, pid, query)
            time.sleep(0.001)
        return None

    def _hit(
        self,
        conn: Conn,
        running: Running,
        how: str,
        pid: int,
        query: str,
    ) -> Hit | None:
        if running.returncode is not None:
            return None
        if how == "client":
            running.kill()
        elif how == "server":
            crash(conn, self.folder)
        elif how == "backend":
            os.kill(pid, signal.SIGKILL)
        else:
            conn.execute(f"select pg_{how}_backend({pid})".encode())
        return Hit(how, query)


def crash(conn: Conn, folder: Path) -> None:
    """Kill all processes of the server at once."""
    process = postmaster.running(folder)
    assert process is not None
    # it starts no more processes, one of which would outlive it in its shared memory
    os.kill(process.pid, signal.SIGSTOP)
    asked = conn.execute("select pid from pg_stat_activity").fetchall()
    pids = {pid for (pid,) in asked} | set(children(process.pid))
    for pid in (*pids, process.pid):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    while postmaster.running(folder) is not None:
        time.sleep(0.01)


def children(parent: int) -> Iterator[int]:
    """Processes that a process started (Linux; elsewhere none)."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # behind the name, which may hold anything: state, parent
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == parent:
            yield int(stat.parent.name)


def ready(folder: Path, url: str) -> None:
    """Wait until the server takes connections again."""
    for _ in range(600):
        if server.status(folder) is not None:
            try:
                psycopg.connect(url).close()
            except psycopg.OperationalError:
                pass
            else:
                return
        time.sleep(0.1)
    raise SystemExit("the server does not come back")
