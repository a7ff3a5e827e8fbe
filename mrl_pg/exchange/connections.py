"""Names of the connections that verbs are carried out on."""

from typing import Any, TypeAlias

from psycopg import AsyncConnection, Connection

Conn: TypeAlias = Connection[Any]
AsyncConn: TypeAlias = AsyncConnection[Any]

AnyConn: TypeAlias = Conn | AsyncConn
"""The connection of a verb, which uses it as a cache key and reads its status."""
