"""Files of sql/: their headers, their callers, and no SQL text anywhere else."""

import ast
import pkgutil
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from psycopg import sql

import mrl_pg
from mrl_pg import source
from mrl_pg.catalog import slots

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "mrl_pg"
SQL = ROOT / "sql"
FILES = sorted(SQL.rglob("*.sql"))
# its statements are SQLite's, in a file of its own, and never reach a server
NOT_OURS = PACKAGE / "embed" / "vector_store.py"
PYTHON = sorted({*PACKAGE.rglob("*.py")} - {NOT_OURS})
CALLED = "-- Called by: "
CALLERS = re.compile(
    r"[a-z_/][\w/.]*\.(?:sql|py)\b|mrl-pg \w+|mrl_pg(?:\.\w+)+|mrl\.\w+|migrations"
)
SAME_IN_PYTHON = re.compile(r"; (mrl_pg[\w.]+) does so in (?:Python|NumPy)$")
RELEASES = [path for path in FILES if path.parent.name == "releases"]
MANIFESTS = [SQL / "install.sql", SQL / "uninstall.sql", *RELEASES]
WIDTH = 100

STATEMENT = re.compile(
    r"^\s*(select|insert|update|delete|create|alter|drop"
    # statements are all in capitals or all in lower case, unlike sentences of help
    r"|SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|DROP)\s+\w+"
)
SHORT_ONES = {"create extension if not exists vector", "select pg_is_in_recovery()"}
"""Statements of mrl_pg.server, which reads no files of sql/."""


@dataclass(frozen=True)
class Piece:
    """A whole file, or a named part of a file that collects parts by topic."""

    path: Path
    name: str
    header: tuple[str, ...]
    body: str

    def __str__(self) -> str:
        inside = "" if self.path.stem == self.name else f":{self.name}"
        return f"{of(self.path)}{inside}"


def of(path: Path) -> str:
    return path.relative_to(SQL).as_posix()


PARTS = {
    # most of these files have one function, and no line before its header
    "functions": re.compile(
        r"(?<=\n\n)(?:--.*\n){3}(?=create or replace function mrl\.(\w+))"
    ),
    "internal": re.compile(
        r"^(?:--.*\n)+(?=create or replace function mrl\.(\w+))", re.MULTILINE
    ),
    "client": re.compile(r"^-- name: (\w+)\n(?:--.*\n)+", re.MULTILINE),
}
"""How the header of a part begins, with the name of the part."""


def pieces(path: Path) -> Iterator[Piece]:
    """Parts of a file, each with a header."""
    text = path.read_text()
    parts = PARTS.get(path.parent.name)
    found = [*parts.finditer(text)] if parts else []
    if not found:
        lines = text.splitlines()
        yield Piece(path, path.stem, tuple(lines[:3]), "\n".join(lines[3:]))
        return
    ends = [*(part.start() for part in found[1:]), len(text)]
    for part, end in zip(found, ends, strict=True):
        lines = part[0].removeprefix(f"-- name: {part[1]}\n").splitlines()
        yield Piece(path, part[1], tuple(lines), text[part.end() : end])


PIECES = [piece for path in FILES for piece in pieces(path)]


@cache
def body(path: Path) -> str:
    """Text of a caller, without the line of its header that names its own callers."""
    if path.suffix != ".sql":
        return path.read_text()
    return "\n".join(piece.body for piece in PIECES if piece.path == path)


MAKES = re.compile(
    r"^create (?:or replace )?(?:function|procedure|view|table) (?:if not exists )?"
    r"([\w.]+)",
    re.MULTILINE,
)


@cache
def made(text: str) -> frozenset[str]:
    """Names of what a text creates."""
    return frozenset(MAKES.findall(text))


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
    names = caller.split(".")[1:]
    if names[0] in mrl_pg.__all__:
        names = getattr(mrl_pg, names[0]).__module__.split(".")[1:]
    while names:
        module = PACKAGE.joinpath(*names).with_suffix(".py")
        if module.is_file():
            return [module]
        names.pop()
    return []


def texts(caller: str, piece: Piece) -> list[str]:
    """Texts of a caller that the header names, one of which must use the piece."""
    if caller.startswith("mrl."):
        others = [other for other in PIECES if other != piece]
        return [other.body for other in others if caller in made(other.body)]
    files = [file for file in callers(caller) if file.is_file()]
    return [body(file) for file in files if file != piece.path]


def mentions(text: str, piece: Piece) -> bool:
    """Whether a text names a piece, what it creates, or a manifest that lists it."""
    if used(piece).search(text):
        return True
    named = [
        manifest
        for manifest in MANIFESTS
        if f'"{of(manifest)}"' in text or f'"{manifest.stem}"' in text
    ]
    return any(runs(manifest, piece.path) for manifest in named)


def used(piece: Piece) -> re.Pattern[str]:
    """A pattern that finds a use of a piece in a text."""
    # NAME.2.sql also makes what NAME.sql makes
    stem = re.escape(piece.name.split(".")[0])
    folder = piece.path.parent.name
    if folder == "releases":
        return re.compile(rf"\b{re.escape(piece.path.name)}\b")
    if folder == "templates":
        # Python names a template in quotes; SQL calls it as a function
        return re.compile(rf'"{stem}"|(?<!function )mrl\._{stem}\(\)')
    if folder == "client":
        return re.compile(rf'"{stem}"')
    if folder == "internal":
        return re.compile(rf"\bmrl\.{stem}\b")
    named = re.match(r"-- (mrl\.\w+)", piece.header[1])
    other = rf"|\b{re.escape(named[1])}\b" if named else ""
    return re.compile(rf"\b{stem}\b{other}")


def runs(manifest: Path, path: Path) -> bool:
    """Whether psql runs a file, or a manifest, when it runs a manifest."""
    line = rf"^\\ir .*\b{re.escape(of(path))}$"
    named = re.search(line, manifest.read_text(), re.MULTILINE)
    return manifest == path or bool(named) or of(path) in source.manifest(of(manifest))


def test_every_part_of_a_file_has_its_header() -> None:
    for path in FILES:
        text, inside = path.read_text(), [p for p in PIECES if p.path == path]
        if path.parent.name == "internal":
            assert len(inside) == text.count("create or replace function ")
        elif path.parent.name == "functions":
            made = r"^create (?:or replace )?(?:function|procedure) "
            assert len(inside) == len(re.findall(made, text, re.MULTILINE))
            if len(inside) == 1:
                continue
        elif path.parent.name == "client":
            assert [*source.statements(of(path))] == [piece.name for piece in inside]
            assert len(inside) == text.count("-- name: ")
        else:
            continue
        about, empty = text.splitlines()[:2]
        assert re.match(r"-- \S", about)
        assert empty == ""


def test_functions_share_a_file_only_if_they_take_the_same_options() -> None:
    """Whoever adds an option to one of them then sees the others."""
    for path in FILES:
        inside = [p for p in PIECES if p.path == path]
        if path.parent.name == "functions" and len(inside) > 1:
            default = re.compile(r"^    (.* default .*?),?$", re.MULTILINE)
            taken = {tuple(default.findall(piece.body)) for piece in inside}
            assert len(taken) == 1, of(path)


@pytest.mark.parametrize("folder", ["client", "internal"])
def test_no_name_is_there_twice(folder: str) -> None:
    names = Counter(p.name for p in PIECES if p.path.parent.name == folder)
    assert [name for name, times in names.items() if times > 1] == []


def test_people_call_what_has_a_file_and_nothing_else() -> None:
    """`\\df mrl.[^_]*` is the manual: internal names begin with an underscore."""
    for piece in PIECES:
        internal = piece.path.parent.name == "internal"
        assert internal == piece.name.startswith("_") or "views" in of(piece.path)
        if internal:
            assert "\ncomment on " not in piece.body


@pytest.mark.parametrize("piece", PIECES, ids=str)
def test_a_file_says_what_it_is_and_who_calls_it(piece: Piece) -> None:
    parts = piece.path.parent.name == "internal"
    assert len(piece.header) == (2 if parts else 3)
    for line in piece.header:
        assert re.match(r"-- \S", line)
        assert len(line) <= WIDTH
    assert not piece.body.startswith("--")
    assert piece.header[-1].startswith(CALLED)
    if piece.path.parent.name == "client":
        assert re.match("-- (Slots|Parameters|No (slots|parameters))", piece.header[1])
    called = piece.header[-1].removeprefix(CALLED)
    if same := SAME_IN_PYTHON.search(called):
        assert pkgutil.resolve_name(same[1])
        called = called[: same.start()]
    named = CALLERS.findall(called)
    assert named or "people" in called
    for caller in named:
        there = texts(caller, piece)
        assert there, f"{caller} is nothing"
        by_manifest = [SQL / caller] if caller.endswith(".sql") else []
        assert any(mentions(text, piece) for text in there) or any(
            manifest in MANIFESTS and runs(manifest, piece.path)
            for manifest in by_manifest
        ), caller


@pytest.mark.parametrize(
    "piece",
    [
        piece
        for piece in PIECES
        if piece.path.parent.name in ("client", "internal", "templates")
    ],
    ids=str,
)
def test_every_part_is_used(piece: Piece) -> None:
    """SQL uses it, or Python, which names the statements that it sends in quotes."""
    by_sql = piece.path.parent.name != "client" and any(
        used(piece).search(other.body) for other in PIECES if other != piece
    )
    name = f'"{piece.name}"'
    assert by_sql or any(name in body(module) for module in PYTHON)


@pytest.mark.parametrize("path", FILES, ids=of)
def test_internal_names_are_real(path: Path) -> None:
    for name in set(re.findall(r"\bmrl\._\w+", path.read_text())):
        # the sequence of an identity column belongs to its table
        table = re.sub("_(entry|room)_seq$", "", name)
        there = any(table in made(piece.body) for piece in PIECES)
        assert there or name == "mrl._queries_", name


def test_a_slot_is_neither_unknown_nor_missing() -> None:
    table, index = sql.Identifier("docs"), sql.Identifier("other")
    filled = slots.statement("rename_index", index=index, name=table)
    words = filled.as_string().split()
    assert words == ["alter", "index", '"other"', "rename", "to", '"docs"']
    for given in ({"index": index}, {"index": index, "name": table, "table": table}):
        with pytest.raises(ValueError, match=r"rename_index has the slots .*'name'"):
            slots.statement("rename_index", **given)
    with pytest.raises(ValueError, match="lock_table has the slots"):
        slots.template("lock_table", tabel=table)


@pytest.mark.parametrize("path", FILES, ids=of)
def test_a_file_is_tidy(path: Path) -> None:
    text = path.read_text()
    assert text.endswith("\n")
    assert "\t" not in text
    assert not re.search(r" $", text, re.MULTILINE)


@pytest.mark.parametrize("path", PYTHON, ids=lambda p: str(p.relative_to(ROOT)))
def test_python_holds_no_sql(path: Path) -> None:
    nodes = [*ast.walk(ast.parse(path.read_text()))]
    # a docstring, or a text below a constant
    prose = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    texts = [
        node.value
        for node in nodes
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in prose
    ]
    found = [text for text in texts if STATEMENT.match(text)]
    assert [text for text in found if text not in SHORT_ONES] == []


@pytest.mark.parametrize("path", FILES, ids=of)
def test_every_loop_has_a_bound(path: Path) -> None:
    """A `while` over a caller's name once never ended, so loops must have a bound."""
    text = body(path)
    bounded = re.findall(
        r"^\s*(?:for|foreach) (?!update|no key|each row)", text, re.MULTILINE
    )
    assert len(bounded) == text.count("end loop")
    assert not re.search(r"^\s*while\b", text, re.MULTILINE)
