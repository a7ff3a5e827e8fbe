"""Temporary folders for servers, which do not outlive the test run that made them."""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from mrl_pg.server.users import give
from support import watchdog

ROOM = 8 << 30
"""Bytes: twice what a test run takes, most of it the shared memory of a large build."""


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder whose path is short enough for a socket, removed afterwards.

    If this process is killed, the watchdog stops the servers in it and removes it.
    """
    folder = Path(tempfile.mkdtemp(prefix="mrl_pg-test-", dir=_memory())).resolve()
    _tell("+", folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _tell("-", folder)


@cache
def _memory() -> Path | None:
    """The folder kept in memory, where there is one with room for all that tests hold.

    A fresh database is 300 files. On a disk that others use, copying them takes ten
    times as long.
    """
    shared = Path("/dev/shm")
    if "TMPDIR" in os.environ:
        # somebody has chosen another place
        return None
    if os.access(shared, os.W_OK) and shutil.disk_usage(shared).free > ROOM:
        return shared
    return None


def make_folder(path: Path) -> Path:
    """An empty folder that belongs to the user that runs the servers."""
    path.mkdir(mode=0o700)
    give(path)
    return path


@cache
def _pipe() -> int:
    """Start the watchdog; returns the writing end of its pipe."""
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", watchdog.__file__],
        stdin=reading,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.close(reading)

    def end() -> None:
        os.close(writing)
        process.wait()

    atexit.register(end)
    return writing


def _tell(change: str, folder: Path) -> None:
    os.write(_pipe(), f"{change}{folder}\n".encode())
