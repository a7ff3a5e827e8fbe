"""Files of sql/: their headers, who names them, and no SQL text anywhere else."""

import ast
import re
from pathlib import Path

import pytest

import mrl_pg
from mrl_pg import source

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "mrl_pg"
SQL = ROOT / "sql"
FILES = sorted(SQL.rglob("*.sql"))
PYTHON = sorted(PACKAGE.rglob("*.py"))
CALLED = "-- Called by: "
CALLERS = re.compile(r"[a-z_/]+\.sql|mrl-pg \w+|mrl_pg(?:\.\w+)+|mrl\.\w+|migrations")

STATEMENT = re.compile(
    r"^\s*(select|insert|update|delete|create|alter|drop"
    # people's help texts begin with a capital, statements shout or whisper
    r"|SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|DROP)\s+\w+"
)
SHORT_ONES = {"create extension if not exists vector"}
"""Of server.py: it has no database side to read a file for."""


def of(path: Path) -> str:
    return path.relative_to(SQL).as_posix()


def header(path: Path) -> list[str]:
    return path.read_text().splitlines()[: source.HEADER_LINES]


def callers(caller: str) -> list[Path]:
    """Files that a name in a header stands for."""
    if caller.endswith(".sql"):
        return [SQL / caller]
    if caller == "migrations":
        return sorted((ROOT / "migrations").rglob("*.py"))
    if caller.startswith("mrl-pg "):
        return [PACKAGE / "cli" / f"{caller.removeprefix('mrl-pg ')}.py"]
    if caller.startswith("mrl."):
        made = re.compile(rf"(function|view|table) (if not exists )?{caller}\b")
        return [path for path in FILES if made.search(path.read_text())]
    names = caller.split(".")[1:]
    if names[0] in mrl_pg.__all__:
        names = getattr(mrl_pg, names[0]).__module__.split(".")[1:]
    while names:
        module = PACKAGE.joinpath(*names).with_suffix(".py")
        if module.is_file():
            return [module]
        names.pop()
    return []


def mentions(text: str, path: Path) -> bool:
    """Whether a text names a file, what it makes, or the manifest that lists it."""
    if re.search(rf"\b{path.stem}\b", text):
        return True
    made = re.match(r"-- (mrl\.\w+)", header(path)[1])
    if made and made[1] in text:
        return True
    return any(
        f'"{manifest}"' in text and of(path) in source.manifest(manifest)
        for manifest in ("install.sql", "uninstall.sql")
    )


@pytest.mark.parametrize("path", FILES, ids=of)
def test_a_file_says_what_it_is_and_who_calls_it(path: Path) -> None:
    lines = header(path)
    assert len(lines) == 3
    for line in lines:
        assert re.match(r"-- \S", line)
    assert lines[2].startswith(CALLED)
    named = CALLERS.findall(lines[2].removeprefix(CALLED))
    assert named or "people" in lines[2]
    for caller in named:
        files = [file for file in callers(caller) if file.is_file()]
        assert files, f"{caller} is nothing"
        assert any(mentions(file.read_text(), path) for file in files), caller


@pytest.mark.parametrize(
    "path",
    [path for path in FILES if path.parent.name in ("queries", "templates")],
    ids=of,
)
def test_every_template_and_query_is_used(path: Path) -> None:
    name = re.compile(rf'"({path.parent.name}/)?{path.stem}(\.sql)?"')
    assert any(name.search(module.read_text()) for module in PYTHON)


@pytest.mark.parametrize("path", FILES, ids=of)
def test_a_file_is_tidy(path: Path) -> None:
    text = path.read_text()
    assert text.endswith("\n")
    assert "\t" not in text
    assert not re.search(r" $", text, re.MULTILINE)


@pytest.mark.parametrize("path", PYTHON, ids=lambda p: str(p.relative_to(ROOT)))
def test_python_holds_no_sql(path: Path) -> None:
    tree = ast.parse(path.read_text())
    # a docstring, or a text that stands by itself below a constant
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    texts = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in prose
    ]
    found = [text for text in texts if STATEMENT.match(text)]
    assert [text for text in found if text not in SHORT_ONES] == []
