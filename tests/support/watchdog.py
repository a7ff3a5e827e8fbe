"""Removes the folders of a test run that was killed, and stops the servers in them.

`support.folders` starts this program in a session of its own, so that a signal that
kills the tests does not reach it. Its standard input is a pipe from the test process,
in which `+FOLDER` and `-FOLDER` say which folders are in use. The pipe ends when that
process ends, for any reason.
"""

import os
import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

SECONDS = 20
"""How long a server may take to stop before it is killed."""


def main() -> None:
    """Keep the list of folders up to date, and clean them up when the pipe ends."""
    folders: list[Path] = []
    for line in sys.stdin:
        change, name = line[0], Path(line[1:].rstrip("\n"))
        if change == "+":
            folders.append(name)
        else:
            folders.remove(name)
    for folder in folders:
        clean(folder)


def clean(folder: Path) -> None:
    """Stop all servers in a folder, and remove it."""
    until = time.monotonic() + SECONDS
    # several times, because a server may be starting just now
    while folder.exists():
        files = list(folder.rglob("*.pid"))
        for file in files:
            stop(file, signal.SIGQUIT if time.monotonic() < until else signal.SIGKILL)
        if not files or time.monotonic() > until:
            shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.1)
        if time.monotonic() > until + SECONDS:
            return


def stop(file: Path, how: signal.Signals) -> None:
    """Tell the process of a file to stop at once; it removes the file when it ends."""
    with suppress(OSError, ValueError, IndexError):
        pid, *lines = file.read_text().splitlines()
        if is_server(int(pid)):
            os.kill(int(pid), how)
        # a server whose path is too long has a separate folder for its socket
        if len(lines) > 3 and lines[3] not in ("", str(file.parent)):
            shutil.rmtree(lines[3], ignore_errors=True)


def is_server(pid: int) -> bool:
    """Whether a process is a server.

    The file of a server that crashed may name a process of another program by now.
    """
    try:
        name = Path(f"/proc/{pid}/comm").read_text()
    except OSError:
        return not Path("/proc/self").exists()  # macOS: trust the file
    return name.startswith(("postgres", "pgbouncer"))


if __name__ == "__main__":
    main()
