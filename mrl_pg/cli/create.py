"""`mrl-pg create` and `mrl-pg drop`: a short column and its index."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, cast

import typer

from mrl_pg.build.preflight import Preflight
from mrl_pg.build.report import BuildReport
from mrl_pg.cli.bar import bar
from mrl_pg.cli.describe import (
    Column,
    Dims,
    DistanceName,
    EfConstruction,
    GraphName,
    KeepName,
    KindName,
    KnownDims,
    KnownDistance,
    KnownKind,
    M,
    Meant,
    Name,
    Short,
    Table,
    describe,
    graph,
)
from mrl_pg.cli.options import PG_DEFAULT, Directory, Dsn, Json, Pg, connection, say
from mrl_pg.exchange.progress import OnProgress, Progress
from mrl_pg.kinds import Keep

Workers = Annotated[
    int | None,
    typer.Option(help="Parallel workers for the build.  \\[default: the server's]"),
]
Memory = Annotated[
    str | None,
    typer.Option(
        "--maintenance-work-mem",
        metavar="SIZE",
        help="Memory for the build, such as 2GB. If the graph does not fit, the build "
        "is several times slower.  \\[default: the server's]",
    ),
]


def create(
    table: Table,
    column: Column,
    dims: Dims,
    kind: KindName = "halfvec",
    distance: DistanceName = "cosine",
    m: M = 16,
    ef_construction: EfConstruction = 64,
    graph_name: GraphName = None,
    short: Short = "",
    name: Name = "",
    keep: KeepName = None,
    yes: Annotated[
        bool,
        typer.Option(
            "--yes",
            help="Allow a generated column that has the table's vector indexes built "
            "again.",
        ),
    ] = False,
    workers: Workers = None,
    memory: Memory = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Print what the build would do and need, and change nothing.",
        ),
    ] = False,
    dsn: Dsn = None,
    directory: Directory = None,
    pg: Pg = PG_DEFAULT,
    as_json: Json = False,
) -> None:
    """Give a table an index of short vectors.

    A generated column rewrites the table under an ACCESS EXCLUSIVE lock, so that
    nobody can read or write the table meanwhile. An expression index, and a column
    that a trigger fills, are made while others read and write. The command is safe to
    repeat, because it does only what is missing.

    `--dry-run` prints each statement with its lock, and what the build needs of disk,
    memory, workers and time. On a terminal, a short form is printed before each build.

    Example: mrl-pg create docs embedding --dims 256 --kind halfvec
    """
    built = graph(graph_name, m, ef_construction)
    index = describe(
        table,
        column,
        dims,
        kind,
        distance,
        built.m,
        built.ef_construction,
        short,
        name,
        keep,
    )
    installs = not dry_run
    with connection(dsn, directory, pg, installs=installs) as conn:
        told: Preflight | None = None
        if dry_run or as_json or sys.stderr.isatty():
            told = index.preflight(
                conn, rebuild=yes, workers=workers, maintenance_work_mem=memory
            )
        if dry_run and told is not None:
            typer.echo(json.dumps(told.as_dict(), indent=2) if as_json else str(told))
            return
        if told is not None and sys.stderr.isatty():
            for sentence in told.short():
                say(sentence)
        with watched(f"{index}") as watcher:
            report = index.create(
                conn,
                rebuild=yes,
                workers=workers,
                maintenance_work_mem=memory,
                progress=watcher,
            )
    _print(report, as_json, told)


def keep_as(
    table: Table,
    column: Column,
    keep: Annotated[
        str,
        typer.Argument(
            metavar="HOW", help="expression, trigger or generated, as --keep of create."
        ),
    ],
    dims: KnownDims = None,
    kind: KnownKind = None,
    distance: KnownDistance = None,
    short: Short = "",
    name: Name = "",
    yes: Annotated[
        bool,
        typer.Option(
            "--yes",
            help="Allow a generated column that has the table's vector indexes built "
            "again.",
        ),
    ] = False,
    dsn: Dsn = None,
    directory: Directory = None,
    pg: Pg = PG_DEFAULT,
    as_json: Json = False,
) -> None:
    """Turn an index on an expression into a column with an index, or back.

    The new index is built beside the old one, while others read and write. Then both
    exchange their names, and the old one is dropped. Calibrations stay. The command is
    safe to repeat.

    Example: mrl-pg keep-as docs embedding trigger --dims 256
    """
    meant = Meant(table, column, dims, kind, distance, short, name)
    with connection(dsn, directory, pg) as conn:
        index = meant.index(conn, only=True)
        with watched(f"{index}") as watcher:
            # the verb checks the name
            how = cast("Keep", keep)
            report = index.keep_as(conn, how, rebuild=yes, progress=watcher)
    _print(report, as_json)


def drop(
    table: Table,
    column: Column,
    dims: KnownDims = None,
    kind: KnownKind = None,
    distance: KnownDistance = None,
    short: Short = "",
    name: Name = "",
    dsn: Dsn = None,
    directory: Directory = None,
    pg: Pg = PG_DEFAULT,
    as_json: Json = False,
) -> None:
    """Drop a short column and its index, which `create` made. Full vectors stay.

    Example: mrl-pg drop docs embedding --dims 256 --kind halfvec
    """
    meant = Meant(table, column, dims, kind, distance, short, name)
    with connection(dsn, directory, pg) as conn:
        _print(meant.index(conn, only=True).drop(conn), as_json)


@contextmanager
def watched(title: str) -> Iterator[OnProgress]:
    """A progress bar for a build, as a function that the build calls."""
    with bar(f"{title}: building") as update:

        def watch(progress: Progress) -> None:
            update(
                description=f"{title}: {progress.stage}",
                completed=progress.done,
                total=progress.total or None,
            )

        yield watch


def _print(report: BuildReport, as_json: bool, told: Preflight | None = None) -> None:
    if not as_json:
        typer.echo(str(report))
        return
    layout = report.layout
    facts: dict[str, object] = {
        "table": layout.table,
        "column": layout.column,
        "short": layout.short,
        "index": layout.name,
        "dims": layout.dims,
        "kind": layout.kind,
        "distance": layout.distance,
        "changed": report.changed,
        "done": [{"step": step, "seconds": took} for step, took in report.done],
        "index_bytes": report.index_bytes,
        "rows": report.rows,
        "kept_as": report.kept_as,
        "why": report.why,
        "recall": report.recall,
        "waited": report.waited,
        "waited_seconds": report.waited_seconds,
    }
    if told is not None:
        facts["preflight"] = told.as_dict()
    typer.echo(json.dumps(facts, indent=2))
