"""Which database: DATABASE_URL, or a PostgreSQL that mrl_pg brings along."""

import os
import re

from mrl_pg import server


def url() -> str:
    """The URL for SQLAlchemy and psycopg 3, with or without async.

    Without DATABASE_URL a server in `.mrl_pg/` of the current folder is started and
    left running: `mrl-pg server stop` ends it.
    """
    found = os.environ.get("DATABASE_URL") or server.start().url()
    # as libpq writes it, SQLAlchemy would look for another driver
    return re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", found)
