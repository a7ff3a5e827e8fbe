"""`mrl-pg resize` and `mrl-pg switch`: another size or kind, and the one in use."""

import json
import sys
from dataclasses import asdict
from typing import Annotated, Any, cast

import typer

from mrl_pg.cli.create import Memory, Workers, watched
from mrl_pg.cli.describe import (
    Column,
    DistanceName,
    KeepName,
    KindName,
    Name,
    Short,
    Table,
    describe,
    split_table,
)
from mrl_pg.cli.options import PG_DEFAULT, Directory, Dsn, Json, Pg, connection
from mrl_pg.column import MatryoshkaColumn
from mrl_pg.errors import InvalidSetting
from mrl_pg.index import MatryoshkaIndex
from mrl_pg.kinds import Keep, Kind
from mrl_pg.resize.report import TARGETS, ResizedIndex, ResizeReport


def resize(
    table: Table,
    column: Column,
    dims: Annotated[
        int | None,
        typer.Option(
            "--dims",
            "-d",
            help="Dimensions of the new short vectors.  \\[default: as before]",
        ),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            "--kind",
            help="Type of the new short vectors: vector, halfvec or bit.  "
            "\\[default: as before]",
        ),
    ] = None,
    keep: KeepName = None,
    calibrate: Annotated[
        bool,
        typer.Option(help="Measure recall and time of both indexes."),
    ] = True,
    k: Annotated[
        int, typer.Option("--k", "-k", help="Rows in an answer, for the calibration.")
    ] = 10,
    sample: Annotated[
        int | None,
        typer.Option(
            help="Number of queries of the calibration.  "
            "\\[default: 500; for k 1 2,000]"
        ),
    ] = None,
    switch: Annotated[
        bool, typer.Option("--switch", help="Switch to the new index without asking.")
    ] = False,
    drop_old: Annotated[
        bool, typer.Option("--drop-old", help="Drop the old index after the switch.")
    ] = False,
    yes: Annotated[
        bool,
        typer.Option(
            "--yes",
            help="Answer every question with yes: switch, and allow a generated column "
            "that has the table's vector indexes built again.",
        ),
    ] = False,
    workers: Workers = None,
    memory: Memory = None,
    dsn: Dsn = None,
    directory: Directory = None,
    pg: Pg = PG_DEFAULT,
    as_json: Json = False,
) -> None:
    """Build another size or kind beside the index in use, measure both, and switch.

    Builds while others read and write, as `create` does. Calibrates both indexes with
    stored real queries, if there are any, else with random rows, and prints what they
    find, how long they take and how large they are. On a terminal it then asks whether
    to switch; otherwise it switches only with --switch. Searches that name no index
    use the new one from then on. The old one stays until --drop-old or `mrl-pg drop`.
    `mrl-pg switch` goes back.

    Example: mrl-pg resize docs embedding --dims 512 --switch
    """
    schema, bare = split_table(table)
    with connection(dsn, directory, pg) as conn:
        old = MatryoshkaColumn(bare, column, schema).index(conn)
        if drop_old and not (switch or yes or _may_ask(as_json)):
            raise InvalidSetting(
                "--drop-old without --switch: searches use the old index until then"
            )
        with watched(f"{old}") as watcher:
            report = old.resize(
                conn,
                dims=dims,
                # the class checks both, and its error names the choices
                kind=cast(Kind | None, kind),
                keep=cast(Keep | None, keep),
                calibrate=calibrate,
                k=k,
                sample=sample,
                switch=switch or yes,
                drop_old=drop_old and (switch or yes),
                rebuild=yes,
                workers=workers,
                maintenance_work_mem=memory,
                progress=watcher,
            )
        if not as_json:
            typer.echo(str(report))
        if not report.switched and _may_ask(as_json):
            new = cast(MatryoshkaIndex, report.new.layout)
            if typer.confirm("switch to the new index?", err=True):
                new.switch(conn)
                typer.echo(f"searches that name no index use {new.name} now")
                if drop_old:
                    typer.echo(str(old.drop(conn)))
    if as_json:
        typer.echo(json.dumps(as_dict(report), indent=2))


def switch(
    table: Table,
    column: Column,
    dims: Annotated[
        int | None,
        typer.Option("--dims", "-d", help="Dimensions of the short vectors."),
    ] = None,
    kind: KindName = "halfvec",
    distance: DistanceName = "cosine",
    short: Short = "",
    name: Name = "",
    to: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Another column of full vectors, those of another model: searches "
            "that bring a query for each column use it in place of COLUMN.",
        ),
    ] = None,
    allow_missing: Annotated[
        bool,
        typer.Option(
            "--allow-missing",
            help="With --to: although rows with an old vector have no new one.",
        ),
    ] = False,
    dsn: Dsn = None,
    directory: Directory = None,
    pg: Pg = PG_DEFAULT,
    as_json: Json = False,
) -> None:
    """Make an index, or the column of another model, the one in use from now on.

    With --dims: searches that name no index use that index. With --to: searches that
    bring a query for each column use the other column. Programs that run notice it at
    their next search. Nothing is locked or built. To go back, run it with the old
    index, or with both columns exchanged.

    Example: mrl-pg switch docs embedding --dims 256

    Example: mrl-pg switch docs embedding --to embedding_v2
    """
    if (dims is None) == (to is None):
        raise InvalidSetting(
            "switch to what? give either --dims of another index of the column, or "
            "--to with another column"
        )
    with connection(dsn, directory, pg) as conn:
        if to is not None:
            schema, bare = split_table(table)
            answers = MatryoshkaColumn(bare, column, schema).switch(
                conn, to, allow_missing=allow_missing
            )
            told = {"table": table, "column": column, "in_use": to, "index": answers}
            said = f"searches with a query for each column use {to} and {answers} now"
        elif dims is not None:
            index = describe(
                table, column, dims, kind, distance, short=short, name=name
            )
            index.switch(conn)
            told = _named(index)
            said = f"{index}: searches that name no index use {index.name} now"
    typer.echo(json.dumps(told, indent=2) if as_json else said)


def _may_ask(as_json: bool) -> bool:
    return sys.stdin.isatty() and not as_json


def _named(index: Any) -> dict[str, Any]:
    names = ("table", "column", "dims", "kind", "distance")
    return {name: getattr(index, name) for name in names} | {"index": index.name}


def as_dict(report: ResizeReport) -> dict[str, Any]:
    """A report as values for JSON."""
    return {
        "old": _index(report.old),
        "new": _index(report.new),
        "done": [{"step": step, "seconds": took} for step, took in report.build.done],
        "kept_as": report.build.kept_as,
        "why": report.build.why,
        "real_queries": report.real_queries,
        "switched": report.switched,
        "dropped": report.dropped is not None,
    }


def _index(one: ResizedIndex) -> dict[str, Any]:
    known = _named(one.layout) | {"index_bytes": one.index_bytes}
    if one.calibration is None:
        return known
    points = {target: one.calibration.cheapest(target) for target in TARGETS}
    return known | {
        "k": one.calibration.k,
        "queries": one.calibration.queries,
        "targets": {
            str(target): None if point is None else asdict(point)
            for target, point in points.items()
        },
    }
