"""What starts with a command: its own imports, its help, what a shell completes."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import typer
from support.command import mrl_pg

from mrl_pg.cli.app import MrlPg, app

COMMANDS = [*MrlPg.places]

UNWANTED = {
    *("alembic", "jinja2", "matplotlib", "numpy", "pgvector", "pyarrow", "sqlalchemy"),
    # a new typer checks by it what is not text
    "pydantic",
    *("mrl_pg.calibration", "mrl_pg.catalog", "mrl_pg.demo", "mrl_pg.index"),
    *("mrl_pg.installation", "mrl_pg.layout", "mrl_pg.load", "mrl_pg.models"),
    *("mrl_pg.recall", "mrl_pg.report", "mrl_pg.search", "mrl_pg.server.lifecycle"),
    *("mrl_pg.tune", "mrl_pg.vectors"),
}
"""What a command that lists indexes has no use for."""

RUN = """
import sys
from mrl_pg.cli import main

sys.argv = ["mrl-pg", *sys.argv[1:]]
try:
    main()
finally:
    print("imported:", *sys.modules, file=sys.stderr)
"""


def started(
    *arguments: str, environment: Mapping[str, str] | None = None
) -> tuple[str, set[str]]:
    """What a command says in a process of its own, and the modules it imported."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **(environment or {})},
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout, set(done.stderr.split("imported:")[1].split())


@pytest.mark.parametrize("more", [["--help"], ["--json"], []], ids=str)
def test_indexes_imports_what_it_needs(more: list[str]) -> None:
    _, modules = started("indexes", "--dsn", "postgresql://localhost:1/none", *more)
    assert not modules & UNWANTED
    assert "mrl_pg.cli.indexes" in modules
    others = {"mrl_pg.cli.tune", "mrl_pg.cli.load", "mrl_pg.cli.demo"}
    assert not modules & others


def test_the_server_is_started_without_numpy() -> None:
    _, modules = started("server", "status", "--help")
    assert not modules & UNWANTED


def test_help_imports_no_command() -> None:
    _, modules = started("--help")
    ours = {name for name in modules if name.startswith("mrl_pg")}
    assert ours <= {"mrl_pg", "mrl_pg.errors", "mrl_pg.cli"} | {
        f"mrl_pg.cli.{name}" for name in ("app", "commands")
    }
    assert not modules & {"psycopg", "pydantic"}


def test_help_reads_what_the_commands_say() -> None:
    group: Any = typer.main.get_command(app)
    read = {name: command.help for name, command in group._described().items()}
    assert read == {name: command.help for name, command in group.commands.items()}


def test_help_lists_every_command() -> None:
    text = mrl_pg("--help").stdout
    listed = re.findall(r"^│ (\w[\w-]*)  +\S", text, re.MULTILINE)
    assert listed == COMMANDS


def commands() -> Iterator[tuple[str, ...]]:
    """Each command there is, the program itself first."""
    yield ()
    group: Any = typer.main.get_command(app)
    for name, command in group.commands.items():
        yield (name,)
        yield from ((name, inner) for inner in getattr(command, "commands", ()))


@pytest.mark.parametrize("command", [*commands()], ids=" ".join)
def test_help_names_no_type_of_python(command: tuple[str, ...]) -> None:
    text = mrl_pg(*command, "--help").stdout
    assert f"Usage: mrl-pg {' '.join(command)}".rstrip() in text
    assert re.findall(r"<[a-z|]+>?|\bBOOLEAN\b|\bINTEGER\b", text) == []


def test_an_unknown_command_is_named_with_the_nearest() -> None:
    done = mrl_pg("indices")
    assert done.returncode == 2
    assert "Did you mean 'indexes'" in done.stderr.replace("\n", " ")


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("mrl-pg in", ["install", "indexes"]),
        ("mrl-pg server st", ["start", "stop", "status"]),
        ("mrl-pg create docs embedding --ef", ["--ef-construction"]),
    ],
)
def test_a_shell_completes(typed: str, completed: list[str]) -> None:
    words = {"COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" "))}
    said, modules = started(environment={"_MRL_PG_COMPLETE": "complete_bash", **words})
    assert said.split() == completed
    assert "mrl_pg.cli.tune" not in modules
