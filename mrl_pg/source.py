"""The only reader of `sql/`: every statement mrl_pg sends is a file there."""

import posixpath
import re
from functools import cache
from importlib.resources import files

STATEMENT_MARK = re.compile(r"^-- name: (\w+)\n((?:--.*\n)+)", re.MULTILINE)
"""The header of each statement under `client/`: its name, then a description."""

TEMPLATE_MARK = "$template$"
"""Surrounds the text of a template in the function that returns it to SQL."""


@cache
def read(name: str) -> str:
    """Text of a file under `sql/`, byte for byte, such as `functions/version.sql`."""
    return files("mrl_pg.sql").joinpath(name).read_text(encoding="utf-8")


def statement(name: str) -> str:
    """A statement that Python sends, by its name in a file under `client/`."""
    return client()[name]


@cache
def template(name: str) -> str:
    """Text with slots of `templates/NAME.sql`, as `mrl._NAME()` returns it in SQL."""
    return read(f"templates/{name}.sql").split(TEMPLATE_MARK)[1].strip("\n")


@cache
def manifest(name: str) -> tuple[str, ...]:
    r"""Files that a psql script such as `install.sql` runs by `\ir`, in order.

    A file under `releases/` is itself a manifest; its paths start from its folder.
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
    return tuple(sorted(versions, key=lambda text: [int(n) for n in text.split(".")]))


def _includes(line: str) -> bool:
    return line.startswith("\\ir ")


@cache
def client() -> dict[str, str]:
    """Every statement that Python sends, without its header, by name."""
    folder = files("mrl_pg.sql").joinpath("client")
    named = (file.name for file in folder.iterdir() if file.name.endswith(".sql"))
    return {
        name: text
        for file in named
        for name, text in statements(f"client/{file}").items()
    }


def statements(file: str) -> dict[str, str]:
    """Each statement of one file, without its header, by name and in order."""
    _, *parts = STATEMENT_MARK.split(read(file))
    return {
        name: text.strip().removesuffix(";")
        for name, text in zip(parts[::3], parts[2::3], strict=True)
    }
