"""Runs commands of the shell, each in a process of its own that starts at once."""

import multiprocessing
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from soaking.watcher import APPLICATION

_FORKS = multiprocessing.get_context("forkserver")
# imported once, because that takes longer than many a command
_FORKS.set_forkserver_preload(
    [
        "__main__",
        "mrl_pg.cli.app",
        "mrl_pg.cli.create",
        "mrl_pg.cli.load",
        "mrl_pg.cli.resize",
        "mrl_pg.cli.status",
        "mrl_pg.cli.switch",
    ]
)


class Running:
    """A command that runs, and what it prints."""

    def __init__(self, arguments: Sequence[str]) -> None:
        """Start `mrl-pg` with these arguments."""
        handle, self._printed = tempfile.mkstemp(prefix="mrl_pg_soak_")
        os.close(handle)
        self._process = _FORKS.Process(
            target=_command, args=(tuple(arguments), self._printed)
        )
        self._process.start()

    @property
    def returncode(self) -> int | None:
        """The exit code, below zero after a signal; None while it runs."""
        return self._process.exitcode

    def kill(self) -> None:
        """Kill it with -9."""
        self._process.kill()

    def wait(self) -> str:
        """Wait for its end; what it printed."""
        self._process.join()
        said = Path(self._printed).read_text()
        Path(self._printed).unlink()
        return said


def _command(arguments: Sequence[str], printed: str) -> None:
    from mrl_pg.cli import main

    handle = os.open(printed, os.O_WRONLY)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    sys.stdout = os.fdopen(1, "w")
    sys.stderr = os.fdopen(2, "w")
    os.environ["PGAPPNAME"] = APPLICATION
    sys.argv = ["mrl-pg", *arguments]
    try:
        main()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
