"""packaging/: what each package holds, and what is written in more than one place."""

import json
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from email.message import Message
from importlib.metadata import PackageMetadata, metadata
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.missing import missing

from mrl_pg import extension, server
from mrl_pg.installation import VERSION

ROOT = Path(__file__).parents[2]
PACKAGING = ROOT / "packaging"
DIST = (sys.executable, str(ROOT / "tools" / "dist.py"))
CONDA = {"pgvector": "pgvector-python", "psycopg[binary]": "psycopg"}
"""Requirements that have another name on conda-forge."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The extension as users copy it: its control file and its script."""
    folder = tmp_path_factory.mktemp("extension")
    extension.write(folder)
    yield folder


@pytest.fixture(scope="module")
def about() -> PackageMetadata:
    """What setuptools reads in pyproject.toml."""
    return metadata("mrl_pg")


def unzipped(archive: Path, folder: Path) -> Path:
    with zipfile.ZipFile(archive) as zipped:
        zipped.extractall(folder)
    return folder / f"mrl_pg-{VERSION}"


def same(folder: Path, made: Path) -> None:
    """A folder holds the extension, and nothing else."""
    files = {path.name: path.read_bytes() for path in made.iterdir()}
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == files


def needs(program: str) -> None:
    if shutil.which(program) is None:
        missing(f"{program} is not installed")


# ------------------------------------------------------------------ PGXN


def test_the_archive_installs_the_extension(made: Path, tmp_path: Path) -> None:
    needs("make")
    subprocess.run([*DIST, "--out", tmp_path], check=True, capture_output=True)
    (archive,) = tmp_path.iterdir()
    assert archive.name == f"mrl_pg-{VERSION}.zip"
    tree = unzipped(archive, tmp_path)
    about = json.loads((tree / "META.json").read_text())
    assert about["version"] == VERSION
    assert about["provides"]["mrl_pg"]["version"] == VERSION
    for file in ("file", "docfile"):
        assert (tree / about["provides"]["mrl_pg"][file]).exists()

    config = server.bin_dir(server.VERSIONS[0]) / "pg_config"
    into = tmp_path / "installed"
    done = subprocess.run(
        ["make", "install", f"PG_CONFIG={config}", f"DESTDIR={into}"],
        cwd=tree,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (control,) = into.rglob("mrl_pg.control")
    shared = subprocess.check_output([config, "--sharedir"], text=True).strip()
    assert str(control.parent) == f"{into}{shared}/extension"
    same(control.parent, made)


# ------------------------------------------------------------------ Debian


def control() -> list[str]:
    """Names of the packages."""
    text = (PACKAGING / "debian" / "control").read_text()
    return re.findall(r"^Package: (.*)$", text, re.MULTILINE)


def test_debian_packages_hold_the_extension(made: Path, tmp_path: Path) -> None:
    needs("dpkg-buildpackage")
    needs("dh")
    done = subprocess.run([*DIST, "--deb", "--out", tmp_path], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    for name in control():
        deb = tmp_path / f"{name}_{VERSION}-1_all.deb"
        into = tmp_path / name
        subprocess.run(["dpkg-deb", "--extract", deb, into], check=True)
        folder = into / "usr/share/postgresql" / name.split("-")[1] / "extension"
        same(folder, made)
        outside = {
            path.relative_to(into).parts[2]
            for path in into.rglob("*")
            if path.is_file() and folder not in path.parents
        }
        assert outside == {"doc"}


def test_debian_packages_are_for_all_versions_and_this_one() -> None:
    versions = {int(name.split("-")[1]) for name in control()}
    assert versions == {15, 16, 17, 18}
    assert versions >= set(server.VERSIONS)
    text = (PACKAGING / "debian" / "control").read_text()
    for version in versions:
        needs = f"postgresql-{version}, postgresql-{version}-pgvector (>= 0.8.0)"
        assert f"Depends: {needs}" in text
        assert f"for PostgreSQL {version}: create extension mrl_pg." in text
    changes = (PACKAGING / "debian" / "changelog").read_text()
    assert changes.startswith(f"mrl-pg ({VERSION}-1) ")


def test_debian_has_the_licence() -> None:
    text = (PACKAGING / "debian" / "copyright").read_text()
    licence = (ROOT / "LICENSE").read_text()
    paragraphs = licence.split("\n\n")[2:]
    assert len(paragraphs) == 3
    for paragraph in paragraphs:
        assert " ".join(paragraph.split()) in " ".join(text.split())


# ------------------------------------------------------------------ conda, images, CI


def test_the_recipe_requires_what_the_package_does(about: PackageMetadata) -> None:
    recipe = read_yaml("packaging/conda/recipe.yaml")
    assert recipe["context"]["version"] == VERSION
    required = {f"python {about['Requires-Python']}"}
    for text in values(about, "Requires-Dist"):
        requirement, _, marker = text.partition(";")
        if marker and 'extra == "cli"' not in marker:
            continue
        found = re.fullmatch(r"([\w.\[\]-]+)\s*(>=[\d.]+)\s*", requirement)
        assert found is not None, text
        name, least = found.groups()
        required.add(f"{CONDA.get(name, name)} {least}")
    assert set(recipe["requirements"]["run"]) == required


def test_what_the_image_copies_is_there() -> None:
    text = (PACKAGING / "Containerfile").read_text()
    copied = [
        source
        for line in re.findall(r"^COPY (?!--from)(.*)$", text, re.MULTILINE)
        for source in line.split()[:-1]
    ]
    assert {"pyproject.toml", "mrl_pg", "migrations", "sql"} <= set(copied)
    for source in copied:
        assert (ROOT / source).exists(), source


def test_the_workflow_tries_every_python(about: PackageMetadata) -> None:
    workflow = read_yaml(".github/workflows/ci.yml")
    job = workflow["jobs"]["test"]
    pythons = job["strategy"]["matrix"]["python"]
    named = re.compile(r"Programming Language :: Python :: (3\.\d+)")
    claimed = [
        found[1] for text in values(about, "Classifier") if (found := named.match(text))
    ]
    # what nobody has tried yet is not claimed
    assert pythons == [*claimed, "3.14"]
    assert any(".ci/run" in step.get("run", "") for step in job["steps"])


def test_the_citation_names_this_version() -> None:
    assert read_yaml("CITATION.cff")["version"] == VERSION


def read_yaml(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text())


def values(about: PackageMetadata, name: str) -> list[str]:
    assert isinstance(about, Message)
    return about.get_all(name) or []
