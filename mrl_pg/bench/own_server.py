"""The server of a benchmark: an embedded one, which is removed at the end."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mrl_pg import server
from mrl_pg.server.memory import BUFFERS, MemoryLimit

SETTINGS = {
    # it would vacuum in the middle of a window, and only sometimes
    "autovacuum": "off",
}


@dataclass(slots=True)
class OwnServer:
    """The server of a benchmark, whose memory can be limited later."""

    url: str
    data: Path
    version: int
    limit: MemoryLimit | None = None

    def squeeze(self) -> MemoryLimit:
        """Start again inside a memory group, without a limit yet."""
        server.stop(self.data, self.version)
        self.limit = MemoryLimit.make()
        with self.limit.inside():
            settings = {**SETTINGS, "shared_buffers": BUFFERS}
            server.start(self.data, self.version, settings=settings)
        return self.limit


@contextmanager
def own_server(version: int) -> Iterator[OwnServer]:
    """A server in a folder that is deleted after the block."""
    with tempfile.TemporaryDirectory(prefix="mrl_pg_bench_") as folder:
        data = Path(folder, "data")
        own: OwnServer | None = None
        try:
            started = server.start(data, version, settings=SETTINGS)
            own = OwnServer(started.url(), data, version)
            yield own
        finally:
            if own is not None and own.limit is not None:
                own.limit.set(None)
            server.stop(data, version)
            if own is not None and own.limit is not None:
                own.limit.remove()
