"""docs/recall.md runs as written: Python, SQL and shell on one database."""

import os
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
from support.calibrations import never_exact
from support.pages import ROOT, blocks, psycopg_url, run_python
from support.scripts import run_script

from mrl_pg import server

PAGE = ROOT / "docs/recall.md"


def test_the_page_runs_as_written(
    bare_database: str, pg_version: int, capsys: pytest.CaptureFixture[str]
) -> None:
    page = blocks(PAGE)
    languages = {block.language for block in page}
    assert languages == {"python", "sh", "sql", "crontab"}
    scope: dict[str, Any] = {
        "URL": bare_database,
        "ENGINE_URL": psycopg_url(bare_database),
        "__name__": "page",
    }
    path = [str(Path(sys.executable).parent), str(server.bin_dir(pg_version))]
    environment = {
        **os.environ,
        "PATH": ":".join([*path, "/usr/bin", "/bin"]),
        "DATABASE_URL": bare_database,
    }
    shown, printed = 0, ""
    for block in page:
        if block.language == "python":
            shown += run_python([block], scope, capsys)
            never_exact(scope["conn"])
        elif block.language != "crontab":
            script = block.text
            if block.language == "sql":
                command = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c"]
                script = shlex.join([*command, block.text, bare_database])
            done = run_script(script, None, environment)
            assert done.returncode == 0, done.stderr
            # rows were measured, and no real queries
            told = [line for line in done.stderr.splitlines() if "WARNING" in line]
            assert all("700 rows of the table" in line for line in told)
            printed += done.stdout
    scope["conn"].close()
    assert shown == 6
    for words in ("recall 0.99: ", "is the 95 % interval", "measured on 700 rows"):
        assert words in printed


def test_the_alarm_of_the_page_is_the_code_of_the_command() -> None:
    from mrl_pg.cli.recall import BELOW_FLOOR

    said = {
        "recall.md": f"with {BELOW_FLOOR}",
        "errors.md": f"| {BELOW_FLOOR} | `mrl-pg",
    }
    for page, text in said.items():
        assert text in (ROOT / "docs" / page).read_text(encoding="utf-8")
