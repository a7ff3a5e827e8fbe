"""What a result depends on: the machine, the versions, the settings of the server."""

import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path

from mrl_pg import source
from mrl_pg.exchange import Conn, cursors

PACKAGES = ("mrl_pg", "numpy", "psycopg")


def environment(conn: Conn) -> dict[str, object]:
    """The machine, the versions, and the server's settings."""
    statement = source.statement("bench_versions").encode()
    server = {name: value for name, value in cursors.tuples(conn).execute(statement)}
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "memory_bytes": _memory(),
        "system": platform.platform(),
        "python": sys.version.split()[0],
        "packages": {name: version(name) for name in PACKAGES},
        "server": dict(sorted(server.items())),
        "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _memory() -> int | None:
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return None
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
