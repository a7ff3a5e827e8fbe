"""What README and docs say is true: examples run, names and figures agree."""

import json
import os
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from support import command
from support.pages import psycopg_url
from support.scripts import run_script

import mrl_pg
from mrl_pg import errors, server
from mrl_pg.load import load_blocks

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
START = ROOT / "docs/start.md"


def blocks(page: Path, language: str) -> list[str]:
    """Fenced blocks of one language, in order."""
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_python_quick_start_runs_as_written(
    bare_database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a database without anything, block by block, like a reader."""
    found = blocks(START, "python")
    assert found
    scope: dict[str, Any] = {
        "DSN": bare_database,
        "URL": psycopg_url(bare_database),
        "__name__": "start",
    }
    for block in found:
        exec(compile(block, "start.md", "exec"), scope)
    scope["engine"].dispose()
    printed = capsys.readouterr().out
    assert "built index docs_embedding_256_halfvec_cosine_hnsw" in printed
    result = scope["result"]
    assert isinstance(result, mrl_pg.SearchResult)
    assert len(result) == 10
    assert all(hit.key % 3 == 0 for hit in result)
    # SQLAlchemy's interface prints the first of the same answers
    three = "".join(f"{hit['title']} {hit.distance}\n" for hit in result.hits[:3])
    assert printed.endswith(three)
    conn = scope["conn"]
    assert isinstance(conn, psycopg.Connection)
    conn.close()


def test_the_first_screen_of_the_readme_has_sql_and_python() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    screen = "\n".join(text.splitlines()[:50])
    for language, most in (("sql", 6), ("python", 4)):
        (block,) = re.findall(rf"^```{language}\n(.*?)^```$", screen, re.M | re.S)
        assert len([line for line in block.splitlines() if line]) <= most
    assert len(text.split()) <= 900


def test_python_of_the_readme_runs_as_written(bare_database: str) -> None:
    """On the table that the page speaks of."""
    (example,) = blocks(ROOT / "README.md", "python")
    rows = np.random.default_rng(0).normal(size=(300, 1536))
    with psycopg.connect(bare_database, autocommit=True) as conn:
        conn.execute("create extension vector")
        mrl_pg.install(conn)
        langs = ["en" if i % 3 else "fr" for i in range(300)]
        ids = np.arange(300)
        load_blocks(conn, rows, "docs", columns={"id": ids, "lang": langs})
        scope: dict[str, Any] = {"conn": conn, "query": rows[42]}
        exec(compile(example, "README.md", "exec"), scope)
    hits = scope["hits"]
    assert isinstance(hits, mrl_pg.SearchResult)
    assert hits.keys[0] == 42
    assert len(hits) == 5
    assert all(key % 3 == 0 for key in hits.keys)


def test_four_commands_of_the_readme_search_texts(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All but the first, which installs this package."""
    monkeypatch.chdir(tmp_path)
    words = ["a dread of eight-legged animals", "a person who draws maps"]
    lines = [json.dumps({"id": i, "text": text}) for i, text in enumerate(words)]
    Path("texts.jsonl").write_text("\n".join(lines))
    block, *_ = blocks(ROOT / "README.md", "sh")
    first, *commands = block.splitlines()
    assert first.startswith("pip install ")
    for line in commands:
        program, *given = shlex.split(line)
        done = command.mrl_pg(*given, "--dsn", database)
        assert program == "mrl-pg" and done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1].endswith("a dread of eight-legged animals")


def test_rows_by_key_of_the_python_page_run_as_written(
    database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    scope: dict[str, Any] = {"DSN": database}
    (example,) = blocks(ROOT / "docs/python.md", "python")
    exec(compile(example, "python.md", "exec"), scope)
    scope["conn"].close()
    first, *printed = capsys.readouterr().out.splitlines()
    assert first.startswith("Wrote 2 rows of public.notes (2 new, 0 updated)")
    assert printed == [
        "(3, 'Tea', None)",
        "(2, 'Coach', {'tags': []})",
        "None",
        "1 deleted by key",
        "1 deleted by filter",
    ]


def test_shell_quick_start_runs_as_written(
    bare_database: str, pg_version: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every line but the one that names the reader's own server."""
    rng = np.random.default_rng(1)
    np.save(tmp_path / "embeddings.npy", rng.normal(size=(150, 512)).astype("f4"))
    np.save(tmp_path / "query.npy", rng.normal(size=512).astype("f4"))
    monkeypatch.setenv("DATABASE_URL", bare_database)
    path = [str(Path(sys.executable).parent), str(server.bin_dir(pg_version))]
    monkeypatch.setenv("PATH", ":".join([*path, "/usr/bin", "/bin"]))
    script = blocks(START, "sh")[0]
    lines = [line for line in script.splitlines() if "export" not in line]
    done = run_script("\n".join(lines), tmp_path, os.environ)
    assert done.returncode == 0, done.stderr
    assert "using DATABASE_URL" in done.stderr
    assert "built index docs_embedding_256_halfvec_cosine_hnsw" in done.stdout
    assert "usable" in done.stdout


def test_errors_page_lists_every_error_with_its_exit_code() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \|.*\| (\d+) \|$",
        (ROOT / "docs/errors.md").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    written = {name: int(code) for name, code in rows}
    real = {
        name: value.exit_code
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.MrlError)
    }
    assert written == real


def test_every_public_name_is_in_the_docs() -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    missing = [name for name in mrl_pg.__all__ if name not in text]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8"))
    here = [link for link in links if not link.startswith("http")]
    assert all((page.parent / link).exists() for link in here)


def test_commands_in_the_docs_exist() -> None:
    """Each `mrl-pg word` that a page mentions is a command with help."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    commands = set(re.findall(r"mrl-pg ([a-z]+(?:-[a-z]+)*)", text))
    assert {"demo", "load", "create", "search", "server"} <= commands
    for name in sorted(commands):
        done = command.mrl_pg(name, "--help")
        assert done.returncode == 0, name
        assert "Usage" in done.stdout


def test_the_index_lists_every_page() -> None:
    for folder in ("docs", "docs/measured"):
        index = (ROOT / folder / "index.md").read_text(encoding="utf-8")
        pages = {page.name for page in (ROOT / folder).glob("*.md")} - {"index.md"}
        assert not {page for page in pages if f"({page})" not in index}, folder


def test_contributing_names_every_room() -> None:
    """Its tree has each folder and module of mrl_pg/, and each folder of sql/."""
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    tree = page.split("```\n")[1]
    package = [path for path in (ROOT / "mrl_pg").iterdir() if path.name[0] != "_"]
    rooms = {f"{path.name}/" for path in package if path.is_dir()}
    modules = {path.stem for path in package if path.suffix == ".py"}
    folders = (path for path in (ROOT / "sql").iterdir() if path.is_dir())
    rooms |= {f"{path.name}/" for path in folders if path.name[0] != "_"}
    words = set(tree.split())
    assert (rooms | modules) - words == set()


@pytest.mark.parametrize(
    "page", [*PAGES, ROOT / "CONTRIBUTING.md"], ids=lambda page: str(page.name)
)
def test_pages_use_no_slang_of_the_house(page: Path) -> None:
    """An interface is no door, an async version no twin, a prediction not foretold."""
    slang = re.compile(r"\b(doors?|twins?|foretold|kept queries|PostgreSQL 14)\b")
    assert not slang.findall(page.read_text(encoding="utf-8"))
