"""`mrl-pg search`: the two-pass search from a shell."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table as Grid

from mrl_pg.cli.describe import (
    Column,
    Dims,
    DistanceName,
    KindName,
    Name,
    Short,
    Table,
    describe,
)
from mrl_pg.cli.options import PG_DEFAULT, Directory, Dsn, Json, Pg, connection
from mrl_pg.errors import InvalidFile
from mrl_pg.search import SearchResult

Query = Annotated[
    Path,
    typer.Option(
        "--query",
        "-q",
        metavar="FILE",
        help="The query vector: .npy, or a JSON list; - reads JSON from stdin.",
        allow_dash=True,
    ),
]
Where = Annotated[
    str | None,
    typer.Option(help="A condition in SQL; a literal percent sign is written %%."),
]


def search(
    table: Table,
    column: Column,
    dims: Dims,
    query: Query,
    kind: KindName = "halfvec",
    distance: DistanceName = "cosine",
    k: Annotated[int, typer.Option("-k", help="Rows to answer.")] = 10,
    candidates: Annotated[
        int | None,
        typer.Option(help="Rows re-ranked exactly.  [default: 160, or 8 k if more]"),
    ] = None,
    where: Where = None,
    columns: Annotated[
        str, typer.Option(help="Columns to show, comma separated.")
    ] = "",
    exact: Annotated[
        bool, typer.Option("--exact", help="Compare every row; use no index.")
    ] = False,
    short: Short = "",
    name: Name = "",
    dsn: Dsn = None,
    directory: Directory = None,
    pg: Pg = PG_DEFAULT,
    as_json: Json = False,
) -> None:
    """Find the k rows nearest to a vector in two passes, true distances first to last.

    Example: mrl-pg search docs embedding --dims 256 --query q.json --columns title
    """
    index = describe(table, column, dims, kind, distance, short=short, name=name)
    vector = read_query(query)
    with connection(dsn, directory, pg) as conn:
        result = index.search(
            conn,
            vector,
            k=k,
            candidates=candidates,
            where=where,
            columns=[part.strip() for part in columns.split(",") if part.strip()],
            exact=exact,
        )
    if as_json:
        typer.echo(json.dumps(as_dict(result), indent=2, default=str))
        return
    grid = Grid("key", "distance", *(result[0].columns if result else ()))
    for hit in result:
        values = (str(value) for value in hit.columns.values())
        grid.add_row(str(hit.key), f"{hit.distance:.4f}", *values)
    Console().print(grid)


def read_query(path: Path) -> Any:
    """The vector in a file; InvalidFile when it holds none."""
    try:
        if path.suffix == ".npy":
            return np.load(path, allow_pickle=False)
        return json.loads(sys.stdin.read() if str(path) == "-" else path.read_text())
    except (OSError, ValueError) as error:
        raise InvalidFile(
            f"{path} holds no query vector ({error}): give a .npy file or a JSON list "
            "of numbers"
        ) from error


def as_dict(result: SearchResult) -> dict[str, Any]:
    """A result as JSON takes it."""
    return {
        "hits": [
            {"key": hit.key, "distance": hit.distance, **hit.columns} for hit in result
        ],
        "k": result.k,
        "candidates": result.candidates,
        "seen": result.seen,
        "ef_search": result.ef_search,
        "scan": result.scan,
        "cut_short": result.cut_short,
    }
