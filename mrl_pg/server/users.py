"""The user of the server if this process runs as root, and that user's access.

PostgreSQL refuses to run as root. For other users these functions do nothing.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from mrl_pg.errors import ServerError
from mrl_pg.server.programs import pgserver

if TYPE_CHECKING:
    import pwd

MAKING_SECONDS = 5.0
"""How long to wait for another process that creates the server's user."""


def owner_of(folder: Path) -> tuple[int, int] | None:
    """User and group for programs in a data folder; None for those of this process."""
    if sys.platform == "win32" or os.geteuid() != 0:
        return None
    holder = folder.stat()
    if holder.st_uid != 0:
        return holder.st_uid, holder.st_gid
    server_user = account()
    if server_user is None:
        raise ServerError(
            "PostgreSQL does not run as root: add a system user `pgserver`, "
            "or run this as another user"
        )
    return server_user.pw_uid, server_user.pw_gid


def account() -> pwd.struct_passwd | None:
    """The server's user, created if necessary; None if that is impossible."""
    import pwd

    until = time.monotonic() + MAKING_SECONDS
    while True:
        with suppress(KeyError):
            return pwd.getpwnam("pgserver")
        try:
            with _one_at_a_time(until):
                # it asks first whether another process has created the user since
                pgserver().ensure_user_exists("pgserver")
        except FileNotFoundError:
            # the system has no useradd
            return None
        except subprocess.CalledProcessError:
            # another process may be creating a user now
            if time.monotonic() > until:
                return None
            time.sleep(0.1)


@contextmanager
def _one_at_a_time(until: float) -> Iterator[None]:
    """Wait while another process creates the server's user, but only so long.

    Two `useradd` at once both create the user, with two numbers, and the first number
    belongs to nobody then. No file is left behind, and /etc is never replaced.
    """
    import fcntl

    folder = os.open("/etc", os.O_RDONLY)
    try:
        while time.monotonic() < until:
            with suppress(BlockingIOError):
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            time.sleep(0.02)
        yield
    finally:
        os.close(folder)


def give(path: Path, *, like: Path | None = None) -> None:
    """Make the server's user the owner of a file or folder."""
    owner = owner_of(like or (path if path.is_dir() else path.parent))
    if owner and sys.platform != "win32":
        os.chown(path, *owner)


def let_in(path: Path) -> None:
    """Let every user enter the folders above a path, but not list them."""
    for parent in path.parents:
        mode = parent.stat().st_mode
        if not mode & 0o001:
            parent.chmod(mode | 0o001)


def let_read(binary: Path) -> None:
    """Make PostgreSQL's programs readable for all, if pip installed them privately."""
    if binary.stat().st_mode & 0o005 != 0o005:
        package = binary.parents[2]
        libraries = package.with_name(f"{package.name}.libs")
        for folder in (binary.parents[1], libraries):
            if folder.exists():
                pgserver().ensure_folder_permissions(folder, 0o055)
