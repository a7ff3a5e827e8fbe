"""The lock of a data folder, and errors that explain a failed access to it."""

import importlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mrl_pg.errors import ServerError
from mrl_pg.server.programs import pgserver

_THREADS = threading.Lock()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Let only one thread of one process work on a folder at a time."""
    pgserver()
    with explained(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        path = folder.with_name(f"{folder.name}.lock")
        # Threads need their own lock, because a file lock belongs to the whole process.
        with _THREADS, importlib.import_module("fasteners").InterProcessLock(path):
            yield


@contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Turn an OSError about a data folder into a ServerError that says what to do."""
    try:
        yield
    except PermissionError as error:
        raise ServerError(
            f"{error}: {folder} must belong to you, and the folder above it must be "
            "writable; name another folder with --directory"
        ) from error
    except OSError as error:
        raise ServerError(f"{folder} cannot hold a server: {error}") from error
