"""The SQLAlchemy door: declare a short column on a model, search with a Select.

Importing it lets `Table(autoload_with=…)` find declarations again, and psycopg
connections of SQLAlchemy's pools send queries in binary; nothing else changes.
"""

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
