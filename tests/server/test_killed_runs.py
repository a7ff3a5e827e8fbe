"""A test run that is killed leaves no server and no folder behind."""

import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from pytest import MonkeyPatch
from support.folders import temporary_folder
from support.servers import wait

ROOT = Path(__file__).parents[2]

HANGING_TEST = """
import os, time
from pathlib import Path

def test_that_hangs(embedded_server):
    report = Path(os.environ["REPORT"])
    beside = report.with_suffix(".new")
    beside.write_text(f"{embedded_server.directory}\\n{embedded_server.pid}")
    beside.rename(report)
    time.sleep(60)
"""

HOW = [(signal.SIGKILL, 1), (signal.SIGTERM, 0)]
"""A signal to pytest, and how many workers of xdist it has."""


@dataclass(frozen=True, slots=True)
class Run:
    """A pytest of its own that started a server and hangs."""

    folder: Path
    process: "subprocess.Popen[bytes]"

    @property
    def report(self) -> Path:
        """A file that names the server's data folder and its process."""
        return self.folder / "report"

    def has_server(self) -> bool:
        assert self.process.poll() is None
        return self.report.exists()

    def server_is_gone(self) -> bool:
        data, pid = self.report.read_text().split("\n")
        assert self.folder in Path(data).parents
        return not Path(f"/proc/{pid}/cwd").exists()

    def folder_is_gone(self) -> bool:
        return not list(self.folder.glob("mrl_pg-*"))


def start(folder: Path, workers: int) -> Run:
    folder.mkdir()
    (folder / "test_that_hangs.py").write_text(HANGING_TEST)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "conftest", "-k", "pg18"]
    command += [f"--rootdir={ROOT}", "-c", str(ROOT / "pyproject.toml")]
    command += [f"--basetemp={folder / 'base'}", "-n", str(workers), str(folder)]
    return Run(folder, subprocess.Popen(command, stdout=subprocess.DEVNULL))


def test_nothing_stays_of_a_run_that_is_killed(monkeypatch: MonkeyPatch) -> None:
    # whatever the pytest around them was told
    for name in os.environ:
        if name.startswith("PYTEST_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "tests"))
    runs = []
    with temporary_folder() as above, ExitStack() as stack:
        for how, workers in HOW:
            folder = above / how.name
            monkeypatch.setenv("TMPDIR", str(folder))
            monkeypatch.setenv("REPORT", str(folder / "report"))
            run = start(folder, workers)
            stack.callback(run.process.wait)
            stack.callback(run.process.send_signal, how)
            runs.append(run)
        for run in runs:
            wait("a server", run.has_server)
        stack.close()
        for run in runs:
            # xdist's workers wait 15 s for a test that hangs
            wait("the server's end", run.server_is_gone, 50)
            wait("the folder's end", run.folder_is_gone, 10)
