"""A server for assistants that speak the Model Context Protocol; it only reads.

`mrl-pg mcp` starts it. It needs the extra `mrl_pg[mcp]`.
"""

from mrl_pg.errors import InvalidSetting

try:
    import mcp.server.mcpserver  # noqa: F401
except ModuleNotFoundError as error:
    raise InvalidSetting(
        "the MCP server needs a package that is not installed: "
        "pip install 'mrl_pg[mcp]'"
    ) from error

from mrl_pg.adapters.mcp.server import serve, server
from mrl_pg.adapters.mcp.session import ReadOnly
from mrl_pg.adapters.mcp.tools import Tools

__all__ = ["ReadOnly", "Tools", "serve", "server"]
