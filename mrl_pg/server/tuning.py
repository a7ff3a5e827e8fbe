"""Server settings for the memory and cores of the machine or its container."""

import importlib
import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path


def settings_for(
    memory: int, cores: int, *, shared_memory_files: int | None = None
) -> dict[str, str]:
    """Settings for a machine that PostgreSQL may use alone.

    `memory` is in bytes. `shared_memory_files` is the size of /dev/shm in bytes, if
    there is one.
    """
    megabytes = memory >> 20
    maintenance = min(max(megabytes // 8, 64), 8192)
    chosen = {
        # A quarter, as the manual advises. The file cache uses the rest, and the
        # planner knows that from effective_cache_size.
        "shared_buffers": f"{max(megabytes // 4, 32)}MB",
        "effective_cache_size": f"{max(megabytes * 3 // 4, 64)}MB",
        # An HNSW build is several times slower if its graph does not fit.
        "maintenance_work_mem": f"{maintenance}MB",
        # Its default is the line above, for each of three workers at a time.
        "autovacuum_work_mem": f"{max(maintenance // 8, 32)}MB",
        # With the default, loads and index builds checkpoint every gigabyte.
        "max_wal_size": "4GB",
        # One worker fewer than cores, because the main process works too.
        "max_parallel_maintenance_workers": str(max(cores - 1, 0)),
        "max_parallel_workers": str(cores),
        "max_worker_processes": str(cores + 8),
        # Compiling a search would take longer than the search.
        "jit": "off",
        # For a solid state disk.
        "random_page_cost": "1.1",
    }
    if shared_memory_files is not None and shared_memory_files >> 20 < maintenance * 2:
        # A parallel HNSW build keeps maintenance_work_mem in shared memory. That is a
        # file in /dev/shm by default, and containers have 64 MB there.
        chosen["dynamic_shared_memory_type"] = "sysv"
    return chosen


def settings_here() -> dict[str, str]:
    """`settings_for` the memory and cores that this process may use."""
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
            # A container may see a path of its host that does not exist inside.
            for folder in (here, *here.parents):
                with suppress(OSError, ValueError):  # ValueError: "max"
                    limits.append(int((folder / name).read_text()))
                if folder == top:
                    break
    return min(limits, default=None)
