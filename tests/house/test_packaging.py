"""The wheel holds every file, and it works away from the source tree."""

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mrl_pg import source
from mrl_pg.installation import VERSION

ROOT = Path(__file__).parents[2]
SOURCES = ("mrl_pg", "migrations", "sql")
FILES = ("pyproject.toml", "LICENSE", "README.md")
CODE = """
import mrl_pg, mrl_pg.source, mrl_pg.alembic, mrl_pg.migrations
from mrl_pg import demo, install
from pathlib import Path
folder = Path(mrl_pg.__file__).parents[1]
print(folder)
print(install.__module__, mrl_pg.MatryoshkaIndex("docs", "embedding", dims=8).name)
print(Path(mrl_pg.migrations.__path__[0]).relative_to(folder))
print(len(mrl_pg.source.manifest("install.sql")))
print(mrl_pg.source.read("install.sql"), end="")
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A wheel built from a copy of the tree, so that your tree stays clean."""
    tree = tmp_path_factory.mktemp("tree")
    ignore = shutil.ignore_patterns("__pycache__")
    for name in SOURCES:
        shutil.copytree(ROOT / name, tree / name, ignore=ignore)
    for name in FILES:
        shutil.copy(ROOT / name, tree)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation"]
    done = subprocess.run(
        [*command, "--outdir", str(tree / "dist"), str(tree)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    yield next((tree / "dist").glob("*.whl"))
    shutil.rmtree(tree)


def test_the_wheel_holds_every_file(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert len(names) == len(set(names))
    wanted = {"mrl_pg/migrations/alembic.ini", "mrl_pg/py.typed"}
    for folder, inside, pattern in (
        ("mrl_pg", "mrl_pg", "**/*.py"),
        ("mrl_pg/demo/data", "mrl_pg/demo/data", "*"),
        ("mrl_pg/report", "mrl_pg/report", "*.j2"),
        ("mrl_pg/scale", "mrl_pg/scale", "*.jsonl"),
        ("migrations", "mrl_pg/migrations", "**/*.py"),
        ("sql", "mrl_pg/sql", "**/*.sql"),
        ("sql", "mrl_pg/sql", "frozen.txt"),
    ):
        wanted |= {
            f"{inside}/{path.relative_to(ROOT / folder).as_posix()}"
            for path in (ROOT / folder).glob(pattern)
        }
    assert wanted <= set(names)
    about = f"mrl_pg-{VERSION}.dist-info"
    assert {f"{about}/entry_points.txt", f"{about}/METADATA"} <= set(names)
    assert any(name.startswith(about) and name.endswith("LICENSE") for name in names)
    others = {
        name
        for name in names
        if name not in wanted and not name.startswith(f"{about}/")
    }
    # the files that make packages; no tests, no caches, no source twice
    assert others <= {"mrl_pg/sql/__init__.py"}


def test_the_wheel_is_small(wheel: Path) -> None:
    assert wheel.stat().st_size < 17e6


def test_the_unpacked_wheel_works_elsewhere(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "there")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", CODE],
        env={**os.environ, "PYTHONPATH": str(tmp_path / "there")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    folder, index, migrations, files, text = done.stdout.split("\n", maxsplit=4)
    assert Path(folder) == tmp_path / "there"
    assert index == "mrl_pg.installation docs_embedding_8_halfvec_cosine_hnsw"
    assert migrations == "mrl_pg/migrations"
    assert int(files) == len(source.manifest("install.sql"))
    assert text == (ROOT / "sql" / "install.sql").read_text()


def test_the_revisions_run_from_the_wheel(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    settings = tmp_path / "mrl_pg" / "migrations" / "alembic.ini"
    command = [sys.executable, "-m", "alembic", "-c", str(settings)]
    done = subprocess.run(
        [*command, "upgrade", "head", "--sql"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert source.read("functions/version.sql") in done.stdout
