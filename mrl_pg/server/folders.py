"""The data folder: its path, its version, initdb, and the end of its log."""

import os
import shutil
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from mrl_pg.errors import ServerError
from mrl_pg.server.processes import run
from mrl_pg.server.programs import VERSIONS
from mrl_pg.server.users import give

HOME = ".mrl_pg"
"""Folder in the current directory with the default data folders."""

LOG = "server.log"
"""Name of the server's log inside the data folder."""


def data_directory(
    directory: str | os.PathLike[str] | None = None, version: int = VERSIONS[0]
) -> Path:
    """Absolute path of the given folder, or of the default folder of a version."""
    return Path(directory or Path(HOME, f"pg{version}")).expanduser().resolve()


def make_home(home: Path) -> None:
    """Make the folder of the default data folders, which git ignores."""
    home.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError), open(home / ".gitignore", "x") as ignore:
        ignore.write("*\n")


def held_version(folder: Path) -> int | None:
    """Major version of the data in a folder; None if the folder has no data."""
    try:
        return int((folder / "PG_VERSION").read_text())
    except FileNotFoundError:
        return None


def check_folder(folder: Path, version: int) -> None:
    """Raise ServerError unless a folder is empty or holds data of this version."""
    version_there = held_version(folder)
    if version_there is None and folder.exists() and any(folder.iterdir()):
        raise ServerError(
            f"{folder} is neither empty nor a PostgreSQL data folder: "
            "name another folder"
        )
    if version_there is not None and version_there != version:
        raise ServerError(
            f"{folder} holds PostgreSQL {version_there}, not {version}: use version "
            f"{version_there} (--pg {version_there}) or name another folder"
        )


def initialise(folder: Path, version: int, *, sync: bool) -> None:
    """Run initdb in another folder and rename that, so that data is never partial."""
    prefix = f"{folder.name}.new-"
    for leftover in folder.parent.glob(f"{prefix}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    with tempfile.TemporaryDirectory(
        prefix=prefix, dir=folder.parent, ignore_cleanup_errors=True
    ) as name:
        fresh = Path(name)
        give(fresh)
        # The same locale on every machine, independent of LANG.
        locale = ["--encoding=UTF8", "--locale=C"]
        if version >= 17:
            locale += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        # No password on the socket, because no other user can reach it.
        host = "trust" if sys.platform == "win32" else "scram-sha-256"
        code, output = run(
            fresh,
            version,
            "initdb",
            *("-D", ".", "-U", "postgres", "--no-instructions", *locale),
            *("--auth-local=trust", f"--auth-host={host}"),
            *([] if sync else ["--no-sync"]),
        )
        if code:
            raise ServerError(f"cannot make a database in {folder}: {output.strip()}")
        if folder.exists():
            folder.rmdir()
        fresh.rename(folder)


def log_end(folder: Path, lines: int = 8) -> str:
    """The last lines of the log, to append to an error message; '' without a log."""
    log = folder / LOG
    with suppress(OSError):
        text = log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]
        return "\n".join([f"; the log {log} ends:", *text])
    return ""
