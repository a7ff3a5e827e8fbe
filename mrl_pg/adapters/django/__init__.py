"""Django: an index for `Meta.indexes`, its migrations, and searches by a manager.

It needs the extra `mrl_pg[django]`, and PostgreSQL by psycopg 3.
"""

try:
    import django  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "mrl_pg.adapters.django needs Django, which is not installed: "
        "pip install 'mrl_pg[django]'",
        name=error.name,
    ) from error

from mrl_pg.adapters.django.indexes import ShortIndex
from mrl_pg.adapters.django.migrations import AddShortIndexConcurrently, InstallMrl
from mrl_pg.adapters.django.search import NearestManager, NearestQuerySet, NearestRows

__all__ = [
    "AddShortIndexConcurrently",
    "InstallMrl",
    "NearestManager",
    "NearestQuerySet",
    "NearestRows",
    "ShortIndex",
]
