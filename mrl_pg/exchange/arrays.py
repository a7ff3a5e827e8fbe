"""How a whole column of a file travels as one parameter."""

from dataclasses import dataclass

from psycopg.abc import Buffer
from psycopg.adapt import Dumper
from psycopg.pq import Format


@dataclass(frozen=True, slots=True)
class Array:
    """A parameter that already is a binary array."""

    data: Buffer


class ArrayDumper(Dumper):
    """Sends an Array unchanged; the statement names its type."""

    format = Format.BINARY

    def dump(self, obj: Array) -> Buffer:
        """The bytes of the array."""
        return obj.data
