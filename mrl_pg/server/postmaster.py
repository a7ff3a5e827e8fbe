"""The server that runs in a data folder, as its `postmaster.pid` tells."""

import importlib
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from mrl_pg.errors import ServerError
from mrl_pg.server.folders import LOG, held_version, log_end
from mrl_pg.server.programs import pgserver


@dataclass(frozen=True, slots=True)
class EmbeddedServer:
    """A running embedded server: its data folder and where it listens."""

    directory: Path
    version: int
    pid: int
    host: str
    port: int

    def url(self, database: str = "postgres") -> str:
        """Connection string of one database, for psycopg, SQLAlchemy and psql."""
        name = quote(database, safe="")
        if self.host.startswith("/"):
            query = f"host={quote(self.host)}&port={self.port}"
            return f"postgresql://postgres@/{name}?{query}"
        return f"postgresql://postgres@{self.host}:{self.port}/{name}"

    @property
    def log(self) -> Path:
        """The server's log file."""
        return self.directory / LOG


@dataclass(frozen=True, slots=True)
class Postmaster:
    """What `postmaster.pid` says about a live process."""

    pid: int
    state: str
    host: str
    port: int


def ready(folder: Path) -> EmbeddedServer | None:
    """The server of a folder if it takes connections, else None."""
    found = running(folder)
    if found is None or found.state != "ready":
        return None
    version = held_version(folder) or 0
    return EmbeddedServer(folder, version, found.pid, found.host, found.port)


def running(folder: Path) -> Postmaster | None:
    """The server process of a folder, ready or not; None where there is none."""
    try:
        lines = (folder / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return None
    if not lines or not _is_postgres(int(lines[0])):
        return None
    pid = int(lines[0])
    if len(lines) < 8:  # still being written
        return Postmaster(pid, "starting", "", 0)
    socket, address = lines[4].strip(), lines[5].strip()
    return Postmaster(pid, lines[7].strip(), socket or address, int(lines[3]))


def settle(folder: Path, timeout: int) -> Postmaster | None:
    """Wait until a server that somebody else starts or stops has done so."""
    until = time.monotonic() + timeout
    while (found := running(folder)) is not None and found.state != "ready":
        if time.monotonic() > until:
            raise ServerError(
                f"the server in {folder} is still {found.state} after {timeout} s"
                f"{log_end(folder)}"
            )
        time.sleep(0.05)
    return found


def forget_dead(lock: Path, folder: Path) -> None:
    """Let PostgreSQL see that a lock in its data folder names no server of the folder.

    It sees that the process is dead, unless the number belongs to another program by
    now, as when a container starts again, or to a zombie; and the lock of a socket
    may have come here in a copy of another server's folder, as pg_basebackup makes.
    The file stays: its other lines let PostgreSQL look for orphans that still hold
    the shared memory.
    """
    with suppress(FileNotFoundError):
        pid, *others = lock.read_text().splitlines(keepends=True) or [""]
        copied = bool(others) and others[0].rstrip("\n") != str(folder)
        if pid.strip() and (copied or not _is_postgres(int(pid))):
            lock.write_text("".join([f"{_NO_PROCESS}\n", *others]))


_NO_PROCESS = 1 << 30
"""Beyond the largest process number of any system."""


def _is_postgres(pid: int) -> bool:
    pgserver()
    psutil = importlib.import_module("psutil")
    try:
        process = psutil.Process(pid)
        # Where nobody reaps orphans, a dead server stays as a zombie.
        alive: bool = process.status() != psutil.STATUS_ZOMBIE
        return alive and process.name().startswith("postgres")
    except psutil.AccessDenied:
        return True
    except psutil.NoSuchProcess:
        return False
