"""A made-up next release, in a copy of `sql/` and of the revisions.

It has changes that releases have: a function with another body, a new column.
"""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

import psycopg
import pytest

from mrl_pg import source
from mrl_pg.installation import VERSION
from support.command import alembic as run_alembic
from support.installs import ROOT, SQL, psql

sys.path.append(str(ROOT / "tools"))
import freeze

NEXT = "9.0.0"
"""The made-up release; VERSION is the one before it, and frozen."""

REVISION = f'''"""The next release; takes a lock."""

from alembic import op

from mrl_pg.alembic import install_release, installed_here, run_manifest

revision = "mrl_next"
down_revision = "mrl_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    install_release(op, "{NEXT}")


def downgrade() -> None:
    if installed_here(op, "{NEXT}"):
        run_manifest(op, "releases/{NEXT}.down.sql")
'''
CACHED = (source.read, source.client, source.template, source.manifest)


@dataclass(frozen=True, slots=True)
class NextRelease:
    """A folder with `sql/` and `migrations/` as they are when NEXT is released."""

    folder: Path

    @property
    def sql(self) -> Path:
        """Its copy of `sql/`, which this process reads instead of the real folder."""
        return self.folder / "sql"

    def by_psql(self, url: str) -> None:
        """Install with psql."""
        with psycopg.connect(url) as conn:
            version = conn.info.server_version // 10000
        done = psql(url, version, self.sql / "install.sql")
        assert (done.returncode, done.stderr) == (0, "")
        assert f"mrl_pg {NEXT} is installed" in done.stdout

    def by_alembic(self, url: str, *command: str) -> CompletedProcess[str]:
        """Run Alembic's command; `upgrade head` unless another is given."""
        options = ["-c", str(self.folder / "migrations" / "alembic.ini")]
        options += ["-x", f"dsn={url}"]
        return run_alembic(self.folder, [*options, *(command or ("upgrade", "head"))])


@contextmanager
def copied(folder: Path) -> Iterator[Path]:
    """Copy `sql/` into a folder; in the block, this process reads that copy."""
    copy = folder / "sql"
    shutil.copytree(SQL, copy)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(source, "files", lambda package: copy)
            forget()
            yield copy
    finally:
        forget()


@contextmanager
def next_release(folder: Path) -> Iterator[NextRelease]:
    """Make the release in a folder; in the block, this process installs from there."""
    with copied(folder) as sql, pytest.MonkeyPatch.context() as patch:
        shutil.copytree(ROOT / "migrations", folder / "migrations")
        (folder / "migrations" / "versions" / "mrl_next.py").write_text(REVISION)
        # the function of the same name hides the module
        patch.setattr(sys.modules["mrl_pg.installation"], "VERSION", NEXT)
        # freeze VERSION, and then write the next release
        freeze_release(folder, VERSION)
        write(sql)
        forget()
        yield NextRelease(folder)


def freeze_release(folder: Path, version: str) -> None:
    """Run `tools/freeze.py` in the folder that holds a copy of `sql/`."""
    with pytest.MonkeyPatch.context() as here:
        here.chdir(folder)
        here.setattr(sys, "argv", ["freeze.py", version])
        freeze.main()
    source.read.cache_clear()


def write(folder: Path) -> None:
    """Add the files of NEXT; the files of VERSION stay as they are."""
    body = (folder / "functions" / "version.sql").read_text()
    assert f"'{VERSION}'" in body
    header = "-- Made up.\n-- mrl._registry\n-- Called by: people\n"
    manifest = (folder / "releases" / f"{VERSION}.sql").read_text()
    for name, text in {
        "functions/version.2.sql": body.replace(VERSION, NEXT),
        "tables/registry.2.sql": f"{header}alter table mrl._registry "
        "add column if not exists note pg_catalog.text;\n",
        "tables/registry.2.down.sql": f"{header}alter table mrl._registry "
        "drop column note;\n",
        f"releases/{NEXT}.sql": manifest.replace(
            "functions/version.sql", "functions/version.2.sql"
        ).replace(
            "tables/registry.sql", "tables/registry.sql\n\\ir ../tables/registry.2.sql"
        ),
        f"releases/{NEXT}.down.sql": f"{header}\\ir ../functions/version.sql\n"
        "\\ir ../tables/registry.2.down.sql\n",
    }.items():
        assert not (folder / name).exists()
        (folder / name).write_text(text)
    install = folder / "install.sql"
    install.write_text(install.read_text().replace(VERSION, NEXT))


def forget() -> None:
    """Clear the caches, so that `sql/` is read again from its present place."""
    for cached in (*CACHED, source.releases):
        cached.cache_clear()
