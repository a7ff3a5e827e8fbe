"""Starts, finds and stops the server of a data folder: the functions for users."""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg

from mrl_pg.errors import ServerError
from mrl_pg.server.config import config_lines, configure
from mrl_pg.server.folders import (
    LOG,
    check_folder,
    data_directory,
    held_version,
    initialise,
    log_end,
    make_home,
)
from mrl_pg.server.locks import explained, locked
from mrl_pg.server.postmaster import (
    EmbeddedServer,
    forget_dead,
    ready,
    running,
    settle,
)
from mrl_pg.server.processes import run
from mrl_pg.server.programs import VERSIONS, bin_dir
from mrl_pg.server.sockets import drop_socket_folder, socket_folder

START_SECONDS = 300
"""How long `start` waits. After a crash, PostgreSQL may replay its log for minutes."""


@contextmanager
def embedded(
    directory: str | os.PathLike[str] | None = None,
    version: int = VERSIONS[0],
    *,
    keep: bool = False,
    settings: Mapping[str, str] | None = None,
) -> Iterator[EmbeddedServer]:
    """A running server for a `with` block; the arguments are those of `start`.

    The server is stopped after the block, unless it was already running or `keep` is
    true.
    """
    server, started = _start(directory, version, settings, START_SECONDS)
    try:
        yield server
    finally:
        if started and not keep:
            stop(server.directory)


def start(
    directory: str | os.PathLike[str] | None = None,
    version: int = VERSIONS[0],
    *,
    settings: Mapping[str, str] | None = None,
    timeout: int = START_SECONDS,
) -> EmbeddedServer:
    """A running server, made and started if necessary; it stays running.

    The default folder is `.mrl_pg/pg18` in the current directory. `settings` override
    `settings_for` this machine until the next start. If the server already runs, they
    have no effect. The database `postgres` has pgvector. Raises ServerError if the
    folder holds another version, or with the end of the log if the start failed.
    """
    return _start(directory, version, settings, timeout)[0]


def stop(
    directory: str | os.PathLike[str] | None = None,
    version: int = VERSIONS[0],
    *,
    timeout: int = 120,
) -> bool:
    """Stop the server; returns whether it was running. Open connections are closed."""
    folder = data_directory(directory, version)
    if not folder.exists():
        return False
    with locked(folder):
        if running(folder) is None:
            return False
        held = held_version(folder) or VERSIONS[0]
        arguments = ("stop", "-D", ".", "-m", "fast", "-w", "-t", str(timeout))
        code, output = run(folder, held, "pg_ctl", *arguments)
        if code and running(folder) is not None:
            raise ServerError(f"{folder} did not stop: {output.strip()}")
        drop_socket_folder(folder)
    return True


def status(
    directory: str | os.PathLike[str] | None = None, version: int = VERSIONS[0]
) -> EmbeddedServer | None:
    """The server of a folder if it accepts connections, else None."""
    folder = data_directory(directory, version)
    with explained(folder):
        return ready(folder) if folder.exists() else None


def url(
    directory: str | os.PathLike[str] | None = None,
    version: int = VERSIONS[0],
    *,
    database: str = "postgres",
) -> str:
    """Connection string of a running server; raises ServerError if it is not."""
    server = status(directory, version)
    if server is None:
        folder = data_directory(directory, version)
        raise ServerError(
            f"no server runs in {folder}: start a server with `mrl-pg server start` "
            "or mrl_pg.server.start()"
        )
    return server.url(database)


def _start(
    directory: str | os.PathLike[str] | None,
    version: int,
    settings: Mapping[str, str] | None,
    timeout: int,
) -> tuple[EmbeddedServer, bool]:
    bin_dir(version)
    folder = data_directory(directory, version)
    overrides = dict(settings or {})
    extra = config_lines(overrides)
    if directory is None:
        make_home(folder.parent)
    with locked(folder):
        check_folder(folder, version)
        started = settle(folder, timeout) is None
        if started:
            if held_version(folder) is None:
                initialise(folder, version, sync=overrides.get("fsync") != "off")
            configure(folder, extra)
            forget_dead(folder / "postmaster.pid", folder)
            forget_dead(socket_folder(folder) / ".s.PGSQL.5432.lock", folder)
            _launch(folder, version, timeout)
        server = ready(folder)
        if server is None:
            raise ServerError(f"the server in {folder} stopped again{log_end(folder)}")
        _add_pgvector(server)
    return server, started


def _launch(folder: Path, version: int, timeout: int) -> None:
    # Relative names, because pg_ctl passes both to a shell.
    arguments = ("-D", ".", "-l", LOG, "-w", "-t", str(timeout), "-s")
    until = time.monotonic() + min(timeout, 30)
    while True:
        code, output = run(folder, version, "pg_ctl", "start", *arguments)
        if code == 0:
            return
        # After a crash, processes of the old server may need a moment to end.
        held = "pre-existing shared memory block" in log_end(folder)
        if not held or time.monotonic() > until:
            break
        time.sleep(0.2)
    if running(folder) is not None:
        raise ServerError(
            f"PostgreSQL {version} in {folder} is not ready after {timeout} s; "
            f"it is still starting, so try again later{log_end(folder)}"
        )
    drop_socket_folder(folder)
    raise ServerError(
        f"PostgreSQL {version} did not start in {folder}: {output.strip()}"
        f"{log_end(folder)}"
    )


def _add_pgvector(server: EmbeddedServer) -> None:
    try:
        # hostaddr is empty, because PGHOSTADDR could lead to another server.
        with psycopg.connect(server.url(), hostaddr="", autocommit=True) as conn:
            # A read replica copies its primary, and cannot create an extension.
            if conn.execute("select pg_is_in_recovery()").fetchone() != (True,):
                conn.execute("create extension if not exists vector")
    except psycopg.OperationalError as error:
        raise ServerError(
            f"the server in {server.directory} does not answer: {error}"
            f"{log_end(server.directory)}"
        ) from error
