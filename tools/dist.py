"""Packages of the extension, into dist/: python tools/dist.py [--deb]

The archive for PGXN holds META.json, a Makefile, and the extension. With --deb, Debian
packages are built from that archive and packaging/debian, by dpkg-buildpackage, which
needs Debian's debhelper.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

from mrl_pg import extension
from mrl_pg.catalog.facts import OLDEST_PGVECTOR
from mrl_pg.installation import VERSION

ROOT = Path(__file__).parents[1]
PACKAGING = ROOT / "packaging"
OLDEST_POSTGRES = 15
SUMMARY = "Matryoshka two-pass retrieval with pgvector"
PAGES = ("README.md", "CHANGELOG.md", "LICENSE")


def main() -> None:
    """Make the archive, and with --deb the Debian packages; print their paths."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deb", action="store_true", help="build Debian packages, too")
    parser.add_argument("--out", type=Path, default=ROOT / "dist", metavar="FOLDER")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    made = [archive(asked.out)]
    if asked.deb:
        if shutil.which("dpkg-buildpackage") is None or shutil.which("dh") is None:
            sys.exit("dpkg-buildpackage needs Debian's packages dpkg-dev and debhelper")
        made += debian(made[0], asked.out)
    for path in made:
        print(path)


def meta() -> dict[str, object]:
    """META.json, by version 1 of PGXN's specification."""
    vector = ".".join(map(str, (*OLDEST_PGVECTOR, 0)))
    return {
        "name": "mrl_pg",
        "abstract": SUMMARY,
        "description": "Keeps full vectors together with a short, indexed column, "
        "answers each search with two passes, and measures the recall of both.",
        "version": VERSION,
        "maintainer": "The mrl_pg contributors",
        "license": "postgresql",
        "prereqs": {
            "runtime": {
                "requires": {"PostgreSQL": f"{OLDEST_POSTGRES}.0.0", "vector": vector}
            }
        },
        "provides": {
            "mrl_pg": {
                "abstract": SUMMARY,
                "file": f"mrl_pg--{VERSION}.sql",
                "docfile": "README.md",
                "version": VERSION,
            }
        },
        "tags": ["vector", "embeddings", "hnsw", "search", "matryoshka"],
        "meta-spec": {"version": "1.0.0"},
    }


def archive(out: Path) -> Path:
    """The archive for PGXN, mrl_pg-VERSION.zip."""
    path = out / f"mrl_pg-{VERSION}.zip"
    top = f"mrl_pg-{VERSION}"
    with (
        TemporaryDirectory() as folder,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped,
    ):
        files = extension.write(Path(folder))
        files += [PACKAGING / "pgxn" / "Makefile", *(ROOT / page for page in PAGES)]
        for file in files:
            zipped.write(file, f"{top}/{file.name}")
        zipped.writestr(f"{top}/META.json", json.dumps(meta(), indent=2) + "\n")
    return path


def debian(archive: Path, out: Path) -> list[Path]:
    """Packages for each PostgreSQL that packaging/debian/control names."""
    with TemporaryDirectory() as folder:
        with zipfile.ZipFile(archive) as zipped:
            zipped.extractall(folder)
        tree = Path(folder, f"mrl_pg-{VERSION}")
        shutil.copytree(PACKAGING / "debian", tree / "debian")
        # binary packages only, unsigned; the build dependencies are checked
        done = subprocess.run(
            ["dpkg-buildpackage", "--build=binary", "--no-sign"],
            cwd=tree,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            sys.exit(done.stdout + done.stderr)
        built = sorted(Path(folder).glob("*.deb"), key=_postgres)
        return [Path(shutil.copy(deb, out)) for deb in built]


def _postgres(deb: Path) -> int:
    found = re.match(r"postgresql-(\d+)-", deb.name)
    assert found is not None
    return int(found[1])


if __name__ == "__main__":
    main()
