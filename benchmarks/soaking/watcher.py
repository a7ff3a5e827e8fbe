"""A session that looks again and again which locks are held, and who waits for whom."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg

APPLICATION = "soak"
"""The application name of the sessions that are watched, and hit."""

STRONG = """
select locks.pid, locks.mode, locks.granted
from pg_locks as locks
join pg_stat_activity as activity using (pid)
where activity.application_name = %s
    and locks.relation = 'docs'::regclass
    and locks.mode in (
        'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'
    )
"""


WRITER = "soak writer"
"""The application name of the writers."""

BLOCKED = """
select
    writer.pid,
    concat_ws(
        ' ',
        nullif(blocker.application_name, ''),
        nullif(blocker.backend_type, 'client backend'),
        left(regexp_replace(blocker.query, '\\s+', ' ', 'g'), 70)
    ) as blocked_by
from pg_stat_activity as writer
cross join lateral unnest(pg_blocking_pids(writer.pid)) as first (pid)
join pg_stat_activity as blocker on blocker.pid = first.pid
where writer.application_name = %s
    and writer.wait_event_type = 'Lock'
"""
"""Writers that wait for a lock, and what the sessions do that they wait for."""


@dataclass(eq=False)
class Watcher(threading.Thread):
    """Notes how long locks above SHARE UPDATE EXCLUSIVE are held, and waited for."""

    url: str
    done: threading.Event
    pause: float
    """Seconds between two looks."""
    label: str = ""
    """What is running now, set by whoever runs it."""
    held: dict[str, float] = field(default_factory=dict)
    """The longest milliseconds of such a lock, by label, at most one look too long."""
    waited: dict[str, float] = field(default_factory=dict)
    """The longest milliseconds that somebody waited for such a lock."""
    blocked: dict[str, float] = field(default_factory=dict)
    """The longest milliseconds that a writer waited, by what another session did."""
    looks: int = 0
    gap: float = 0
    """The longest milliseconds between two looks."""

    def __post_init__(self) -> None:
        """Become a thread."""
        super().__init__(daemon=True)

    def run(self) -> None:
        """Look until the event is set; connect again after every loss."""
        while not self.done.is_set():
            try:
                with psycopg.connect(self.url, autocommit=True) as conn:
                    self._watch(conn)
            except psycopg.OperationalError:
                time.sleep(0.1)

    def _watch(self, conn: psycopg.Connection[Any]) -> None:
        # the look before the lock was first seen
        since: dict[tuple[int, str, bool], float] = {}
        waits: dict[tuple[int, str], float] = {}
        before = time.monotonic()
        while not self.done.wait(self.pause):
            now = time.monotonic()
            seen = set(conn.execute(STRONG, [APPLICATION]).fetchall())
            for lock in seen:
                since.setdefault(lock, before)
                longest = self.held if lock[2] else self.waited
                took = 1000 * (now - since[lock])
                longest[self.label] = max(longest.get(self.label, 0), took)
            since = {lock: start for lock, start in since.items() if lock in seen}
            waiting = set(conn.execute(BLOCKED, [WRITER]).fetchall())
            for wait in waiting:
                took = 1000 * (now - waits.setdefault(wait, before))
                what = f"{self.label}: {wait[1]}"
                self.blocked[what] = max(self.blocked.get(what, 0), took)
            waits = {wait: start for wait, start in waits.items() if wait in waiting}
            self.gap = max(self.gap, 1000 * (now - before))
            self.looks += 1
            before = now


@contextmanager
def watching(url: str, pause: float) -> Iterator[Watcher]:
    """A watcher that looks during the block, with a pause in seconds between looks."""
    done = threading.Event()
    watcher = Watcher(url, done, pause)
    watcher.start()
    try:
        yield watcher
    finally:
        done.set()
        watcher.join()
