"""The SQLAlchemy door: declare a short column on a model, search with a Select.

Importing it lets `Table(autoload_with=…)` find declarations again, psycopg connections
of SQLAlchemy's pools send queries in binary, and engines raise IndexMismatch for what a
search says of its short column; nothing else changes.
"""

from mrl_pg.sqlalchemy import mismatch as _mismatch  # noqa: F401  listens
from mrl_pg.sqlalchemy.create import install
from mrl_pg.sqlalchemy.declare import Matryoshka, indexes_of
from mrl_pg.sqlalchemy.reflect import Registered, registered
from mrl_pg.sqlalchemy.select import distance, promise, search, seen

__all__ = [
    "Matryoshka",
    "Registered",
    "distance",
    "indexes_of",
    "install",
    "promise",
    "registered",
    "search",
    "seen",
]
