"""Files of sql/: their headers, who names them, and no SQL text anywhere else."""

import ast
import pkgutil
import re
from pathlib import Path

import pytest

import mrl_pg
from mrl_pg import source

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "mrl_pg"
SQL = ROOT / "sql"
FILES = sorted(SQL.rglob("*.sql"))
PYTHON = sorted(PACKAGE.rglob("*.py"))
CALLED = "-- Called by: "
CALLERS = re.compile(
    r"[a-z_/][\w/.]*\.(?:sql|py)\b|mrl-pg \w+|mrl_pg(?:\.\w+)+|mrl\.\w+|migrations"
)
TWIN = re.compile(r"; (mrl_pg[\w.]+) is its twin in (?:Python|NumPy)$")
RELEASES = [path for path in FILES if path.parent.name == "releases"]
MANIFESTS = [SQL / "install.sql", SQL / "uninstall.sql", *RELEASES]
WIDTH = 100

STATEMENT = re.compile(
    r"^\s*(select|insert|update|delete|create|alter|drop"
    # people's help texts begin with a capital, statements shout or whisper
    r"|SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|DROP)\s+\w+"
)
SHORT_ONES = {"create extension if not exists vector", "select pg_is_in_recovery()"}
"""Of mrl_pg.server: it has no database side to read a file for."""


def of(path: Path) -> str:
    return path.relative_to(SQL).as_posix()


def header(path: Path) -> list[str]:
    return path.read_text().splitlines()[: source.HEADER_LINES]


def body(path: Path) -> str:
    """Text of a caller; who calls that one, in its header, says nothing."""
    lines = path.read_text().splitlines()
    return "\n".join(lines[source.HEADER_LINES :] if path.suffix == ".sql" else lines)


def callers(caller: str) -> list[Path]:
    """Files that a name in a header stands for."""
    if caller.endswith(".sql"):
        return [SQL / caller]
    if caller.endswith(".py"):
        folder = ROOT if "/" in caller else ROOT / "migrations" / "versions"
        return [folder / caller]
    if caller == "migrations":
        return sorted((ROOT / "migrations").rglob("*.py"))
    if caller.startswith("mrl-pg "):
        return [PACKAGE / "cli" / f"{caller.removeprefix('mrl-pg ')}.py"]
    if caller.startswith("mrl."):
        name = re.escape(caller)
        kind = r"(or replace )?(function|view|table) (if not exists )?"
        made = re.compile(rf"^create {kind}{name}\b", re.MULTILINE)
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
    """Whether a text names a file, what it makes, or a manifest that lists it."""
    if used(path).search(text):
        return True
    named = [
        manifest
        for manifest in MANIFESTS
        if f'"{of(manifest)}"' in text or f'"{manifest.stem}"' in text
    ]
    return any(runs(manifest, path) for manifest in named)


def used(path: Path) -> re.Pattern[str]:
    """What a text holds that uses a file."""
    # of NAME.2.sql, what NAME.sql makes, too
    stem = re.escape(path.name.split(".")[0])
    if path.parent.name == "releases":
        return re.compile(rf"\b{re.escape(path.name)}\b")
    if path.parent.name == "templates":
        # by Python, and by SQL as a function
        return re.compile(rf'"{stem}"|(?<!function )mrl\._{stem}\(\)')
    made = re.match(r"-- (mrl\.\w+)", header(path)[1])
    return re.compile(rf"\b{stem}\b" + (rf"|\b{re.escape(made[1])}\b" if made else ""))


def runs(manifest: Path, path: Path) -> bool:
    """Whether psql comes to a file, or to a manifest, by running a manifest."""
    line = rf"^\\ir .*\b{re.escape(of(path))}$"
    named = re.search(line, manifest.read_text(), re.MULTILINE)
    return manifest == path or bool(named) or of(path) in source.manifest(of(manifest))


@pytest.mark.parametrize("path", FILES, ids=of)
def test_a_file_says_what_it_is_and_who_calls_it(path: Path) -> None:
    lines = header(path)
    assert len(lines) == 3
    for line in lines:
        assert re.match(r"-- \S", line)
        assert len(line) <= WIDTH
    assert not path.read_text().splitlines()[3].startswith("--")
    assert lines[2].startswith(CALLED)
    called = lines[2].removeprefix(CALLED)
    if twin := TWIN.search(called):
        assert pkgutil.resolve_name(twin[1])
        called = called[: twin.start()]
    named = CALLERS.findall(called)
    assert named or "people" in called
    for caller in named:
        files = [file for file in callers(caller) if file.is_file() and file != path]
        assert files, f"{caller} is nothing"
        assert any(
            mentions(body(file), path) or (file in MANIFESTS and runs(file, path))
            for file in files
        ), caller


@pytest.mark.parametrize(
    "path",
    [
        path
        for path in FILES
        if path.parent.name in ("queries", "statements", "templates")
    ],
    ids=of,
)
def test_every_template_and_query_is_used(path: Path) -> None:
    name = re.compile(rf'"({path.parent.name}/)?{path.stem}(\.sql)?"')
    by_sql = path.parent.name == "templates" and any(
        used(path).search(file.read_text()) for file in FILES if file != path
    )
    assert by_sql or any(name.search(module.read_text()) for module in PYTHON)


@pytest.mark.parametrize("path", FILES, ids=of)
def test_internal_names_are_real(path: Path) -> None:
    for name in set(re.findall(r"\bmrl\._\w+", path.read_text())):
        # that of an identity column is its table's; and what is made for each column
        table = re.sub("_(entry|room)_seq$", "", name)
        assert callers(table) or name == "mrl._queries_", name


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


@pytest.mark.parametrize("path", FILES, ids=of)
def test_every_loop_has_a_bound(path: Path) -> None:
    """A `while` over a caller's name once never ended: loops go over what is there."""
    text = body(path)
    bounded = re.findall(r"^\s*(?:for|foreach) (?!update|each row)", text, re.MULTILINE)
    assert len(bounded) == text.count("end loop")
    assert not re.search(r"^\s*while\b", text, re.MULTILINE)
