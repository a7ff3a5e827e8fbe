"""`mrl-pg indexes`: the short columns of a database."""

import json
from collections import Counter
from typing import Any

import typer
from psycopg import errors

from mrl_pg import source
from mrl_pg.cli.options import PG_DEFAULT, Directory, Dsn, Json, Pg, connection
from mrl_pg.cli.rows import show
from mrl_pg.errors import NotInstalled
from mrl_pg.exchange import cursors


def indexes(
    dsn: Dsn = None,
    directory: Directory = None,
    pg: Pg = PG_DEFAULT,
    as_json: Json = False,
) -> None:
    """List the short columns of mrl_pg in this database: the view mrl.indexes.

    Example: mrl-pg indexes --json
    """
    with connection(dsn, directory, pg) as conn:
        cursor = cursors.dicts(conn)
        try:
            cursor.execute(source.statement("indexes").encode())
        except (errors.UndefinedTable, errors.InvalidSchemaName) as error:
            raise NotInstalled(
                "the database side of mrl_pg is not installed in this database: "
                "run `mrl-pg install`"
            ) from error
        rows = cursor.fetchall()
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    if not rows:
        typer.echo("no short columns yet: mrl-pg create TABLE COLUMN --dims 256")
        return
    _print_table(rows)


def _print_table(rows: list[dict[str, Any]]) -> None:
    heads = ("table", "full", "short", "distance", "index", "size", "rows", "state")
    columns = Counter((row["table_name"], row["full_column"]) for row in rows)
    lines = [
        (
            row["table_name"],
            f"{row['full_column']}({row['full_dims']})",
            f"{row['kind']}({row['dims']})",
            row["distance"],
            row["index_name"],
            f"{(row['index_bytes'] or 0) / 1e6:,.1f} MB",
            "?" if row["estimated_rows"] is None else f"{row['estimated_rows']:,}",
            _state(row, columns[row["table_name"], row["full_column"]] > 1),
        )
        for row in rows
    ]
    show(heads, lines)


def _state(row: dict[str, Any], several: bool) -> str:
    if not row["usable"]:
        return "missing or invalid"
    state = "usable" if row["kept_as"] == "generated" else f"usable, {row['kept_as']}"
    # what searches take that name no index
    if several and row["in_use"]:
        state += ", in use"
    return f"{state}, rotated by {row['rotation']}" if row["rotation"] else state
