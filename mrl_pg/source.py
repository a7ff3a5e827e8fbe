"""The only reader of `sql/`: every statement mrl_pg sends is a file there."""

import posixpath
import re
from functools import cache
from importlib.resources import files

HEADER_LINES = 3
"""Each file opens with three comment lines: purpose, slots or signature, callers."""

TEMPLATE_MARK = "$template$"
"""Around the text of a template, in the function that gives it to the SQL door."""


@cache
def read(name: str) -> str:
    """Text of a file under `sql/`, byte for byte, such as `functions/version.sql`."""
    return files("mrl_pg.sql").joinpath(name).read_text(encoding="utf-8")


@cache
def statement(name: str) -> str:
    """A statement that Python sends, by name and without its header."""
    found = [f"{folder}/{name}.sql" for folder in ("queries", "statements")]
    return _body(next(file for file in found if _there(file)))


@cache
def template(name: str) -> str:
    """Text with slots of `templates/NAME.sql`, as `mrl._NAME()` gives it in SQL."""
    return read(f"templates/{name}.sql").split(TEMPLATE_MARK)[1].strip("\n")


@cache
def manifest(name: str) -> tuple[str, ...]:
    r"""Files that a psql script such as `install.sql` runs by `\ir`, in order.

    A file under `releases/` is a manifest itself; its names are relative to it.
    """
    named = [line.split()[1] for line in read(name).splitlines() if _includes(line)]
    inside = [
        posixpath.normpath(posixpath.join(posixpath.dirname(name), file))
        for file in named
    ]
    return tuple(
        part
        for file in inside
        for part in (manifest(file) if file.startswith("releases/") else (file,))
    )


@cache
def releases() -> tuple[str, ...]:
    """Versions whose files are under `releases/`, oldest first."""
    named = [file.name for file in files("mrl_pg.sql").joinpath("releases").iterdir()]
    versions = {re.sub(r"(\.down)?\.sql$", "", name) for name in named}
    return tuple(sorted(versions, key=lambda one: [int(n) for n in one.split(".")]))


def _includes(line: str) -> bool:
    return line.startswith("\\ir ")


def _there(name: str) -> bool:
    return files("mrl_pg.sql").joinpath(name).is_file()


def _body(name: str) -> str:
    lines = read(name).splitlines()
    return "\n".join(lines[HEADER_LINES:]).strip().removesuffix(";")
