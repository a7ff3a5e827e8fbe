"""The lock beside a data folder, and what the system's errors there mean."""

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
    """One thread of one process at a time per folder."""
    pgserver()
    with explained(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        path = folder.with_name(f"{folder.name}.lock")
        # The lock of the file is the process's, so threads need one of their own.
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
            "writable; name another with --directory"
        ) from error
    except OSError as error:
        raise ServerError(f"{folder} cannot hold a server: {error}") from error
