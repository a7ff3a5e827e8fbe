"""An embedded server whose memory can be limited, in a folder that is removed."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mrl_pg.server.lifecycle import start, stop
from mrl_pg.server.memory import BUFFERS, MemoryLimit
from mrl_pg.server.postmaster import EmbeddedServer
from mrl_pg.server.programs import VERSIONS


@contextmanager
def limited(version: int = VERSIONS[0]) -> Iterator[tuple[EmbeddedServer, MemoryLimit]]:
    """A server in a memory group of its own, without a limit at first."""
    with tempfile.TemporaryDirectory(prefix="mrl_pg_limited_") as folder:
        data = Path(folder, "data")
        limit = MemoryLimit.make()
        try:
            with limit.inside():
                settings = {"shared_buffers": BUFFERS, "autovacuum": "off"}
                server = start(data, version, settings=settings)
            try:
                yield server, limit
            finally:
                limit.set(None)
                stop(data, version)
        finally:
            limit.remove()
