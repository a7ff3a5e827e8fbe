"""What the shell completes: names of tables and columns, read from the server."""

import os
from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg import sql

from mrl_pg import connect, server, source
from mrl_pg.arguments import split_table
from mrl_pg.errors import MrlError

SECONDS = 2
"""How long a shell waits for the names."""


def tables(ctx: Any, incomplete: str) -> list[str]:
    """Tables that have a column of vectors and whose names begin so."""
    found = _read(ctx, "vector_tables", {})
    return [name for (name,) in found if name.startswith(incomplete)]


def columns(ctx: Any, incomplete: str) -> list[str]:
    """Columns of vectors of the table that stands before."""
    try:
        schema, table = split_table(ctx.params.get("table") or "")
    except MrlError:
        return []
    name = sql.Identifier(*filter(None, (schema, table))).as_string()
    found = _read(ctx, "vector_columns", {"table": name})
    return [name for (name,) in found if name.startswith(incomplete)]


def _read(ctx: Any, name: str, params: dict[str, str]) -> Iterator[tuple[str]]:
    """Rows of a statement; none if no server answers: a shell shows no error."""
    try:
        chosen = connect.choose(
            ctx.params.get("dsn"),
            os.environ,
            directory=ctx.params.get("directory"),
            version=ctx.params.get("pg") or server.VERSIONS[0],
        )
        if isinstance(chosen, connect.Embedded):
            # a shell that completes a word starts no server
            running = server.status(chosen.directory, chosen.version)
            if running is None:
                return
            conninfo = running.url()
        else:
            conninfo = chosen.conninfo
        with psycopg.connect(conninfo, connect_timeout=SECONDS) as conn:
            yield from conn.execute(source.statement(name).encode(), params)
    except (MrlError, OSError, psycopg.Error):
        return
