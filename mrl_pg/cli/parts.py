"""`mrl-pg parts`: tables that are partitioned by the likeness of their vectors."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, cast

import typer

from mrl_pg.arguments import split_table
from mrl_pg.build.parts import PART_COLUMN, PARTS, SAMPLE, PartState
from mrl_pg.cli.commands import Command, Group
from mrl_pg.cli.create import watched
from mrl_pg.cli.describe import Column, KnownDistance, QueryFile, Table
from mrl_pg.cli.options import PG_DEFAULT, Directory, Dsn, Json, Pg, connection, say
from mrl_pg.cli.rows import show
from mrl_pg.cli.search import read_queries
from mrl_pg.column import MatryoshkaColumn
from mrl_pg.errors import InvalidSetting
from mrl_pg.kinds import Distance

app = typer.Typer(cls=Group, no_args_is_help=True)


@app.callback()
def _about() -> None:
    """Partitions by likeness, so that a search reads only those near its query.

    `make` copies a table into one that is partitioned. Build an index on the copy with
    `mrl-pg create`, and search it with `mrl-pg search --probes 8`, or `probes=8`.
    `mrl-pg parts recall` measures what such searches find. docs/parts.md says
    when this is worth it, which is seldom.
    """


@app.command(cls=Command)
def make(
    table: Table,
    column: Column,
    to: Annotated[
        str,
        typer.Option(
            metavar="TABLE",
            help="The new table, in the schema of TABLE.",
            show_default=False,
        ),
    ],
    parts: Annotated[int, typer.Option(help="Parts of the new table.")] = PARTS,
    centres: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Centres of your own, one per row: .npy, JSON, …  "
            "\\[default: k-means on a sample]",
            show_default=False,
        ),
    ] = None,
    sample: Annotated[
        int, typer.Option(help="Random rows on which the centres are found.")
    ] = SAMPLE,
    part_column: Annotated[
        str, typer.Option(help="Name of the column with the number of the part.")
    ] = PART_COLUMN,
    distance: KnownDistance = None,
    dsn: Dsn = None,
    directory: Directory = None,
    pg: Pg = PG_DEFAULT,
    as_json: Json = False,
) -> None:
    """Copy a table into one that is partitioned by the likeness of its vectors.

    TABLE stays as it is. Rows that others write to it meanwhile are not copied. The
    copy has no index but its primary key, to which the number of the part belongs, and
    no trigger, policy, right or foreign key. K-means needs scikit-learn: pip install
    'mrl_pg[parts]'.

    Example: mrl-pg parts make docs embedding --to docs_parts --parts 64
    """
    place = _place(table, column)
    given = read_queries(centres, column)
    with (
        connection(dsn, directory, pg, installs=True) as conn,
        watched(f"{place}") as progress,
    ):
        report = place.make_parts(
            conn,
            to,
            parts=parts,
            centres=given,
            sample=sample,
            part_column=part_column,
            distance=cast("Distance | None", distance),
            progress=progress,
        )
    typer.echo(json.dumps(asdict(report), indent=2) if as_json else str(report))


@app.command("show", cls=Command)
def show_(
    table: Table,
    column: Column,
    sample: Annotated[
        int,
        typer.Option(help="Random rows to compare with the centres; 0 reads no row."),
    ] = 0,
    dsn: Dsn = None,
    directory: Directory = None,
    pg: Pg = PG_DEFAULT,
    as_json: Json = False,
) -> None:
    """List the partitions: rows, size, and rows that belong to another part.

    Part 0 holds rows whose part nobody computed; every search reads it.

    Example: mrl-pg parts show docs_parts embedding --sample 1000
    """
    with connection(dsn, directory, pg) as conn:
        states = _place(table, column).parts(conn, sample=sample)
    if as_json:
        typer.echo(json.dumps([asdict(state) for state in states], indent=2))
        return
    heads = ("part", "partition", "rows", "size", "misplaced")
    show(heads, [_line(state) for state in states])
    elsewhere = [s for s in states if s.misplaced or (not s.part and s.rows > 0)]
    if elsewhere:
        say(f"some rows are in another part: mrl-pg parts route {table} {column}")


@app.command(cls=Command)
def recall(
    table: Table,
    column: Column,
    probes: Annotated[
        str,
        typer.Option(
            metavar="NUMBERS",
            help="Numbers of probes, comma separated.  \\[default: 1,2,4,…]",
            show_default=False,
        ),
    ] = "",
    k: Annotated[int, typer.Option("--k", "-k", help="Rows in an answer.")] = 10,
    candidates: Annotated[
        int | None,
        typer.Option(help="Candidates.  \\[default: 160, or 8 k if more]"),
    ] = None,
    ef_search: Annotated[
        int | None,
        typer.Option(help="ef_search in each part.  \\[default: candidates]"),
    ] = None,
    sample: Annotated[
        int, typer.Option(help="Random rows that stand in for queries.")
    ] = 50,
    queries: QueryFile = None,
    dsn: Dsn = None,
    directory: Directory = None,
    pg: Pg = PG_DEFAULT,
    as_json: Json = False,
) -> None:
    """Measure what searches of few and many parts find, to choose --probes.

    Each query is searched for exactly, which reads every row, and once for each number
    of probes. Rows are easier to find than the queries of your users: give these.

    Example: mrl-pg parts recall docs_parts embedding --probes 1,4,16 --queries q.npy
    """
    place = _place(table, column)
    given = read_queries(queries, column)
    with connection(dsn, directory, pg) as conn, watched(f"{place}") as progress:
        curve = place.probe_curve(
            conn,
            probes=_numbers(probes),
            k=k,
            candidates=candidates,
            ef_search=ef_search,
            sample=sample,
            queries=given,
            progress=progress,
        )
    typer.echo(json.dumps(asdict(curve), indent=2) if as_json else str(curve))


@app.command(cls=Command)
def route(
    table: Table,
    column: Column,
    dsn: Dsn = None,
    directory: Directory = None,
    pg: Pg = PG_DEFAULT,
) -> None:
    """Move each row to the part that its vector says.

    After rows were written by statements that did not compute their part, as
    mrl.part_of does. `upsert` and `mrl-pg load` compute it themselves.

    Example: mrl-pg parts route docs_parts embedding
    """
    place = _place(table, column)
    with connection(dsn, directory, pg) as conn, watched(f"{place}") as progress:
        moved = place.route_rows(conn, progress=progress)
    typer.echo(f"moved {moved:,} rows")


@app.command(cls=Command)
def drop(
    table: Table,
    column: Column,
    dsn: Dsn = None,
    directory: Directory = None,
    pg: Pg = PG_DEFAULT,
) -> None:
    """Forget the centres. The table and its partitions stay.

    Example: mrl-pg parts drop docs_parts embedding
    """
    with connection(dsn, directory, pg) as conn:
        _place(table, column).set_parts(conn, None)
    typer.echo(f"{table}: the centres are forgotten; its partitions stay")


def _numbers(text: str) -> list[int] | None:
    """`1,4,16` as numbers; None for nothing. Raises InvalidSetting."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    for part in parts:
        if not part.isdecimal():
            raise InvalidSetting(f"--probes {part} is no number: give 1,4,16")
    return [int(part) for part in parts] or None


def _place(table: str, column: str) -> MatryoshkaColumn:
    schema, bare = split_table(table)
    return MatryoshkaColumn(bare, column, schema)


def _line(state: PartState) -> tuple[str, ...]:
    compared = f"{state.misplaced} of {state.compared}" if state.compared else "-"
    return (
        str(state.part),
        state.partition,
        "?" if state.rows < 0 else f"{state.rows:,}",
        f"{state.bytes / 1e6:,.1f} MB",
        compared,
    )
