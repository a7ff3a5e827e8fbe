"""How a query, a vector or words, travels as a parameter."""

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


@dataclass(frozen=True, slots=True)
class QueryWords:
    """The words of a query and their encoding, for `QueryWordsDumper`."""

    text: str
    encoding: str


class QueryWordsDumper(Dumper):
    """Sends words as text without a type, because the statement casts them.

    The caller's own adapters for `str` are left out, and so is psycopg's, which sends
    only ASCII to a database in SQL_ASCII.
    """

    format = pq.Format.TEXT
    oid = 0

    def dump(self, obj: QueryWords) -> Buffer:
        """The words in the encoding of the connection."""
        return obj.text.encode(obj.encoding)
