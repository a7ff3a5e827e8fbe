"""`mrl-pg load`: vectors from a file into a table."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from enum import Enum
from pathlib import Path
from time import perf_counter
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from mrl_pg.cli.options import PG_DEFAULT, Directory, Dsn, Json, Pg, connection
from mrl_pg.errors import InvalidSetting
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
    schema, name = split_name(table)
    with connection(dsn, directory, pg) as conn, bar(file) as progress:
        report = load_file(
            conn,
            file,
            name,
            schema=schema,
            column=column,
            key=key,
            kind=kind.value,
            storage=storage.value if storage else None,
            progress=progress,
        )
    typer.echo(json.dumps(asdict(report), indent=2) if as_json else str(report))


def split_name(text: str) -> tuple[str | None, str]:
    """Schema and table of `docs`, `schema.docs` or `"a.b"."c"`; capitals are kept."""
    part = r'"((?:[^"]|"")+)"|([^".]+)'
    match = re.fullmatch(rf"(?:(?:{part})\.)?(?:{part})", text)
    if match is None:
        raise InvalidSetting(
            f"--table {text!r} is not a name: write docs, schema.docs, or quote "
            'each part as in SQL: \'"my.schema"."my table"\''
        )
    names = [
        quoted.replace('""', '"') if quoted else plain
        for quoted, plain in (match.group(1, 2), match.group(3, 4))
    ]
    return names[0], names[1]


@contextmanager
def bar(file: Path) -> Iterator[Report]:
    """A progress bar on stderr if somebody looks, and what keeps it going."""
    console = Console(stderr=True)
    size = file.stat().st_size / 1e6 if file.is_file() else 0.0
    started = perf_counter()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} rows  {task.fields[rate]:.1f} MB/s"),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as shown:
        task = shown.add_task(file.name, total=None, rate=0.0)

        def report(rows: int, total: int | None) -> None:
            share = rows / total if total else 0.0
            rate = size * share / max(perf_counter() - started, 1e-9)
            shown.update(task, completed=rows, total=total, rate=rate)

        yield report
