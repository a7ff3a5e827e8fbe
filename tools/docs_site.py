"""The documentation as a site, into build/site: python tools/docs_site.py [--serve]

MkDocs reads a copy of docs/ in build/docs, to which this adds what is written
elsewhere: README as the first page, CHANGELOG, and three pages of reference, from the
docstrings, from `comment on` in sql/, and from `--help`. The pages themselves stay as
they are read in the repository, so links that lead out of docs/ are changed in the
copy.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from pglast import parse_sql

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "build" / "docs"
COPIED = {"README.md": "index.md", "CHANGELOG.md": "changes.md"}
"""Pages from outside of docs/, and what they are called in the site."""

MODULES = (
    "mrl_pg",
    "mrl_pg.load",
    "mrl_pg.embed",
    "mrl_pg.models",
    "mrl_pg.rotation",
    "mrl_pg.train",
    "mrl_pg.tune",
    "mrl_pg.report",
    "mrl_pg.server",
    "mrl_pg.bench",
    "mrl_pg.sqlalchemy",
    "mrl_pg.alembic",
)
"""Packages whose public names are listed."""

GONE = "\x00"
"""Stands for the target of a link that the site does not have."""

LINK = re.compile(r"\]\((?!\w+:|#)([^)#\s]*)(#[^)\s]*)?\)")
PICTURE = re.compile(r'src="(?!\w+:)([^"]*)"')
SIGNATURE = re.compile(
    r"^create or replace (?:function|procedure) (mrl\.(?!_)\w+\(.*?)\n(?=language )",
    re.MULTILINE | re.DOTALL,
)


def main() -> None:
    """Gather the pages, and let MkDocs build or serve them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", action="store_true", help="serve on 127.0.0.1:8000")
    asked = parser.parse_args()
    gather(PAGES)
    # a notice of the theme's makers, which --strict would not mind
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    command = ["serve"] if asked.serve else ["build", "--strict", "--quiet"]
    sys.exit(
        subprocess.run(
            [sys.executable, "-m", "mkdocs", *command],
            cwd=ROOT,
            env=environment,
            check=False,
        ).returncode
    )


def gather(folder: Path) -> None:
    """All pages of the site, as MkDocs reads them, in a folder that is made anew."""
    if folder.exists():
        shutil.rmtree(folder)
    shutil.copytree(ROOT / "docs", folder)
    # its place is taken by README, and its list by the site's own navigation
    (folder / "index.md").rename(folder / "pages.md")
    for page in folder.rglob("*.md"):
        source = ROOT / "docs" / page.relative_to(folder)
        page.write_text(_linked(page.read_text(), source, page, folder))
    for name, copy in COPIED.items():
        text = (ROOT / name).read_text()
        (folder / copy).write_text(_linked(text, ROOT / name, folder / copy, folder))
    reference = folder / "reference"
    reference.mkdir()
    (reference / "python.md").write_text("".join(_python()))
    (reference / "sql.md").write_text("".join(_sql()))
    (reference / "shell.md").write_text("".join(_shell()))


def _linked(text: str, source: Path, page: Path, folder: Path) -> str:
    """A page's text with links to where its targets are in the site.

    A target that the site does not have, such as a script, loses its link and keeps its
    name.
    """

    def moved(path: str) -> str | None:
        """Where a page names a target; None for what the site does not have."""
        target = (source.parent / path).resolve()
        if not target.is_relative_to(ROOT):
            return path
        name = str(target.relative_to(ROOT))
        if name in COPIED:
            there = folder / COPIED[name]
        elif name == "docs/index.md":
            there = folder / "pages.md"
        elif target.is_relative_to(ROOT / "docs") and target.suffix:
            there = folder / target.relative_to(ROOT / "docs")
        else:
            return None
        return os.path.relpath(there, page.parent)

    def link(found: re.Match[str]) -> str:
        there = moved(found[1])
        return f"]{GONE}" if there is None else f"]({there}{found[2] or ''})"

    def picture(found: re.Match[str]) -> str:
        return f'src="{moved(found[1])}"'

    text = PICTURE.sub(picture, text)
    linked = LINK.sub(link, text)
    return re.sub(rf"\[([^\[\]]*)\]{GONE}", r"\1", linked)


# ------------------------------------------------------------------ reference


def _python() -> Iterator[str]:
    yield "# Python\n\nEvery public name, from its docstring. "
    yield "[Python, name by name](../python.md) is shorter.\n"
    for module in MODULES:
        yield f"\n## {module}\n\n"
        for name in import_module(module).__all__:
            yield f"::: {module}.{name}\n"


def _sql() -> Iterator[str]:
    yield "# SQL\n\nEvery function and view of the schema `mrl`, from its comment in "
    yield "the database. [SQL](../sql.md) explains their use.\n"
    yield "\n## Functions\n"
    for path in sorted((ROOT / "sql" / "functions").glob("*.sql")):
        text = path.read_text()
        comments = dict(_comments(text))
        for found in SIGNATURE.finditer(text):
            name = found[1].split("(")[0]
            yield f"\n### {name}\n\n{_escaped(comments[name])}\n\n"
            yield f"```sql\n{found[1].rstrip()}\n```\n"
    yield "\n## Views\n"
    for path in sorted((ROOT / "sql" / "views").glob("[!_]*.sql")):
        for name, comment in _comments(path.read_text()):
            yield f"\n### {name}\n\n{_escaped(comment)}\n"


def _comments(text: str) -> Iterator[tuple[str, str]]:
    """Names of functions and views, and what is said of them."""
    for raw in parse_sql(text):
        statement: Any = raw.stmt
        if type(statement).__name__ == "CommentStmt":
            named = getattr(statement.object, "objname", statement.object)
            yield ".".join(part.sval for part in named), statement.comment


def _escaped(text: str) -> str:
    """Plain text as Markdown."""
    return re.sub(r"([*_<>`\[\]])", r"\\\1", text)


def _shell() -> Iterator[str]:
    import typer
    from typer.main import get_command

    from mrl_pg.cli.app import app

    yield "# Shell\n\nWhat `mrl-pg COMMAND --help` prints.\n"
    group: Any = get_command(app)
    context = typer.Context(group, info_name="mrl-pg")
    for name in group.list_commands(context):
        yield f"\n## mrl-pg {name}\n\n```text\n{_help(name)}```\n"
        command = group.get_command(context, name)
        for inner in getattr(command, "commands", {}):
            yield f"\n### mrl-pg {name} {inner}\n\n```text\n{_help(name, inner)}```\n"


def _help(*command: str) -> str:
    from typer.testing import CliRunner

    from mrl_pg.cli.app import app

    plain = {"TERM": "dumb", "COLUMNS": "88", "NO_COLOR": "1"}
    shown = CliRunner().invoke(app, [*command, "--help"], env=plain)
    return "\n".join(line.rstrip() for line in shown.output.strip().splitlines()) + "\n"


if __name__ == "__main__":
    main()
