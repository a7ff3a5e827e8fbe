"""The embedded PostgreSQL: makes, starts, finds and stops the one in pgserver's wheel.

The data lives in one folder. Beside it lies a lock, `<folder>.lock`, so that any number
of threads and processes may call `start` and `stop` on the same folder at once. On Unix
the server listens on a socket only, in a folder that no other user can enter.

A server that `start` started outlives the process, and Ctrl-C does not reach it.
`mrl_pg.conf` inside the folder is written anew at each start; put your own settings
below its include line in `postgresql.conf`.
"""

from mrl_pg.server.folders import HOME, data_directory
from mrl_pg.server.lifecycle import START_SECONDS, embedded, start, status, stop, url
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
