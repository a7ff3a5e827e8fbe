"""The file `mrl_pg.conf` in a data folder, and its include in `postgresql.conf`."""

import re
import sys
from collections.abc import Mapping
from pathlib import Path

from mrl_pg.errors import InvalidSetting
from mrl_pg.server.programs import pgserver
from mrl_pg.server.sockets import socket_folder
from mrl_pg.server.tuning import settings_here
from mrl_pg.server.users import give

_CONFIG = "mrl_pg.conf"
_INCLUDE = f"include_if_exists = '{_CONFIG}'"


def config_lines(settings: Mapping[str, str]) -> str:
    """Settings as lines of a configuration file; raises InvalidSetting."""
    lines = []
    for name, value in settings.items():
        if not re.fullmatch(r"[A-Za-z_][\w.]*", name) or "\n" in value:
            raise InvalidSetting(f"{name!r} = {value!r} is not a server setting")
        quoted = value.replace("\\", "\\\\").replace("'", "''")
        lines.append(f"{name} = '{quoted}'\n")
    return "".join(lines)


def configure(folder: Path, extra: str) -> None:
    """Write the settings for this machine, then extra lines that override them."""
    lines = config_lines({**settings_here(), **_network(folder)})
    config = folder / _CONFIG
    config.write_text(
        f"# Written by mrl_pg at each start. Put your settings below the line that "
        f"includes this file in postgresql.conf.\n{lines}{extra}",
        encoding="utf-8",
    )
    give(config)
    main = folder / "postgresql.conf"
    if _INCLUDE not in main.read_text(encoding="utf-8"):
        with main.open("a", encoding="utf-8") as file:
            file.write(f"\n{_INCLUDE}\n")


def _network(folder: Path) -> dict[str, str]:
    if sys.platform == "win32":
        port = pgserver().find_suitable_port("127.0.0.1")
        return {"listen_addresses": "127.0.0.1", "port": str(port)}
    # The port is only a part of the socket's name, which PGPORT must not change.
    return {
        "listen_addresses": "",
        "port": "5432",
        "unix_socket_directories": f'"{socket_folder(folder)}"',
        "unix_socket_permissions": "0700",
    }
