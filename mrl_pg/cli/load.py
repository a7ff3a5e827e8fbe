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
from mrl_pg.exchange.progress import OnProgress, Progress
from mrl_pg.load import load as load_file

FILE = "What is in the file"
"""Panel of `--help` for options about the file."""


class Kind(str, Enum):
    """Words of --type."""

    vector = "vector"
    halfvec = "halfvec"


class Bytes(str, Enum):
    """Words of --vector-bytes."""

    float16 = "float16"
    float32 = "float32"
    float64 = "float64"
    float16be = "float16be"
    float32be = "float32be"
    float64be = "float64be"
    int8 = "int8"


class StoragePlace(str, Enum):
    """Words of --storage."""

    plain = "plain"
    external = "external"
    extended = "extended"
    main = "main"


def load(
    file: Annotated[
        Path,
        typer.Argument(
            help="A .npy, .npz, .jsonl, .json, .csv, .tsv, .parquet or .arrow file; "
            "JSON and CSV also with .gz, .bz2 or .xz behind the name."
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
        str,
        typer.Option(
            help="Where the file has the vectors: a column, a matrix of an .npz, a "
            "path into JSON (data.0.embedding), or a pattern of columns "
            "with one number each ('dim_*'). The table's column has the same name, the "
            "last one of a path, or embedding for a pattern.",
            rich_help_panel=FILE,
        ),
    ] = "embedding",
    key: Annotated[
        str,
        typer.Option(
            help="Primary key of a new table: a column of the file or a path into its "
            "JSON, else one that counts up."
        ),
    ] = "id",
    into: Annotated[
        str | None,
        typer.Option(help="The table's column of vectors, if it is called otherwise."),
    ] = None,
    columns: Annotated[
        str,
        typer.Option(
            help="Columns to load beside vectors and key, comma separated: names, "
            "patterns ('meta_*') or paths into JSON.  \\[default: all]",
            rich_help_panel=FILE,
            show_default=False,
        ),
    ] = "",
    skip: Annotated[
        str,
        typer.Option(
            help="Columns to leave out, comma separated: names or patterns.",
            rich_help_panel=FILE,
            show_default=False,
        ),
    ] = "",
    vector_bytes: Annotated[
        Bytes | None,
        typer.Option(
            metavar="TYPE",
            help="The vectors are raw bytes, or base64 text of them: float16, float32, "
            "float64 or int8, little-endian; float32be and so on are big-endian.",
            rich_help_panel=FILE,
        ),
    ] = None,
    delimiter: Annotated[
        str | None,
        typer.Option(
            help="Between the fields of a CSV file.  "
            "\\[default: a comma; a tab in .tsv]",
            rich_help_panel=FILE,
            show_default=False,
        ),
    ] = None,
    header: Annotated[
        bool,
        typer.Option(
            help="Whether the first line of a CSV file names the columns; else they "
            "are c1, c2, …",
            rich_help_panel=FILE,
        ),
    ] = True,
    encoding: Annotated[
        str | None,
        typer.Option(
            help="Of a text file, such as latin-1.  \\[default: UTF-8, or what its "
            "byte order mark says]",
            rich_help_panel=FILE,
            show_default=False,
        ),
    ] = None,
    kind: Annotated[
        Kind,
        typer.Option("--type", help="Type of the vectors in a new table."),
    ] = Kind.vector,
    storage: Annotated[
        StoragePlace | None,
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

    \b
    in the file          in a new table        loads into columns of type
    whole numbers        bigint, numeric       all numbers, text
    floats, decimals     double, numeric       all numbers, text
    text                 text                  any that reads its text: enum, inet …
    times, dates         timestamp(tz), date   timestamp, timestamptz, date, text
    time of day          time                  time, text
    durations            interval              interval, text
    bytes                bytea                 bytea, uuid (16 bytes), text
    lists                arrays, JSON: jsonb   arrays, json, jsonb, text
    structs, objects     jsonb                 json, jsonb, text

    docs/load.md has the whole table.
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
            into=into,
            columns=split_names(columns),
            skip=split_names(skip),
            vector_bytes=vector_bytes.value if vector_bytes else None,
            delimiter="\t" if delimiter in ("\\t", "tab") else delimiter,
            header=header,
            encoding=encoding,
            kind=kind.value,
            storage=storage.value if storage else None,
            progress=progress,
        )
    typer.echo(json.dumps(asdict(report), indent=2) if as_json else str(report))


def split_names(text: str) -> list[str]:
    """Names or patterns between commas."""
    return [part.strip() for part in text.split(",") if part.strip()]


@contextmanager
def watched(file: Path) -> Iterator[OnProgress]:
    """A progress bar with the rate of the file, and what the loader moves it with."""
    size = file.stat().st_size / 1e6 if file.is_file() else 0.0
    started = perf_counter()
    rate = TextColumn("{task.completed:,.0f} rows  {task.fields[rate]:.1f} MB/s")
    with bar(file.name, rate, TimeRemainingColumn(), rate=0.0) as update:

        def report(progress: Progress) -> None:
            rows, total = progress.done, progress.total
            share = rows / total if total else 0.0
            seconds = max(perf_counter() - started, 1e-9)
            update(completed=rows, total=total, rate=size * share / seconds)

        yield report
