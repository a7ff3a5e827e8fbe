"""`mrl-pg mcp`: a server for assistants, which only reads."""

from typing import Annotated, Any

import typer

from mrl_pg import connect
from mrl_pg.cli.embedding import (
    Embed,
    EmbedDims,
    EmbedUrl,
    ModelName,
    ProjectionFile,
    refuse_without_model,
)
from mrl_pg.cli.options import PG_DEFAULT, Directory, Dsn, Pg, say
from mrl_pg.embed import embedder


def mcp(
    timeout: Annotated[
        float, typer.Option(help="Seconds that each statement may take.")
    ] = 30.0,
    longest_text: Annotated[
        int, typer.Option(help="Characters of a text in an answer; the rest is cut.")
    ] = 500,
    trust_filters: Annotated[
        bool,
        typer.Option(
            "--trust-filters",
            help="Take conditions in SQL also if the role is a superuser, who could "
            "write files on the database's server with one.",
        ),
    ] = False,
    embed: Embed = None,
    model: ModelName = None,
    embed_dims: EmbedDims = None,
    embed_url: EmbedUrl = None,
    projection: ProjectionFile = None,
    dsn: Dsn = None,
    directory: Directory = None,
    pg: Pg = PG_DEFAULT,
) -> None:
    """Let an assistant search this database: a server of the Model Context Protocol.

    It speaks over stdin and stdout, so an assistant starts it. It has five tools:
    search, indexes, status, recall, and tune, which only predicts. All of them only
    read: every transaction is read-only. Give it a role that may see only what the
    assistant may see. It needs pip install 'mrl_pg\\[mcp]'.

    A search in words uses the model that the registry knows for the column. --embed is
    for columns without one, or whose model is a command.

    Put this into the configuration of your assistant:

    \b
    {
      "mcpServers": {
        "docs": {
          "command": "mrl-pg",
          "args": ["mcp", "--dsn", "postgresql://reader@localhost/app"]
        }
      }
    }

    docs/mcp.md has the rest.
    """
    # imported here, because help needs no server
    from mrl_pg.adapters.mcp import ReadOnly, Tools, serve

    asked: dict[str, Any] = {
        "name": model,
        "dims": embed_dims,
        "url": embed_url,
        "projection": projection,
    }
    if embed is None:
        refuse_without_model(asked)
    chosen = None if embed is None else embedder(embed, **asked)
    target = connect.resolve(dsn, directory=directory, version=pg)
    database = ReadOnly(target.conninfo, timeout)
    say(f"using {target.origin}")
    serve(Tools(database, longest_text, chosen, trust_filters))
