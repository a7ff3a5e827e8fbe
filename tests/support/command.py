"""Commands in a fork of this process, which saves the start of an interpreter.

Tests of the server, the wheel, the docs and the examples start the real commands, and a
test of the demo's prompt.
"""

import gc
import importlib
import logging
import os
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from subprocess import CompletedProcess
from typing import NoReturn

from alembic.config import main

with warnings.catch_warnings():
    # from an old typer with a new click
    warnings.simplefilter("ignore", DeprecationWarning)
    from mrl_pg.cli.app import MrlPg, run

# once, not in each fork
for place in MrlPg.places.values():
    importlib.import_module(place.split(":")[0])

with suppress(ImportError):
    # a new typer imports it, and pydantic, when a command runs; import it only once
    importlib.import_module("typer._adapters")

TESTS = str(Path(__file__).parents[1])


def mrl_pg(*arguments: object, text: str | None = None) -> CompletedProcess[str]:
    """The result of `mrl-pg` with arguments and a text on stdin, as a user sees it."""
    return forked(["mrl-pg", *map(str, arguments)], run, text=text)


def alembic(
    folder: Path,
    *commands: Sequence[str],
    environment: Mapping[str, str] | None = None,
) -> CompletedProcess[str]:
    """The result of `alembic …` in a folder; several commands run one after another."""

    def each() -> None:
        os.chdir(folder)
        sys.path.insert(0, str(folder))
        os.environ.update(environment or {})
        # so that an application imports its own `models`
        for name, module in list(sys.modules.items()):
            if str(getattr(module, "__file__", "")).startswith(TESTS):
                del sys.modules[name]
        for command in commands:
            main(argv=list(command), prog="alembic")

    return forked(["alembic", *commands[0]], each)


def forked(
    command: list[str], work: Callable[[], object], *, text: str | None = None
) -> CompletedProcess[str]:
    """Do some work in a process with streams of its own; its output and exit code."""
    with (
        tempfile.TemporaryFile() as given,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
    ):
        given.write((text or "").encode())
        given.seek(0)
        with warnings.catch_warnings():
            # Python 3.12 warns that other threads, such as pytest-xdist's, are lost
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            for number, file in enumerate((given, out, err)):
                os.dup2(file.fileno(), number)
            become(command, work)
        _, status = os.waitpid(child, 0)
        out.seek(0)
        err.seek(0)
        said = out.read().decode(), err.read().decode()
    return CompletedProcess(command, os.waitstatus_to_exitcode(status), *said)


def become(command: list[str], work: Callable[[], object] = run) -> NoReturn:
    """In a fork, do the work on streams 0, 1 and 2, and end with its exit code."""
    # objects of the tests stay, so that no connection of theirs is closed here
    gc.freeze()
    code: object = 1
    try:
        _forget_logging()
        sys.argv = command
        sys.stdin = open(0, closefd=False)
        sys.stdout = open(1, "w", closefd=False)
        sys.stderr = open(2, "w", closefd=False)
        code = work()
    except SystemExit as left:
        code = left.code
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code & 255 if isinstance(code, int) else int(code is not None))


def _forget_logging() -> None:
    """Reset logging, which pytest has set up and Alembic may set up."""
    loggers = logging.root.manager.loggerDict.values()
    known = [logger for logger in loggers if isinstance(logger, logging.Logger)]
    for logger in (logging.root, *known):
        logger.handlers.clear()
        logger.setLevel(logging.NOTSET)
        logger.disabled, logger.propagate = False, True
    logging.root.setLevel(logging.WARNING)
