"""The user that the server runs as where we are root, and what that user may enter.

PostgreSQL refuses to run as root. For anybody else all of this does nothing.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from mrl_pg.errors import ServerError
from mrl_pg.server.programs import pgserver

if TYPE_CHECKING:
    import pwd

MAKING_SECONDS = 5.0
"""How long another process may take to make the server's user."""


def owner_of(folder: Path) -> tuple[int, int] | None:
    """User and group to run as in a data folder, or None to stay who we are."""
    if sys.platform == "win32" or os.geteuid() != 0:
        return None
    holder = folder.stat()
    if holder.st_uid != 0:
        return holder.st_uid, holder.st_gid
    found = account()
    if found is None:
        raise ServerError(
            "PostgreSQL does not run as root: add a system user `pgserver`, "
            "or run this as another user"
        )
    return found.pw_uid, found.pw_gid


def account() -> pwd.struct_passwd | None:
    """The server's user, made if need be; None where that cannot be done."""
    import pwd

    until = time.monotonic() + MAKING_SECONDS
    while True:
        with suppress(KeyError):
            return pwd.getpwnam("pgserver")
        try:
            pgserver().ensure_user_exists("pgserver")
        except FileNotFoundError:
            # there is no useradd here
            return None
        except subprocess.CalledProcessError:
            # another process may be making the user just now
            if time.monotonic() > until:
                return None
            time.sleep(0.1)


def give(path: Path, *, like: Path | None = None) -> None:
    """Hand a file or folder to the user the server runs as."""
    owner = owner_of(like or (path if path.is_dir() else path.parent))
    if owner and sys.platform != "win32":
        os.chown(path, *owner)


def let_in(path: Path) -> None:
    """Let the server's user pass through the folders above.

    They become enterable by everybody, not readable.
    """
    for parent in path.parents:
        mode = parent.stat().st_mode
        if not mode & 0o001:
            parent.chmod(mode | 0o001)


def let_read(binary: Path) -> None:
    """Open PostgreSQL's own files where pip ran under a strict umask."""
    if binary.stat().st_mode & 0o005 != 0o005:
        package = binary.parents[2]
        libraries = package.with_name(f"{package.name}.libs")
        for folder in (binary.parents[1], libraries):
            if folder.exists():
                pgserver().ensure_folder_permissions(folder, 0o055)
