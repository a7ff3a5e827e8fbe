"""docs/alembic.md runs as written: a new application, from `alembic init` on."""

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent, indent

import psycopg
import pytest
from support.pages import ROOT, blocks, psycopg_url
from support.scratch_app import write_module
from support.scripts import run_script

from mrl_pg import server

PAGE = ROOT / "docs/alembic.md"
CONFIGURE = r"^ +context\.configure\(\n +connection=[^)]*\)\n"
BY_HAND = r"^def upgrade[\s\S]*"


@dataclass(frozen=True, slots=True)
class Application:
    """A reader's folder, and what to do with each kind of block there."""

    folder: Path
    url: str
    bin_dir: Path

    def shell(self, script: str) -> str:
        """Run commands; the reader has installed mrl_pg already."""
        lines = [line for line in script.splitlines() if not line.startswith("pip ")]
        path = f"{Path(sys.executable).parent}:{self.bin_dir}:/usr/bin:/bin"
        environment = {
            **os.environ,
            "PATH": path,
            "PYTHONDONTWRITEBYTECODE": "1",
            "DATABASE_URL": self.url,
        }
        done = run_script("\n".join(lines), self.folder, environment)
        assert done.returncode == 0, done.stdout + done.stderr
        if "alembic init" in script:
            url = psycopg_url(self.url).replace("%", "%%")
            self.replace("alembic.ini", r"^sqlalchemy\.url = .*", url_line(url))
        return done.stdout

    def replace(self, name: str, what: str, by: str) -> None:
        """Put one text in the place of another, which must be there once."""
        path = self.folder / name
        before = path.read_text()
        text, count = re.subn(what, lambda _: by, before, flags=re.MULTILINE)
        assert count == 1, f"{what} in {name}"
        write_module(path, text)

    def python(self, block: str) -> None:
        """Put a block where the page says that it belongs."""
        if block.startswith("# models.py\n"):
            write_module(self.folder / "models.py", block)
        elif "target_metadata = " in block:
            self.replace("migrations/env.py", "^target_metadata = None$", block)
        elif block.startswith("from mrl_pg.alembic import op"):
            self.replace("migrations/script.py.mako", "^from alembic import op$", block)
        elif "context.configure(" in block:
            self.replace("migrations/env.py", CONFIGURE, indent(block, " " * 8))
        else:
            assert block.startswith("def upgrade")
            newest = str(self.newest().relative_to(self.folder))
            self.replace(newest, BY_HAND, block)

    def newest(self, ending: str = "") -> Path:
        """The revision that was written last."""
        found = (self.folder / "migrations/versions").glob(f"*{ending}.py")
        return max(found, key=lambda path: path.stat().st_mtime_ns)

    def compare(self, shown: str) -> None:
        """What the page shows of a revision is there, in this order."""
        title, *lines = shown.splitlines()
        ending = title.removesuffix(".py").rsplit("…")[-1]
        text = self.newest(ending).read_text()
        place = 0
        for line in lines:
            if line.strip() not in ("", "…"):
                found = text.find(f"\n{line}\n", place)
                assert found >= 0, line
                place = found + len(line)


def url_line(url: str) -> str:
    return f"sqlalchemy.url = {url}"


@pytest.fixture
def application(
    bare_database: str, pg_version: int, tmp_path: Path
) -> Iterator[Application]:
    """An empty folder and an empty database."""
    yield Application(tmp_path, bare_database, server.bin_dir(pg_version))


def test_the_page_runs_as_written(application: Application) -> None:
    for block in blocks(PAGE):
        if block.language == "sh":
            application.shell(block.text)
        elif block.language == "python":
            application.python(block.text)
        else:
            application.compare(block.text)
    with psycopg.connect(application.url) as conn:
        asked = "select dims, kind, m::int, usable from mrl.indexes"
        found = [(256, "halfvec", 16, True), (512, "bit", 16, True)]
        assert sorted(conn.execute(asked).fetchall()) == found


def test_as_a_branch_of_your_history(application: Application) -> None:
    """The page's lines for alembic.ini, its `depends_on`, its `heads`."""
    page = blocks(PAGE)
    text = PAGE.read_text(encoding="utf-8")
    (ini,) = re.findall(r"^  ```ini\n(.*?)^  ```$", text, re.M | re.S)
    assert '`depends_on = "mrl_0001"`' in text
    application.shell("alembic init migrations")
    separator, locations = dedent(ini).split("\n", 1)
    application.replace("alembic.ini", "^path_separator = os$", separator)
    application.replace("alembic.ini", "^# version_locations = .*$", locations)
    for block in page[1:3]:
        application.python(block.text)
    with psycopg.connect(application.url, autocommit=True) as conn:
        conn.execute("create extension vector")
        application.shell("alembic upgrade heads")
        assert conn.execute("select to_regnamespace('mrl') is not null").fetchone()
    where = "--head base --version-path migrations/versions --depends-on mrl_0001"
    application.shell(f"alembic revision --autogenerate -m notes {where}")
    revision = application.newest("_notes").read_text()
    assert "= 'mrl_0001'" in revision
    assert "install_mrl" not in revision
    application.shell("alembic upgrade heads\nalembic check\nalembic downgrade base")
    application.shell("alembic upgrade heads\nalembic check")


def test_the_first_page_runs_as_written(application: Application) -> None:
    """Its model, its import in `env.py` and its commands."""
    page = blocks(ROOT / "docs/start.md")
    (declared,) = [block.text for block in page if "class Doc" in block.text]
    (imported,) = [
        block.text for block in page if "mrl_pg.alembic.register()" in block.text
    ]
    (commands,) = [block.text for block in page if "autogenerate -m" in block.text]
    application.shell("alembic init migrations")
    model = declared.split("engine =")[0]
    application.python(f"# models.py\n{model}")
    metadata = "import models\ntarget_metadata = models.Base.metadata\n"
    application.python(imported + metadata)
    application.shell(commands)
    assert "op.install_mrl" in application.newest("_short_column").read_text()
