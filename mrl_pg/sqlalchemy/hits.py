"""`mrl_hits`: the rows that a search found, as the rest of its statement sees them."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import BigInteger, Boolean, Float, Text, column
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.selectable import TableClause

MOST_KEYS = 32
"""The most columns of a primary key (PostgreSQL's INDEX_MAX_KEYS)."""


class Hits(TableClause):
    """A table for which SQLAlchemy never warns that it is not joined.

    `where(false())` removes the join, and SQLAlchemy would warn of that.
    """

    inherit_cache = True


@compiles(Hits)
def _compile_hits(element: Hits, compiler: Any, **kw: Any) -> str:
    kw["from_linter"] = None
    text: str = compiler.visit_table(element, **kw)
    return text


HITS = Hits(
    "mrl_hits",
    column("score", Float()),
    column("distance", Float()),
    column("vector_rank", BigInteger()),
    column("word_rank", BigInteger()),
    column("seen", BigInteger()),
    column("standing", Text()),
    column("index_name", Text()),
    column("fallback", Boolean()),
    *(column(f"key_{place}") for place in range(1, MOST_KEYS + 1)),
)
"""The k rows found, by key, as the rest of a statement sees them."""


def froms(parts: Iterable[Any]) -> set[Any]:
    """The tables that parts of a statement are read from."""
    return {source for part in parts for source in part._from_objects}
