"""How a query vector travels as a parameter."""

from dataclasses import dataclass

from psycopg import pq
from psycopg.adapt import Buffer, Dumper


@dataclass(frozen=True, slots=True)
class QueryVector:
    """A full vector in pgvector's binary format, for `QueryVectorDumper`."""

    data: bytes
    kind: str


class QueryVectorDumper(Dumper):
    """Sends a query in binary without a type, because the statement casts it.

    Therefore it works on a connection that never registered pgvector's types, and
    leaves the caller's adapters alone.
    """

    format = pq.Format.BINARY
    oid = 0

    def dump(self, obj: QueryVector) -> Buffer:
        """The bytes, as they are."""
        return obj.data
