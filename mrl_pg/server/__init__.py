"""The embedded PostgreSQL of pgserver's wheel: makes, starts, finds and stops it.

The data is in one folder. The lock file `<folder>.lock` is beside it, so that many
threads and processes may call `start` and `stop` on the same folder at once. On Unix
the server listens only on a socket, in a folder that no other user can enter.

A server that `start` started runs on after the process ends, and ignores Ctrl-C.
Each start overwrites `mrl_pg.conf` in the folder. Put your own settings below its
include line in `postgresql.conf`.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mrl_pg.server.folders import HOME, data_directory
    from mrl_pg.server.lifecycle import (
        START_SECONDS,
        embedded,
        start,
        status,
        stop,
        url,
    )
    from mrl_pg.server.postmaster import EmbeddedServer
    from mrl_pg.server.programs import VERSIONS, bin_dir
    from mrl_pg.server.tuning import settings_for

__all__ = [
    "HOME",
    "START_SECONDS",
    "VERSIONS",
    "EmbeddedServer",
    "bin_dir",
    "data_directory",
    "embedded",
    "settings_for",
    "start",
    "status",
    "stop",
    "url",
]

_MODULES = {
    "HOME": "folders",
    "START_SECONDS": "lifecycle",
    "VERSIONS": "programs",
    "EmbeddedServer": "postmaster",
    "bin_dir": "programs",
    "data_directory": "folders",
    "embedded": "lifecycle",
    "settings_for": "tuning",
    "start": "lifecycle",
    "status": "lifecycle",
    "stop": "lifecycle",
    "url": "lifecycle",
}
"""Modules of the names, imported late: most commands only ask for the versions."""


def __getattr__(name: str) -> object:
    """Import a name when it is first used."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_MODULES[name]}")
    return getattr(module, name)
