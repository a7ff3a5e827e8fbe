"""How a whole column of a file travels as one parameter."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from psycopg.abc import Buffer
from psycopg.adapt import Dumper
from psycopg.pq import Format


@dataclass(frozen=True, slots=True)
class Array:
    """A parameter that already is a binary array."""

    data: Buffer


def vector_array(type_id: int, vectors: Sequence[bytes]) -> Array:
    """An array of type `vector[]`, whose elements are in pgvector's binary format.

    `type_id` is the number of the type `vector`, which differs between databases.
    """
    # one dimension or none, no NULL, the type; how many, and the first number
    head = struct.pack(">iiI", bool(vectors), 0, type_id)
    size = struct.pack(">ii", len(vectors), 1) if vectors else b""
    values = (struct.pack(">i", len(vector)) + vector for vector in vectors)
    return Array(head + size + b"".join(values))


class ArrayDumper(Dumper):
    """Sends an Array unchanged; the statement names its type."""

    format = Format.BINARY

    def dump(self, obj: Array) -> Buffer:
        """The bytes of the array."""
        return obj.data
