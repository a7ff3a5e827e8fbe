"""Runs PostgreSQL's programs as the right user, and protected from Ctrl-C."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from mrl_pg.server.programs import bin_dir
from mrl_pg.server.users import let_in, let_read, owner_of


def run(folder: Path, version: int, program: str, *arguments: str) -> tuple[int, str]:
    """Run a program of PostgreSQL in a data folder; returns exit code and output."""
    # PGPORT, PGDATA and LANG of the caller must not change what the server does.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
    environment["LC_ALL"] = "C"
    binary = bin_dir(version) / program
    flags = 0
    if sys.platform == "win32":
        binary = binary.with_suffix(".exe")
        flags = subprocess.CREATE_NEW_PROCESS_GROUP
    if owner := owner_of(folder):
        let_in(folder)
        let_in(binary)
        let_read(binary)
    with (
        tempfile.TemporaryFile() as output
    ):  # no pipe, because the server would keep it open
        done = subprocess.run(
            [str(binary), *arguments],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that Ctrl-C does not stop the server
            creationflags=flags,
            user=owner[0] if owner else None,
            group=owner[1] if owner else None,
            extra_groups=[] if owner else None,
        )
        output.seek(0)
        return done.returncode, output.read().decode(errors="replace")
