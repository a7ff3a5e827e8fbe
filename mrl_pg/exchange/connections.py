"""The connections that verbs are carried out on: their names, and when they commit."""

from typing import Any, TypeAlias

from psycopg import AsyncConnection, Connection, pq

Conn: TypeAlias = Connection[Any]
AsyncConn: TypeAlias = AsyncConnection[Any]

AnyConn: TypeAlias = Conn | AsyncConn
"""The connection of a verb, which uses it as a cache key and reads its status."""


def commits_each(conn: AnyConn) -> bool:
    """Whether each statement on a connection is a transaction by itself."""
    idle = conn.info.transaction_status == pq.TransactionStatus.IDLE
    return conn.autocommit and idle
