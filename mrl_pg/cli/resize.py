"""`mrl-pg resize`: another size or kind, built and measured beside the one in use."""

import json
import shlex
import sys
from collections.abc import Iterable
from dataclasses import asdict
from typing import Annotated, Any, cast

import typer

from mrl_pg.arguments import split_table
from mrl_pg.build.status import IndexStatus, status
from mrl_pg.cli.create import Memory, Workers, watched
from mrl_pg.cli.describe import (
    Column,
    KeepName,
    Table,
)
from mrl_pg.cli.options import PG_DEFAULT, Directory, Dsn, Json, Pg, connection
from mrl_pg.cli.switch import named
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
    `mrl-pg switch` goes back. If a run breaks off, run it again.

    Example: mrl-pg resize docs embedding --dims 512 --switch
    """
    schema, bare = split_table(table)
    with connection(dsn, directory, pg) as conn:
        old = MatryoshkaColumn(bare, column, schema).index(conn)
        if (dims or kind) and _is_that(old, dims, kind):
            # a run before this one may have broken off after its switch
            known = status(conn, bare, schema=schema)
            _say_in_use(old, (table, column), known, keep, drop_old, as_json)
            return
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


def _is_that(index: MatryoshkaIndex, dims: int | None, kind: str | None) -> bool:
    return (dims or index.dims, kind or index.kind) == (index.dims, index.kind)


def _say_in_use(
    index: MatryoshkaIndex,
    place: tuple[str, str],
    known: Iterable[IndexStatus],
    keep: str | None,
    drop_old: bool,
    as_json: bool,
) -> None:
    """Say that nothing is to be built; raises InvalidSetting if something is left."""
    same = [state for state in known if state.column == index.column]
    kept_as = [state.kept_as for state in same if state.name == index.name]
    if keep and [keep] != kept_as:
        raise InvalidSetting(
            f"{index} is kept as {', '.join(kept_as)}: `mrl-pg keep-as` changes that"
        )
    others: list[str] = []
    for state in same:
        if state.name and state.name != index.name:
            size = ("--dims", str(state.dims), "--kind", str(state.kind))
            words = ("mrl-pg", "drop", *place, *size, "--name", state.name)
            others.append(shlex.join(words))
    if drop_old and others:
        raise InvalidSetting(
            f"searches that name no index use {index.name} already, so nothing says "
            f"which index is the old one: drop it by name, {' or '.join(others)}"
        )
    said = f"{index}: searches that name no index use {index.name} already"
    told = {**named(index), "switched": True, "built": False}
    typer.echo(json.dumps(told, indent=2) if as_json else said)


def _may_ask(as_json: bool) -> bool:
    return sys.stdin.isatty() and not as_json


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
    known = named(one.layout) | {"index_bytes": one.index_bytes}
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
