"""The server that runs in a data folder, read from its `postmaster.pid`."""

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
    """The entries of `postmaster.pid`, if its process is alive."""

    pid: int
    state: str
    host: str
    port: int


def ready(folder: Path) -> EmbeddedServer | None:
    """The server of a folder if it accepts connections, else None."""
    process = running(folder)
    if process is None or process.state != "ready":
        return None
    version = held_version(folder) or 0
    return EmbeddedServer(folder, version, process.pid, process.host, process.port)


def running(folder: Path) -> Postmaster | None:
    """The server process of a folder, ready or not; None if no server runs."""
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
    """Wait while another process starts or stops the server; None if no server runs."""
    until = time.monotonic() + timeout
    while (process := running(folder)) is not None and process.state != "ready":
        if time.monotonic() > until:
            raise ServerError(
                f"the server in {folder} is still {process.state} after {timeout} s"
                f"{log_end(folder)}"
            )
        time.sleep(0.05)
    return process


def forget_dead(lock: Path, folder: Path) -> None:
    """Replace the process number in a lock file that belongs to no live server here.

    PostgreSQL itself ignores the lock of a dead process. It cannot do so if the number
    now belongs to another program (after a container restarts) or to a zombie, or if
    the file was copied from another server's folder (by pg_basebackup). The file and
    its other lines stay, because PostgreSQL uses them to find old processes that still
    hold shared memory.
    """
    with suppress(FileNotFoundError):
        pid, *others = lock.read_text().splitlines(keepends=True) or [""]
        copied = bool(others) and others[0].rstrip("\n") != str(folder)
        if pid.strip() and (copied or not _is_postgres(int(pid))):
            lock.write_text("".join([f"{_NO_PROCESS}\n", *others]))


_NO_PROCESS = 1 << 30
"""Larger than every process number of any system."""


def _is_postgres(pid: int) -> bool:
    pgserver()
    psutil = importlib.import_module("psutil")
    try:
        process = psutil.Process(pid)
        # A dead server stays a zombie if no process collects its exit status.
        alive: bool = process.status() != psutil.STATUS_ZOMBIE
        return alive and process.name().startswith("postgres")
    except psutil.AccessDenied:
        return True
    except psutil.NoSuchProcess:
        return False
