"""`mrl-pg recall`: measures the recall of a search, for people and for alarms."""

import json
from typing import Annotated, Any

import typer

from mrl_pg.calibration.recall_report import RecallReport
from mrl_pg.cli.bar import bar
from mrl_pg.cli.describe import (
    Column,
    Filter,
    KnownDims,
    KnownDistance,
    KnownKind,
    Meant,
    Name,
    OneTenant,
    Quantile,
    QueryFile,
    RealQueries,
    Recall,
    Short,
    Table,
    Values,
    values,
)
from mrl_pg.cli.options import PG_DEFAULT, Directory, Dsn, Json, Pg, connection, say
from mrl_pg.cli.rows import show
from mrl_pg.cli.search import read_queries
from mrl_pg.errors import InvalidSetting
from mrl_pg.exchange.progress import Progress

BELOW_FLOOR = 7
"""Exit code if the recall is below --floor."""


def recall(
    table: Table,
    column: Column,
    dims: KnownDims = None,
    kind: KnownKind = None,
    distance: KnownDistance = None,
    k: Annotated[int, typer.Option("--k", "-k", help="Rows in an answer.")] = 10,
    sample: Annotated[
        int,
        typer.Option(
            help="Number of queries: random rows, each left out of its own answer, or "
            "real queries with --real-queries."
        ),
    ] = 50,
    queries: QueryFile = None,
    real_queries: RealQueries = False,
    candidates: Annotated[
        int | None,
        typer.Option(
            help="Candidates of the search.  \\[default: 160, or 8 k if more]"
        ),
    ] = None,
    ef_search: Annotated[
        int | None,
        typer.Option(
            help="ef_search of the search.  \\[default: candidates, at most 1000]"
        ),
    ] = None,
    probes: Annotated[
        int | None,
        typer.Option(
            help="Partitions that the search reads, of a table that `mrl-pg parts` "
            "made.  \\[default: all]"
        ),
    ] = None,
    promised: Recall = None,
    quantile: Quantile = None,
    filter: Filter = None,
    param: Values = None,
    tenant: OneTenant = None,
    floor: Annotated[
        float | None,
        typer.Option(help="Exit with code 7 if the mean recall is below this value."),
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Store the figures for --history.")
    ] = False,
    history: Annotated[
        bool,
        typer.Option("--history", help="Show the stored figures; measure nothing."),
    ] = False,
    short: Short = "",
    name: Name = "",
    dsn: Dsn = None,
    directory: Directory = None,
    pg: Pg = PG_DEFAULT,
    as_json: Json = False,
) -> None:
    """Measure how many of the true nearest rows a search finds, and why not all.

    Compares the search with exact search, which reads the whole table twice per query.

    Example: mrl-pg recall docs embedding --recall 0.99 --floor 0.97
    """
    meant = Meant(table, column, dims, kind, distance, short, name)
    params = values(param)
    if tenant is not None and probes is not None:
        raise InvalidSetting(
            f"--probes {probes} with --tenant: no table has both parts and tenants"
        )
    if tenant is not None and (real_queries or history):
        raise InvalidSetting(
            "--tenant with --real-queries or --history: what is stored is about all "
            "tenants; give --queries, and see `mrl-pg tenants show`"
        )
    if floor is not None and not 0 <= floor <= 1:
        raise InvalidSetting(f"--floor {floor} is not a share from 0 to 1")
    vectors = read_queries(queries, column, real_queries)
    with connection(dsn, directory, pg) as conn:
        if history:
            _show(meant.index(conn).history(conn), as_json)
            return
        index: Any = meant.index(conn) if tenant is None else meant.column_of_tenants()
        options: dict[str, Any] = {
            "k": k,
            "sample": sample,
            "queries": vectors,
            "candidates": candidates,
            "ef_search": ef_search,
            "filter": filter,
            "params": params,
            "recall": promised,
            "quantile": quantile,
            "keep": keep,
        }
        with bar(f"{index}: measuring") as update:

            def progress(progress: Progress) -> None:
                update(
                    description=f"{index}: {progress.stage}",
                    completed=progress.done,
                    total=progress.total,
                )

            report = (
                index.recall(
                    conn,
                    real_queries=real_queries,
                    probes=probes,
                    progress=progress,
                    **options,
                )
                if tenant is None
                else index.tenant_recall(conn, tenant, progress=progress, **options)
            )
    if as_json:
        typer.echo(json.dumps(report.as_dict(), indent=2))
    else:
        if report.promise:
            say(str(report.promise))
        typer.echo("\n".join(in_words(report)))
    if floor is not None and report.below(floor):
        say(f"below the floor of {floor}")
        raise typer.Exit(BELOW_FLOOR)


def in_words(report: RecallReport) -> list[str]:
    """A report for people: the recall, each loss, and what to do about it."""
    if report.recall is None or report.low is None or report.high is None:
        return [f"{report}"]
    if report.candidates is None:
        return [f"exact search finds the true {report.k} nearest: nothing was measured"]
    graph, shortlist = report.loss_graph or 0, report.loss_shortlist or 0
    prefix = report.loss_prefix or 0
    return [
        f"{report.recall:.4f} of the true {report.k} nearest were found, on average "
        f"over {report.queries} queries",
        f"{report.low:.4f} to {report.high:.4f} is the 95 % interval; a larger "
        "--sample narrows it",
        f"{graph:.4f} were missed by the graph: raise --ef-search, or build with a "
        "larger m or ef_construction",
        f"{shortlist:.4f} were not among {report.candidates} candidates: raise "
        "--candidates, or use more dims",
        f"{prefix:.4f} would be lost without the second pass, by short vectors alone",
    ]


def _show(reports: list[RecallReport], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([report.as_dict() for report in reports], indent=2))
        return
    if not reports:
        typer.echo("no figures are stored yet: mrl-pg recall … --keep")
        return
    heads = (
        "measured",
        "k",
        "candidates",
        "read",
        "recall",
        "95 %",
        "queries",
        "where",
    )
    lines = [
        (
            f"{report.measured_at:%Y-%m-%d %H:%M}",
            str(report.k),
            "exact" if report.candidates is None else str(report.candidates),
            str(report.rerank or report.candidates or ""),
            f"{report.recall:.4f}",
            f"{report.low:.4f}-{report.high:.4f}",
            str(report.queries),
            report.filter,
        )
        for report in reports
    ]
    show(heads, lines)
