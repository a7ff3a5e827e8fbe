"""`mrl-pg load`: vectors from a file into a table."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from enum import Enum
from pathlib import Path
from time import perf_counter
from typing import Annotated

import typer
from rich.progress import TextColumn, TimeRemainingColumn

from mrl_pg.cli.bar import bar
from mrl_pg.cli.describe import split_table
from mrl_pg.cli.options import PG_DEFAULT, Directory, Dsn, Json, Pg, connection
from mrl_pg.load import load as load_file
from mrl_pg.load.loader import Progress as Report


class Kind(str, Enum):
    """Words of --type."""

    vector = "vector"
    halfvec = "halfvec"


class Place(str, Enum):
    """Words of --storage."""

    plain = "plain"
    external = "external"
    extended = "extended"
    main = "main"


def load(
    file: Annotated[
        Path,
        typer.Argument(
            help="A .npy, .npz, .jsonl, .csv or .parquet file; .gz after the two "
            "text formats."
        ),
    ],
    table: Annotated[
        str,
        typer.Option(
            help="Table to make or append to: docs, schema.docs, or quoted as in SQL "
            "when a name holds a dot. Capitals are kept.",
        ),
    ],
    column: Annotated[
        str, typer.Option(help="Column of the vectors, in the file and the table.")
    ] = "embedding",
    key: Annotated[
        str,
        typer.Option(
            help="Primary key of a new table: a column of the file, else one that "
            "counts up."
        ),
    ] = "id",
    kind: Annotated[
        Kind,
        typer.Option("--type", help="Type of the vectors in a new table."),
    ] = Kind.vector,
    storage: Annotated[
        Place | None,
        typer.Option(
            help="Where a new table keeps the vectors; plain, in the row, makes the "
            "second pass faster and takes up to 2023 numbers (halfvec 4046)."
        ),
    ] = None,
    dsn: Dsn = None,
    directory: Directory = None,
    pg: Pg = PG_DEFAULT,
    as_json: Json = False,
) -> None:
    """Load vectors and the columns beside them from a file into a table.

    The table is made if it does not exist, with types from the file's first rows.
    All rows are loaded or, after an error that names the bad ones, none.

    Example: mrl-pg load articles.parquet --table docs --column embedding
    """
    schema, name = split_table(table)
    with connection(dsn, directory, pg) as conn, watched(file) as progress:
        report = load_file(
            conn,
            file,
            name,
            schema=schema or None,
            column=column,
            key=key,
            kind=kind.value,
            storage=storage.value if storage else None,
            progress=progress,
        )
    typer.echo(json.dumps(asdict(report), indent=2) if as_json else str(report))


@contextmanager
def watched(file: Path) -> Iterator[Report]:
    """A progress bar with the rate of the file, and what the loader moves it with."""
    size = file.stat().st_size / 1e6 if file.is_file() else 0.0
    started = perf_counter()
    rate = TextColumn("{task.completed:,.0f} rows  {task.fields[rate]:.1f} MB/s")
    with bar(file.name, rate, TimeRemainingColumn(), rate=0.0) as update:

        def report(rows: int, total: int | None) -> None:
            share = rows / total if total else 0.0
            seconds = max(perf_counter() - started, 1e-9)
            update(completed=rows, total=total, rate=size * share / seconds)

        yield report
