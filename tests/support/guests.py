"""Looks from another connection at what a session holds of a table."""

from dataclasses import dataclass, field

from psycopg import AsyncConnection

from support.databases import Conn

HELD = """select
    (
        select count(*)
        from pg_locks
        where pid = %(pid)s and relation = %(table)s::regclass
    ),
    backend_xmin,
    backend_xid
from pg_stat_activity
where pid = %(pid)s"""


@dataclass(slots=True)
class Guest:
    """A session whose verb is under way, and a connection to look at it from."""

    conn: "Conn | AsyncConnection"
    other: Conn
    table: str
    looked: int = field(default=0, init=False)
    pid: int = field(init=False)

    def __post_init__(self) -> None:
        """Remember the session, whose connection is busy later."""
        self.pid = self.conn.info.backend_pid

    def let_go(self) -> None:
        """No lock on the table, no snapshot, no transaction; DDL does not wait."""
        self.looked += 1
        names = {"pid": self.pid, "table": self.table}
        assert self.other.execute(HELD, names).fetchone() == (0, None, None)
        with self.other.transaction():
            # what waits at all would wait for the end of the verb
            self.other.execute("set local lock_timeout = '300ms'")
            for change in ("add column passing int", "drop column passing"):
                self.other.execute(f"alter table {self.table} {change}".encode())
