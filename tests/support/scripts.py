"""Shell scripts of pages, whose Python programs start in a fork of a warm process.

That process has imported the libraries that mrl_pg needs, and mrl_pg: half of what a
command of a page takes. The shell runs lines that are more than a program and its
arguments, so these start as a user starts them; so do the commands of
`tests/cli/test_cli_starting.py`.
"""

import atexit
import json
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from subprocess import CompletedProcess

LIBRARIES = (
    "numpy psycopg pgvector.sqlalchemy sqlalchemy.ext.asyncio alembic.config typer "
    # a new typer imports it, and pydantic, when a command runs; an old one has none
    "typer._adapters rich.console rich.table rich.progress mrl_pg.alembic"
)

SEVERAL_LINES = r"^ *(cd|export|set|if|for|while|\.)\b|<<|'[^'\n]*\n[^']*'"
"""Words that make lines depend on one another, so that the shell runs them all."""

WARM_PROCESS = """
import contextlib, gc, importlib, json, os, runpy, sys, traceback, warnings
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    for library in sys.argv[1].split():
        with contextlib.suppress(ImportError):
            importlib.import_module(library)
    from mrl_pg.cli.app import MrlPg
    for place in MrlPg.places.values():
        importlib.import_module(place.split(":")[0])

# so that no fork writes to all of it
gc.freeze()

def start(words, folder, environment, out, err):
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    for number, name in enumerate((os.devnull, out, err)):
        os.dup2(os.open(name, os.O_RDWR), number)
    sys.stdin = open(0, closefd=False)
    sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)
    sys.dont_write_bytecode = "PYTHONDONTWRITEBYTECODE" in environment
    if environment.get("PYTHONWARNINGS") == "error":
        warnings.simplefilter("error")
    if words[0] == "python":
        sys.argv = words[2:]
        runpy.run_module(words[2], run_name="__main__", alter_sys=True)
        return
    sys.path.remove("")
    sys.argv = words
    name = {"alembic": "alembic.config", "mrl-pg": "mrl_pg.cli"}[words[0]]
    sys.exit(importlib.import_module(name).main())

for line in sys.stdin:
    child = os.fork()
    if child == 0:
        code = 0
        try:
            start(*json.loads(line))
        except SystemExit as left:
            code = left.code
        except BaseException:
            code = 1
            traceback.print_exc()
        if isinstance(code, str):
            print(code, file=sys.stderr)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else int(code is not None))
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def run_script(
    script: str, folder: Path | None, environment: Mapping[str, str]
) -> CompletedProcess[str]:
    """The output of a script, which is run line by line until a line fails."""
    lines = [script]
    if not re.search(SEVERAL_LINES, script, re.MULTILINE):
        lines = script.replace("\\\n", " ").splitlines()
    out = err = ""
    code = 0
    for line in lines:
        words = program(line)
        if words:
            done = _start(words, folder or Path.cwd(), environment)
        else:
            done = subprocess.run(
                ["sh", "-ec", line],
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
        out, err, code = out + done.stdout, err + done.stderr, done.returncode
        if code:
            break
    return CompletedProcess(script, code, out, err)


def program(line: str) -> list[str]:
    """Words of a line that is one of our programs with arguments; else no words."""
    unquoted = re.sub(r"'[^']*'", "", line.split(" #")[0])
    if re.search(r"[][|&;<>$`*?(){}~!\n\\]", unquoted):
        return []
    words = shlex.split(line, comments=True)
    known = words[:1] in (["alembic"], ["mrl-pg"]) or words[:2] == ["python", "-m"]
    return words if known else []


def _start(
    words: list[str], folder: Path, environment: Mapping[str, str]
) -> CompletedProcess[str]:
    with tempfile.NamedTemporaryFile() as out, tempfile.NamedTemporaryFile() as err:
        asked = [words, str(folder), dict(environment), out.name, err.name]
        process = _warm_process()
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps(asked) + "\n")
        process.stdin.flush()
        code = int(process.stdout.readline())
        said = out.read().decode(), err.read().decode()
    return CompletedProcess(words, code, *said)


@cache
def _warm_process() -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", WARM_PROCESS, LIBRARIES],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def end() -> None:
        process.communicate()

    atexit.register(end)
    return process
