"""On which versions of PostgreSQL a test runs."""

import pytest

one_version = pytest.mark.parametrize(
    "pg_version", [18], ids=["pg18"], indirect=True, scope="session"
)
"""A mark for tests that the older server would only repeat: of files, words, flags."""
