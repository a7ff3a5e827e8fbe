"""The only reader of `sql/`: every statement mrl_pg sends is a file there."""

from functools import cache
from importlib.resources import files

HEADER_LINES = 3
"""Each file opens with three comment lines: purpose, slots or signature, callers."""


@cache
def read(name: str) -> str:
    """Text of a file under `sql/`, byte for byte, such as `functions/version.sql`."""
    return files("mrl_pg.sql").joinpath(name).read_text(encoding="utf-8")


@cache
def statement(name: str) -> str:
    """The same without its header, on one start: what travels to the server."""
    lines = read(name).splitlines()
    return "\n".join(lines[HEADER_LINES:]).strip().removesuffix(";")


@cache
def manifest(name: str) -> tuple[str, ...]:
    r"""Files that a psql script such as `install.sql` names by `\ir`, in order."""
    lines = read(name).splitlines()
    return tuple(line.split()[1] for line in lines if line.startswith("\\ir "))
