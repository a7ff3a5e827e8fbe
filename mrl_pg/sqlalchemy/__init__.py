"""The interface for SQLAlchemy: declare a short column, search with a Select.

Importing it changes nothing in SQLAlchemy; `register(engine, Base.metadata)` listens to
your engine and your metadata.
"""

from mrl_pg.sqlalchemy.check_plan import check_plan
from mrl_pg.sqlalchemy.create import install
from mrl_pg.sqlalchemy.declare import Matryoshka, indexes_of
from mrl_pg.sqlalchemy.listeners import register
from mrl_pg.sqlalchemy.reflect import Registered, registered
from mrl_pg.sqlalchemy.select import (
    distance,
    fallback,
    index_name,
    search,
    seen,
    standing,
)
from mrl_pg.sqlalchemy.words import (
    hybrid,
    score,
    search_words,
    vector_rank,
    word_rank,
)

__all__ = [
    "Matryoshka",
    "Registered",
    "check_plan",
    "distance",
    "fallback",
    "hybrid",
    "index_name",
    "indexes_of",
    "install",
    "register",
    "registered",
    "score",
    "search",
    "search_words",
    "seen",
    "standing",
    "vector_rank",
    "word_rank",
]
