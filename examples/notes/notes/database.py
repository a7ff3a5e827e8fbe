"""The database: DATABASE_URL, or the embedded PostgreSQL of mrl_pg."""

import os
import re

from mrl_pg import server


def url() -> str:
    """The URL for SQLAlchemy and psycopg 3, with or without async.

    Without DATABASE_URL a server in `.mrl_pg/` of the current folder is started and
    left running: `mrl-pg server stop` ends it.
    """
    found = os.environ.get("DATABASE_URL") or server.start().url()
    # without a driver in the URL, SQLAlchemy may choose another one
    return re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", found)
