"""Names of the connections that verbs are carried out on."""

from typing import Any, TypeAlias

from psycopg import AsyncConnection, Connection

Conn: TypeAlias = Connection[Any]
AsyncConn: TypeAlias = AsyncConnection[Any]

AnyConn: TypeAlias = Conn | AsyncConn
"""What a verb may look at: as the key of a cache, for its encoding or its status."""
