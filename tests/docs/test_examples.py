"""examples/notes, copied out as a newcomer does: migrated, used, and taken back."""

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from support.pages import blocks
from support.scripts import run_script
from support.servers import psql

EXAMPLE = Path(__file__).parents[2] / "examples/notes"
IGNORED = shutil.ignore_patterns("__pycache__", ".mrl_pg")


@dataclass(frozen=True, slots=True)
class Example:
    """A copy of the example, and a database for it."""

    folder: Path
    url: str

    def shell(self, script: str) -> str:
        """What commands print, as typed in the folder."""
        path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
        environment = {
            **os.environ,
            "PATH": path,
            "DATABASE_URL": self.url,
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONWARNINGS": "error",
        }
        done = run_script(script, self.folder, environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def example(bare_database: str, tmp_path: Path) -> Example:
    """The copy, with a database that holds nothing."""
    shutil.copytree(EXAMPLE, tmp_path / "notes", ignore=IGNORED)
    return Example(tmp_path / "notes", bare_database)


def test_it_does_what_its_readme_shows(example: Example) -> None:
    page = blocks(EXAMPLE / "README.md")
    (block,) = [block for block in page if block.shown is not None]
    assert example.shell(block.text) == block.shown


def test_models_and_migrations_agree_both_ways(example: Example) -> None:
    for _ in range(2):
        example.shell("alembic upgrade head")
        assert "No new upgrade operations" in example.shell("alembic check")
        example.shell("python -m notes add 'a ship that carries oil' --tag sea")
        assert "oil #sea" in example.shell("python -m notes find tanker")
        example.shell("alembic downgrade 0001")
        with psycopg.connect(example.url) as conn:
            asked = "select dims, usable from mrl.indexes"
            assert conn.execute(asked).fetchall() == [(128, True)]
        example.shell("alembic downgrade base")
    with psycopg.connect(example.url) as conn:
        left = "select to_regclass('notes'), to_regnamespace('mrl')"
        assert conn.execute(left).fetchone() == (None, None)


def test_its_revisions_print_as_sql(example: Example, pg_version: int) -> None:
    example.shell("alembic upgrade head --sql > up.sql")
    psql(pg_version, example.url, "-f", str(example.folder / "up.sql"))
    assert "No new upgrade operations" in example.shell("alembic check")
