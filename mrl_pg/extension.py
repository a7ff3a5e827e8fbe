"""Writes the extension: mrl_pg.control and mrl_pg--VERSION.sql, from the files of sql/.

The script has the files of sql/install.sql, in the same order, with two differences. It
omits the file that refuses to install beside an extension. It marks the registry for
pg_dump.
"""

from pathlib import Path

from mrl_pg import source
from mrl_pg.installation import VERSION

CONTROL = f"""\
# mrl_pg: Matryoshka two-pass retrieval with pgvector
comment = 'Matryoshka two-pass retrieval with pgvector'
default_version = '{VERSION}'
requires = 'vector'
relocatable = false
# needs CREATE on the database, as the other ways to install do
superuser = false
"""

GUARD = r"""\echo Use "create extension mrl_pg" to load this file. \quit
"""


def write(folder: Path) -> list[Path]:
    """Write control file and script into a folder; returns both paths."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [
        name
        for name in source.manifest("install.sql")
        if name != "refuse_extension.sql"
    ]
    parts = [source.read(name) for name in [*names, "extension_dump.sql"]]
    control = folder / "mrl_pg.control"
    script = folder / f"mrl_pg--{VERSION}.sql"
    control.write_text(CONTROL, encoding="utf-8")
    script.write_text(GUARD + "\n".join(parts), encoding="utf-8")
    return [control, script]
