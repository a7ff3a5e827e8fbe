"""Alembic takes a URL as libpq writes it."""

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

SETTINGS = Path(__file__).parents[1] / "migrations" / "alembic.ini"


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_every_scheme_means_psycopg(bare_database: str, scheme: str) -> None:
    """`postgresql://` meant psycopg2 to SQLAlchemy 2.0, which nobody has here."""
    with psycopg.connect(bare_database, autocommit=True) as conn:
        conn.execute("create extension vector")
        url = scheme + bare_database.removeprefix("postgresql")
        done = subprocess.run(
            [sys.executable, "-m", "alembic", "-c", str(SETTINGS), "upgrade", "head"],
            env={**os.environ, "DATABASE_URL": url},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert conn.execute("select mrl.version()").fetchall()
