"""The folder of the server's socket, which no other user can enter."""

import hashlib
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from mrl_pg.errors import ServerError
from mrl_pg.server.users import give


def socket_folder(folder: Path) -> Path:
    """The data folder, or a folder with a shorter path if a socket needs it."""
    # The limit is 107 bytes on Linux and 103 on macOS. libpq splits hosts at commas.
    fits = len(os.fsencode(folder / ".s.PGSQL.5432")) <= 103
    if fits and not set(str(folder)) & set(',"'):
        return folder
    short = _short_folder(folder)
    with suppress(FileExistsError):
        short.mkdir(mode=0o700)
        give(short, like=folder)
    # Check the owner, because any user can make folders in a temporary directory.
    entry = short.lstat()
    if entry.st_uid != folder.stat().st_uid or entry.st_mode & 0o170077 != 0o040000:
        raise ServerError(f"{short}, the folder for the socket, is somebody else's")
    return short


def drop_socket_folder(folder: Path) -> None:
    """Remove the short folder that `socket_folder` may have made."""
    with suppress(OSError):  # never made, or not empty
        _short_folder(folder).rmdir()


def _short_folder(folder: Path) -> Path:
    name = f"mrl_pg-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]}"
    temporary = Path(tempfile.gettempdir())
    return (temporary if len(os.fsencode(temporary)) < 60 else Path("/tmp")) / name
