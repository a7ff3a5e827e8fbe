"""Limits the memory of a server, with a control group of Linux; needs root."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")
BUFFERS = "32MB"
"""A limited server's own cache. The kernel's cache has the rest, and is what a limit
takes away."""

LEAST_BYTES = 100_000_000
"""With less memory the server itself has too little."""

UNLIMITED = {"memory.limit_in_bytes": "-1", "memory.max": "max"}


def why_not() -> str | None:
    """Why the memory of a server cannot be limited here; None if it can."""
    if sys.platform != "linux":
        return "limiting the server's memory needs Linux"
    if os.geteuid() != 0:
        return "limiting the server's memory needs root"
    try:
        probe = MemoryLimit.make()
        probe.remove()
    except OSError as error:
        return f"this machine allows no memory group: {error}"
    return None


@dataclass(frozen=True, slots=True)
class MemoryLimit:
    """A memory group, version 1 or 2, without a limit at first.

    What a process starts inside the group stays there.
    """

    group: Path
    home: Path
    file: str

    @classmethod
    def make(cls) -> "MemoryLimit":
        """Make a group for this process."""
        old = GROUPS / "memory"
        first = old.is_dir()
        root = old if first else GROUPS
        group = root / f"mrl_pg_{os.getpid()}_{os.urandom(4).hex()}"
        group.mkdir()
        home = root / own_group("memory" if first else "")
        file = "memory.limit_in_bytes" if first else "memory.max"
        if not (group / file).exists():
            group.rmdir()
            raise OSError(f"{group / file} does not exist")
        return cls(group, home, file)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Put this process into the group for the block."""
        (self.group / "cgroup.procs").write_text(str(os.getpid()))
        try:
            yield
        finally:
            (self.home / "cgroup.procs").write_text(str(os.getpid()))

    def set(self, size: int | None) -> None:
        """Set the limit in bytes, or none; file pages beyond it are dropped at once."""
        if size is not None:
            # pages that are not on disk yet cannot be dropped
            os.sync()
            Path("/proc/sys/vm/drop_caches").write_text("3")
        value = UNLIMITED[self.file] if size is None else str(size)
        (self.group / self.file).write_text(value)

    def remove(self) -> None:
        """Remove the group, whose processes have ended."""
        self.group.rmdir()


def own_group(controller: str) -> str:
    """The group of this process below the root: of `memory`, or of version 2 (``)."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            return path.lstrip("/")
    raise OSError(f"/proc/self/cgroup names no group {controller!r}")
