"""Alembic takes a URL as libpq writes it."""

from pathlib import Path

import psycopg
import pytest
from support.command import alembic

SETTINGS = Path(__file__).parents[2] / "migrations" / "alembic.ini"


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+asyncpg"])
def test_every_scheme_means_psycopg(
    bare_database: str, tmp_path: Path, scheme: str
) -> None:
    """`postgresql://` meant psycopg2 to SQLAlchemy 2.0, which nobody has here.

    And this environment has no event loop, which asyncpg wants.
    """
    with psycopg.connect(bare_database, autocommit=True) as conn:
        conn.execute("create extension vector")
        url = scheme + bare_database.removeprefix("postgresql")
        upgrade = ["-c", str(SETTINGS), "upgrade", "head"]
        done = alembic(tmp_path, upgrade, environment={"DATABASE_URL": url})
        assert done.returncode == 0, done.stderr
        assert conn.execute("select mrl.version()").fetchall()
