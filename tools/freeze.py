"""Writes sql/frozen.txt: hashes of the files that released versions run.

    python tools/freeze.py 0.2.0        # on the day 0.2.0 is released

From then on, a test compares the release, and every file that it names, with the
hashes. To change a function, add a new file, NAME.N.sql, and a new release.
"""

import hashlib
import sys

from mrl_pg import source

FROZEN = "frozen.txt"


def main() -> None:
    """Add the files of one release to the frozen files."""
    version = sys.argv[1]
    names = dict(line.split()[::-1] for line in source.read(FROZEN).splitlines())
    for release in (f"releases/{version}.sql", f"releases/{version}.down.sql"):
        for name in (release, *source.manifest(release)):
            names[name] = hashlib.sha256(source.read(name).encode()).hexdigest()
    lines = [f"{names[name]}  {name}\n" for name in sorted(names)]
    with open(f"sql/{FROZEN}", "w", encoding="utf-8") as file:
        file.writelines(lines)


if __name__ == "__main__":
    main()
