"""`mrl-pg load`: vectors from a file into a table, as new rows or by key."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from enum import Enum
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

import typer
from rich.progress import TextColumn, TimeRemainingColumn

from mrl_pg.arguments import split_table
from mrl_pg.cli.bar import bar
from mrl_pg.cli.embedding import (
    TEXTS,
    Confirmation,
    Embed,
    EmbedDims,
    EmbedUrl,
    ModelName,
    ProjectionFile,
    RequestsPerMinute,
    refuse_without_model,
)
from mrl_pg.cli.options import PG_DEFAULT, Directory, Dsn, Json, Pg, connection
from mrl_pg.embed import embedder, load_texts, update_texts
from mrl_pg.errors import InvalidFile, InvalidSetting
from mrl_pg.exchange.progress import OnProgress, Progress
from mrl_pg.load import LoadReport, UpdateReport, update
from mrl_pg.load import load as load_file
from mrl_pg.load.update_report import NONE
from mrl_pg.rotation import Rotation

FILE = "What is in the file"
"""Panel of `--help` with the options about the file."""

TRY_AGAIN = 10
"""Exit code of an update that only rows of other transactions kept from its end."""

UPDATE = "Rows that are there"
"""Panel of `--help` with the options of an update by key."""


class Kind(str, Enum):
    """Values of --type."""

    vector = "vector"
    halfvec = "halfvec"


class Bytes(str, Enum):
    """Values of --vector-bytes."""

    float16 = "float16"
    float32 = "float32"
    float64 = "float64"
    float16be = "float16be"
    float32be = "float32be"
    float64be = "float64be"
    int8 = "int8"


class StoragePlace(str, Enum):
    """Values of --storage."""

    plain = "plain"
    external = "external"
    extended = "extended"
    main = "main"


def load(
    file: Annotated[
        Path,
        typer.Argument(
            help="A .npy, .npz, .jsonl, .json, .csv, .tsv, .parquet or .arrow file; "
            "JSON and CSV files may also end in .gz, .bz2 or .xz."
        ),
    ],
    table: Annotated[
        str,
        typer.Argument(
            metavar="TABLE",
            help="Table to create or append to: docs, schema.docs, or quoted as in SQL "
            "if a name contains a dot. Capital letters stay.",
        ),
    ],
    column: Annotated[
        str,
        typer.Argument(
            metavar="COLUMN", help="The table's column of vectors, such as embedding."
        ),
    ],
    vectors: Annotated[
        str | None,
        typer.Option(
            help="Where the file has the vectors: a column, a matrix of an .npz, a "
            "path into JSON (data.0.embedding), or a pattern of columns "
            "with one number each ('dim_*').  \\[default: COLUMN]",
            rich_help_panel=FILE,
            show_default=False,
        ),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(
            help="Primary key of a new table: a column of the file or a path into its "
            "JSON. Without such a column, the server numbers the rows. With --update, "
            "the columns that find a row, comma separated.  "
            "\\[default: id; with --update the primary key]",
            show_default=False,
        ),
    ] = None,
    by_key: Annotated[
        bool,
        typer.Option(
            "--update",
            help="Write the vectors into rows that are there, found by their key.",
            rich_help_panel=UPDATE,
        ),
    ] = False,
    add_column: Annotated[
        bool,
        typer.Option(
            "--add-column",
            help="With --update: add the column if the table does not have it.",
            rich_help_panel=UPDATE,
        ),
    ] = False,
    only_missing: Annotated[
        bool,
        typer.Option(
            "--only-missing",
            help="With --update: leave rows alone that have a vector in the column.",
            rich_help_panel=UPDATE,
        ),
    ] = False,
    columns: Annotated[
        str,
        typer.Option(
            help="Columns to load with vectors and key, comma separated: names, "
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
            help="Number type of vectors that are raw bytes or base64 text: float16, "
            "float32, float64 or int8 (little-endian), float32be … (big-endian).",
            rich_help_panel=FILE,
        ),
    ] = None,
    delimiter: Annotated[
        str | None,
        typer.Option(
            help="Character between the fields of a CSV file.  "
            "\\[default: a comma; a tab in .tsv]",
            rich_help_panel=FILE,
            show_default=False,
        ),
    ] = None,
    header: Annotated[
        bool,
        typer.Option(
            help="Whether the first line of a CSV file names the columns. If not, the "
            "names are c1, c2, …",
            rich_help_panel=FILE,
        ),
    ] = True,
    encoding: Annotated[
        str | None,
        typer.Option(
            help="Encoding of a text file, such as latin-1.  \\[default: that of the "
            "byte order mark, else UTF-8]",
            rich_help_panel=FILE,
            show_default=False,
        ),
    ] = None,
    kind: Annotated[
        Kind,
        typer.Option("--type", help="Type of the vectors in a new table or column."),
    ] = Kind.vector,
    embed: Embed = None,
    text: Annotated[
        str,
        typer.Option(
            "--text",
            metavar="COLUMNS",
            help="With --embed: the columns of the file with the texts, comma "
            "separated. Several are joined by line breaks.",
            rich_help_panel=TEXTS,
        ),
    ] = "text",
    model: ModelName = None,
    embed_dims: EmbedDims = None,
    embed_url: EmbedUrl = None,
    projection: ProjectionFile = None,
    requests_per_minute: RequestsPerMinute = None,
    store: Annotated[
        Path | None,
        typer.Option(
            "--store",
            metavar="FILE",
            help="With --embed: where the vectors are kept until the rows are loaded, "
            "so that the same command goes on after an interruption.  "
            "\\[default: beside the texts]",
            rich_help_panel=TEXTS,
            show_default=False,
        ),
    ] = None,
    price: Annotated[
        float | None,
        typer.Option(
            "--price",
            help="Dollars for a million tokens, for the cost that is told first.",
            rich_help_panel=TEXTS,
            show_default=False,
        ),
    ] = None,
    yes: Annotated[
        bool,
        typer.Option(
            "--yes",
            "-y",
            help="Do not ask before texts are sent to a hosted model.",
            rich_help_panel=TEXTS,
        ),
    ] = False,
    storage: Annotated[
        StoragePlace | None,
        typer.Option(
            help="Where a new table stores the vectors. plain stores them in the row, "
            "which makes the second pass faster: at most 2023 numbers (halfvec 4046)."
        ),
    ] = None,
    rotation: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Rotate the vectors by this file of `mrl-pg rotate --fit-only`, and "
            "keep the rotation with the column. A column that is rotated already needs "
            "no option.",
            show_default=False,
        ),
    ] = None,
    dsn: Dsn = None,
    directory: Directory = None,
    pg: Pg = PG_DEFAULT,
    as_json: Json = False,
) -> None:
    """Load vectors and other columns from a file into a table.

    If the table does not exist, it is created, with types from the file's first rows.
    Either all rows are loaded, or none, and the error names the bad rows.

    Example: mrl-pg load articles.parquet docs embedding

    --update writes vectors into rows that are there, in batches that each commit. Bad
    rows of the file are refused before anything changes. After an interruption, run it
    again: rows that hold the same vector are not written. Exit code 2: some keys have
    no row, or the server refused some rows. 10: others held some rows.

    Example: mrl-pg load vectors.parquet docs embedding_v2 --vectors embedding --update

    --embed turns the texts of the file into vectors first. For a hosted model it tells
    the cost, and asks at a terminal. If interrupted, run it again: no text is embedded
    twice.

    Example: mrl-pg load a.jsonl docs embedding --embed openai:text-embedding-3-small

    \b
    in the file          in a new table        loads into columns of type
    whole numbers        bigint, numeric       all numbers, text
    floats, decimals     double, numeric       all numbers, text
    text                 text                  types read from text: enum, inet …
    times, dates         timestamp(tz), date   timestamp, timestamptz, date, text
    time of day          time                  time, text
    durations            interval              interval, text
    bytes                bytea                 bytea, uuid (16 bytes), text
    lists                arrays, JSON: jsonb   arrays, json, jsonb, text
    structs, objects     jsonb                 json, jsonb, text

    docs/load.md has the full table.
    """
    schema, name = split_table(table)
    shared: dict[str, Any] = {
        "schema": schema or None,
        "column": column,
        "delimiter": "\t" if delimiter in ("\\t", "tab") else delimiter,
        "header": header,
        "encoding": encoding,
        "kind": kind.value,
    }
    of_vectors = {
        "vectors": vectors,
        "vector_bytes": vector_bytes.value if vector_bytes else None,
    }
    of_texts = {"store": store, "price": price}
    asked: dict[str, Any] = {
        "name": model,
        "dims": embed_dims,
        "url": embed_url,
        "projection": projection,
        "requests_per_minute": requests_per_minute,
    }
    if embed is None:
        refuse_without_model({**asked, **of_texts})
        shared |= of_vectors
    else:
        for option in (o for o, value in of_vectors.items() if value is not None):
            raise InvalidSetting(
                f"--{option.replace('_', '-')} is for a file with vectors: leave it "
                "out, or --embed"
            )
        chosen = embedder(embed, **asked)
        confirm = Confirmation(yes=yes) if chosen.hosted else None
        shared |= {"embedder": chosen, "text": split_names(text), "confirm": confirm}
        shared |= of_texts
    if by_key:
        given: dict[str, object] = {
            "--columns": columns,
            "--skip": skip,
            "--storage": storage,
            "--rotation": rotation,
        }
        for option in (option for option, value in given.items() if value):
            raise InvalidSetting(f"{option} is not for --update: leave it out")
        write: Callable[..., UpdateReport] = update if embed is None else update_texts
        with connection(dsn, directory, pg) as conn, watched(file) as progress:
            updated = write(
                conn,
                file,
                name,
                key=None if key is None else split_names(key),
                add_column=add_column,
                only_missing=only_missing,
                progress=progress,
                **shared,
            )
        typer.echo(json.dumps(asdict(updated), indent=2) if as_json else str(updated))
        if not updated.complete:
            rest = replace(updated, held=NONE)
            raise typer.Exit(TRY_AGAIN if rest.complete else InvalidFile.exit_code)
        return
    for option, flagged in (
        ("--add-column", add_column),
        ("--only-missing", only_missing),
    ):
        if flagged:
            raise InvalidSetting(f"{option} is for --update: add --update")
    read: Callable[..., LoadReport] = load_file if embed is None else load_texts
    # so that the model, or the rotation, is recorded
    installs = embed is not None or rotation is not None
    with (
        connection(dsn, directory, pg, installs=installs) as conn,
        watched(file) as progress,
    ):
        report = read(
            conn,
            file,
            name,
            key="id" if key is None else key,
            columns=split_names(columns),
            skip=split_names(skip),
            storage=storage.value if storage else None,
            rotation=None if rotation is None else Rotation.read(rotation),
            progress=progress,
            **shared,
        )
    typer.echo(json.dumps(asdict(report), indent=2) if as_json else str(report))


def split_names(text: str) -> list[str]:
    """The names or patterns between the commas of an option."""
    return [part.strip() for part in text.split(",") if part.strip()]


@contextmanager
def watched(file: Path) -> Iterator[OnProgress]:
    """A progress bar with rows and MB per second, as a function that the load calls."""
    size = file.stat().st_size / 1e6 if file.is_file() else 0.0
    rate = TextColumn("{task.completed:,.0f} rows  {task.fields[rate]:.1f} MB/s")
    with bar(file.name, rate, TimeRemainingColumn(), rate=0.0) as show:
        started, stage = perf_counter(), ""

        def report(progress: Progress) -> None:
            nonlocal started, stage
            if progress.stage.partition(" (")[0] != stage:
                started, stage = perf_counter(), progress.stage.partition(" (")[0]
            rows, total = progress.done, progress.total
            share = rows / total if total else 0.0
            seconds = max(perf_counter() - started, 1e-9)
            title = f"{file.name}: {progress.stage}"
            show(
                description=title,
                completed=rows,
                total=total,
                rate=size * share / seconds,
            )

        yield report
