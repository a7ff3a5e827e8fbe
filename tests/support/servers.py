"""Servers besides the session's own, and PostgreSQL's programs for them."""

import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg.conninfo import conninfo_to_dict

from mrl_pg import server
from mrl_pg.server.processes import run as run_in
from mrl_pg.server.users import owner_of
from support.databases import Conn, connect
from support.folders import make_folder, temporary_folder

POOLER = "pgbouncer"


def run(version: int, program: str, *arguments: str) -> str:
    """Output of one of the server's programs; its errors fail the test."""
    done = subprocess.run(
        [server.bin_dir(version) / program, *arguments],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def psql(version: int, url: str, *arguments: str) -> str:
    """What psql prints, unaligned; the first error fails the test."""
    options = ("-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", url)
    return run(version, "psql", *options, *arguments)


def run_as_server(folder: Path, version: int, program: str, *arguments: str) -> None:
    """Run a program in a folder as the user whom the folder belongs to."""
    code, output = run_in(folder, version, program, *arguments)
    assert code == 0, output


def wait(what: str, ready: Callable[[], bool], seconds: int = 60) -> None:
    """Wait until `ready` is true; fail if it takes too long."""
    until = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < until, f"waited {seconds} s for {what}"
        time.sleep(0.01)


def index_scans(conn: Conn, index: str, statement: str, *params: object) -> int:
    """Scans of an index that a statement starts, in a transaction of its own."""

    def counted() -> int:
        # scans that this session has not reported yet, also of earlier transactions
        asked = "select pg_stat_get_xact_numscans(%s::regclass)"
        scans: int = conn.execute(asked, [index]).fetchall()[0][0]
        return scans

    with conn.transaction():
        before = counted()
        conn.execute(statement, params)
        return counted() - before


# ------------------------------------------------------------------ the pooler


def pooler_version() -> tuple[int, ...] | None:
    """Version of the PgBouncer on the machine; None if there is none."""
    if shutil.which(POOLER) is None:
        return None
    said = subprocess.run([POOLER, "--version"], capture_output=True, check=True)
    found = re.search(r"(\d+)\.(\d+)", said.stdout.decode())
    return tuple(map(int, found.groups())) if found else ()


@contextmanager
def pooler(url: str, *, size: int, prepared: int | None) -> Iterator[str]:
    """Connection string through a PgBouncer in transaction mode, for this block.

    `size` server connections in all; `prepared` is `max_prepared_statements`, None
    for a PgBouncer that does not have the setting.
    """
    to = conninfo_to_dict(url)
    with temporary_folder() as above:
        folder = make_folder(above / "pooler")
        above.chmod(0o711)
        settings = {
            "listen_port": "6432",
            "unix_socket_dir": str(folder),
            "auth_type": "any",
            "pool_mode": "transaction",
            "default_pool_size": str(size),
            "max_client_conn": "50",
            "pidfile": str(folder / "pooler.pid"),
        }
        if prepared is not None:
            settings["max_prepared_statements"] = str(prepared)
        lines = [f"{name} = {value}" for name, value in settings.items()]
        config = folder / "pooler.ini"
        config.write_text(
            f"[databases]\n* = host='{to['host']}' port={to['port']} user=postgres\n"
            "[pgbouncer]\n" + "\n".join(lines) + "\n"
        )
        owner = owner_of(folder)
        with open(folder / "log", "wb") as log:
            process = subprocess.Popen(
                [POOLER, str(config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=owner[0] if owner else None,
                group=owner[1] if owner else None,
                extra_groups=[] if owner else None,
            )
        through = (
            f"postgresql://postgres@/{quote(str(to['dbname']))}"
            f"?host={quote(str(folder))}&port=6432"
        )
        try:
            wait("the pooler", lambda: process.poll() is not None or answers(through))
            assert process.poll() is None, (folder / "log").read_text()
            yield through
        finally:
            process.terminate()
            process.wait()


def answers(url: str) -> bool:
    """Whether a server takes connections."""
    try:
        connect(url).close()
    except psycopg.OperationalError:
        return False
    return True
