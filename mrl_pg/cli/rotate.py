"""`mrl-pg rotate`: a column of vectors rotated into another column, or back."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from mrl_pg.arguments import split_table
from mrl_pg.cli.create import watched
from mrl_pg.cli.describe import Column, Table
from mrl_pg.cli.load import TRY_AGAIN
from mrl_pg.cli.options import PG_DEFAULT, Directory, Dsn, Json, Pg, connection
from mrl_pg.column import MatryoshkaColumn
from mrl_pg.errors import InvalidSetting
from mrl_pg.layout import fit
from mrl_pg.load.rotate import SAMPLE, RotateReport
from mrl_pg.rotation import Rotation


def rotate(
    table: Table,
    column: Column,
    to: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="The column that gets the vectors; it is added if it is missing.  "
            "\\[default: COLUMN_rotated; with --undo COLUMN_plain]",
            show_default=False,
        ),
    ] = None,
    rotation: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A rotation that was fitted before.  \\[default: fit one]",
            show_default=False,
        ),
    ] = None,
    sample: Annotated[
        int, typer.Option(help="Number of random rows to fit a rotation on.")
    ] = SAMPLE,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the rotation to this file, too."),
    ] = None,
    fit_only: Annotated[
        bool,
        typer.Option(
            "--fit-only", help="Only fit a rotation and write it to --out FILE."
        ),
    ] = False,
    undo: Annotated[
        bool,
        typer.Option(
            "--undo", help="COLUMN is rotated: fill the other with the model's vectors."
        ),
    ] = False,
    stop: Annotated[
        bool,
        typer.Option(
            "--stop",
            help="Drop the triggers that fill the other column as rows are written.",
        ),
    ] = False,
    dsn: Dsn = None,
    directory: Directory = None,
    pg: Pg = PG_DEFAULT,
    as_json: Json = False,
) -> None:
    """Rotate a column into another, so that its short vectors find more.

    For a model that was not trained for short vectors. A rotation keeps all distances
    between full vectors, and puts what tells rows apart into the leading dimensions.
    `mrl-pg tune` says whether that helps your rows. For a model that was trained for
    short vectors it does not.

    Fits the rotation on random rows of the column, adds the other column, and fills it
    in batches that each commit, while others read and write. COLUMN, its indexes and
    your searches stay as they are. If a run breaks off, run it again. Exit code 10:
    some rows are left.

    From then on, triggers rotate what is written to COLUMN into the other column, which
    takes the server about 1 ms a row at 384 dimensions. When nothing writes COLUMN any
    more, run it with --stop, and drop the column.

    Then build an index with `mrl-pg create`, and switch with `mrl-pg switch --to`.
    Searches of mrl_pg rotate their queries themselves.

    Example: mrl-pg rotate docs embedding --to embedding_rotated

    Example: mrl-pg rotate docs embedding --fit-only --out docs.rot
    """
    schema, bare = split_table(table)
    place = MatryoshkaColumn(bare, column, schema)
    if fit_only:
        if out is None or undo or rotation or to:
            raise InvalidSetting(
                "--fit-only changes no table: give --out FILE with it, and none of "
                "--to, --rotation and --undo"
            )
        with connection(dsn, directory, pg) as conn:
            fitted = place.fit_rotation(conn, sample=sample)
        fitted.save(out)
        said = f"fitted {fitted.version} on {fitted.provenance.rows:,} rows; see {out}"
        typer.echo(json.dumps(_named(fitted), indent=2) if as_json else said)
        return
    if stop:
        if rotation or out or undo or to is None:
            raise InvalidSetting(
                "--stop drops the triggers that fill a column: give that with --to, "
                "and none of --rotation, --out and --undo"
            )
        with connection(dsn, directory, pg) as conn:
            place.stop_rotating(conn, to)
        said = f"what is written to {column} no longer goes to {to}"
        typer.echo(json.dumps({"stopped": to}) if as_json else said)
        return
    given = None if rotation is None else Rotation.read(rotation)
    target = to or fit(column, "_plain" if undo else "_rotated")
    with connection(dsn, directory, pg) as conn:
        with watched(f"{place}") as progress:
            report = place.rotate(
                conn,
                target,
                rotation=given,
                undo=undo,
                sample=sample,
                progress=progress,
            )
        status = place.remodel_status(conn, target)
    if out is not None and report.rotation is not None:
        report.rotation.save(out)
    if as_json:
        typer.echo(json.dumps(_as_dict(report), indent=2))
    else:
        typer.echo(str(report))
        if report.complete:
            typer.echo(f"next: {status.next_step}")
    if not report.complete:
        raise typer.Exit(TRY_AGAIN)


def _named(rotation: Rotation) -> dict[str, Any]:
    return {
        "version": rotation.version,
        "dims": rotation.dims,
        "provenance": rotation.provenance.as_dict(),
    }


def _as_dict(report: RotateReport) -> dict[str, Any]:
    """A report as values for JSON."""
    names = ("table", "column", "to", "added", "fitted", "written", "filled", "missing")
    later = ("outdated", "linked")
    rotation = report.rotation
    return {name: getattr(report, name) for name in names + later} | {
        "seconds": report.seconds,
        "rotation": None if rotation is None else _named(rotation),
    }
