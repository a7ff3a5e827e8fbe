"""The query of a search as a bound value: checked, and sent in binary or as text."""

from collections.abc import Callable
from typing import Any
from weakref import WeakSet

from sqlalchemy import Dialect, Engine, event
from sqlalchemy.pool import Pool
from sqlalchemy.types import UserDefinedType

from mrl_pg.exchange.vectors import QueryVector, QueryVectorDumper
from mrl_pg.vectors import VectorLike, as_text, as_vector, wire


class QueryType(UserDefinedType[Any]):
    """A query for full vectors of `dims`: a list, an array, a Vector or a HalfVector.

    Raises InvalidVector for another length, NaN, or zeros under cosine.
    """

    cache_ok = True

    def __init__(self, kind: str, dims: int, cosine: bool) -> None:
        """`kind` of the full column, `vector` or `halfvec`, and its dimensions."""
        self.kind = kind
        self.dims = dims
        self.cosine = cosine

    def get_col_spec(self, **kw: Any) -> str:
        """`vector(1536)`, which the statement casts the query to."""
        return f"{self.kind}({self.dims})"

    def bound(self, value: VectorLike) -> QueryVector:
        """The query in pgvector's binary format."""
        vector = as_vector(value, dims=self.dims, cosine=self.cosine)
        return QueryVector(wire(vector, self.kind), self.kind)

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any]:
        """Binary if psycopg can send a QueryVector; else text, ten times as slow.

        (1.3 ms against 0.1 ms for 1536 dimensions, in Python and the server together.)
        """
        if dialect.driver not in ("psycopg", "psycopg_async"):
            return self._text

        def process(value: VectorLike) -> Any:
            # SQLAlchemy keeps this function, and the engine may be registered later
            binary = dialect in _dialects or event.contains(Pool, "checkout", _teach)
            return self.bound(value) if binary else self._text(value)

        return process

    def literal_processor(self, dialect: Dialect) -> Callable[[Any], str]:
        """The query as a literal, for statements printed in full."""
        return lambda value: f"'{self._text(value)}'"

    def _text(self, value: VectorLike) -> str:
        bound = self.bound(value)
        return as_text(bound.data, bound.kind)


_dialects: WeakSet[Dialect] = WeakSet()
"""Dialects of engines whose connections can send a QueryVector."""


def listen(engine: Engine | type[Engine]) -> None:
    """Have an engine, or all, send queries in binary by psycopg."""
    if isinstance(engine, Engine):
        event.listen(engine.pool, "checkout", _teach)
        _dialects.add(engine.dialect)
    else:
        event.listen(Pool, "checkout", _teach)


def _teach(connection: Any, record: Any, proxy: Any) -> None:
    """Let a psycopg connection send a QueryVector, whenever it was opened."""
    if "mrl_pg" not in record.info:
        record.info["mrl_pg"] = True
        adapters = getattr(connection, "adapters", None)
        if adapters is not None:
            adapters.register_dumper(QueryVector, QueryVectorDumper)
