"""The server itself: five tools over stdin and stdout."""

import json
from collections.abc import Callable
from dataclasses import asdict
from functools import wraps
from importlib.metadata import version
from inspect import cleandoc
from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import CallToolResult, TextContent, ToolAnnotations

from mrl_pg.adapters.mcp.tools import Tools
from mrl_pg.errors import MrlError

INSTRUCTIONS = (
    "Searches tables of a PostgreSQL database by meaning. Call `indexes` first: it "
    "lists what can be searched, and the columns that `search` can show. Nothing here "
    "can change the database."
)


def server(tools: Tools) -> MCPServer[Any]:
    """A server with the five tools; `run()` of it speaks over stdin and stdout."""
    made: MCPServer[Any] = MCPServer(
        "mrl_pg",
        title="mrl_pg",
        version=version("mrl_pg"),
        instructions=INSTRUCTIONS,
        log_level="WARNING",
    )
    for tool in (tools.search, tools.indexes, tools.status, tools.recall, tools.tune):
        made.add_tool(
            _answered(tool),
            name=tool.__name__,
            description=cleandoc(tool.__doc__ or ""),
            annotations=ToolAnnotations(
                read_only_hint=True, destructive_hint=False, open_world_hint=False
            ),
        )
    return made


def serve(tools: Tools) -> None:
    """Answer on stdin and stdout until stdin ends."""
    # while it runs, what else is printed goes to stderr
    server(tools).run("stdio")


def _answered(tool: Callable[..., Any]) -> Callable[..., CallToolResult]:
    """A tool whose answer is structured, and the same as text in one line."""

    @wraps(tool)
    def call(**arguments: Any) -> CallToolResult:
        try:
            answer = asdict(tool(**arguments))
        except (MrlError, OSError) as error:
            raise ToolError(str(error)) from error
        plain = json.loads(json.dumps(answer, default=str))
        text = json.dumps(_without_none(plain), ensure_ascii=False)
        return CallToolResult(
            content=[TextContent(type="text", text=text)], structured_content=plain
        )

    return call


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_none(v) for k, v in value.items() if v is not None}
    return [_without_none(each) for each in value] if isinstance(value, list) else value
