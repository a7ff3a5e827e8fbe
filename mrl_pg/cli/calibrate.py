"""`mrl-pg calibrate`: measures searches, so that a search can promise a recall."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer

from mrl_pg.calibration.calibrate import Calibration, CalibrationPoint, found_by
from mrl_pg.cli.bar import bar
from mrl_pg.cli.describe import (
    Column,
    Filter,
    KnownDims,
    KnownDistance,
    KnownKind,
    Meant,
    Name,
    QueryFile,
    RealQueries,
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
from mrl_pg.search.effort import candidates_read
from mrl_pg.search.promise import PromiseStep

TARGETS = (0.9, 0.95, 0.99, 0.999)

QUANTILE = 0.95
"""Share of single queries whose price is shown beside that of the mean."""

NOTHING_MEASURED = 3
"""Exit code if no row has a vector and passes the filter: that of table problems."""


def calibrate(
    table: Table,
    column: Column,
    dims: KnownDims = None,
    kind: KnownKind = None,
    distance: KnownDistance = None,
    k: Annotated[
        list[int] | None,
        typer.Option(
            "--k", "-k", help="Rows in an answer; may be repeated.  \\[default: 10]"
        ),
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option(
            help="Number of queries: random rows, each left out of its own answer, or "
            "stored real queries. With --filter as many rows again that it turns away."
            "  \\[default: 700; for k 1 2,000]"
        ),
    ] = None,
    queries: QueryFile = None,
    real_queries: RealQueries = False,
    rows: Annotated[
        bool,
        typer.Option(
            "--rows",
            help="Use rows of the table as queries, although real queries are stored.",
        ),
    ] = False,
    filter: Filter = None,
    param: Values = None,
    short: Short = "",
    name: Name = "",
    dsn: Dsn = None,
    directory: Directory = None,
    pg: Pg = PG_DEFAULT,
    as_json: Json = False,
) -> None:
    """Measure recall and time of searches of your rows, for `search --recall 0.99`.

    Stores the best searches in mrl.calibrations, for SQL and Python too: no other
    search has both more recall and less time. Exact search is stored too, where the
    index is no faster. Says first about how long it takes. Reads all full vectors once,
    about 8 MB at a time, and compares them here; if they arrive too slowly, the server
    compares them. Then searches the index more and more widely for the queries that it
    does not answer in full. Lets go of its lock on the table and of its snapshot after
    each batch. Only the owner of the table may calibrate it.

    If at least 100 real queries are stored (see `mrl-pg queries`), these are the
    queries, otherwise random rows. Rows are easier to find than real queries, so with
    rows a search takes a margin, and says that it rests on rows. With --filter, as many
    rows that the filter turns away are queries, too, because they may find less.

    Example: mrl-pg calibrate docs embedding --k 10 --k 100
    """
    meant = Meant(table, column, dims, kind, distance, short, name)
    params = values(param)
    vectors = read_queries(queries, column, real_queries)
    if rows and (real_queries or vectors is not None):
        raise InvalidSetting("--rows and queries were both given: leave one out")
    calibrations = []
    with connection(dsn, directory, pg) as conn:
        index = meant.index(conn)
        for count in k or [10]:
            with bar(f"k {count}: exact answers") as update:

                def report(
                    progress: Progress, count: int = count, update: Any = update
                ) -> None:
                    if not progress.done:
                        # how long it takes, before anything is done
                        say(f"k {count}: {progress.stage}")
                    update(
                        description=f"k {count}: {progress.stage}",
                        completed=progress.done,
                        total=progress.total,
                    )

                calibrations.append(
                    index.calibrate(
                        conn,
                        k=count,
                        sample=sample,
                        queries=vectors,
                        real_queries=real_queries,
                        rows=rows,
                        filter=filter,
                        params=params,
                        progress=report,
                    )
                )
    if as_json:
        typer.echo(json.dumps([as_dict(item) for item in calibrations], indent=2))
    else:
        for calibration in calibrations:
            if calibration.points:
                show(*front(calibration))
            typer.echo("\n".join([f"{calibration}", *promises(calibration)]))
    for calibration in calibrations:
        if calibration.is_busy:
            say(
                f"k {calibration.k}: times of the same search differed by "
                f"{calibration.noise:.0%}: the server is too busy for times to mean "
                "much, so a search may not take what is fastest; calibrate again later"
            )
    if not any(calibration.points for calibration in calibrations):
        raise typer.Exit(NOTHING_MEASURED)
    if any(calibration.basis == "unlike" for calibration in calibrations):
        say(
            "real queries are unlike the rows, by the stored distances of their "
            "answers, so nothing is promised: measure with --queries, or store real "
            "queries: see `mrl-pg queries`"
        )
    elif any(calibration.basis == "distances" for calibration in calibrations):
        say(
            "measured with rows that are as far from their answers as real queries; "
            "--rows measures with any rows"
        )
    elif any(calibration.basis == "outside" for calibration in calibrations):
        say(
            "the filter and the vectors belong together: rows that the filter turns "
            "away, as queries, find less than rows that it lets through, so they are "
            "what was measured; if your queries are like the rows that pass, measure "
            "with --queries"
        )
    elif any(calibration.basis == "rows" for calibration in calibrations):
        say(
            "measured with rows of the table as queries; real queries may find less: "
            "measure with --queries, or store real queries: see `mrl-pg queries`"
        )
    elif vectors is None and not real_queries:
        say("measured with the stored real queries; --rows measures with rows")


def front(calibration: Calibration) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    """Heads and lines of a table of the best searches, cheapest first."""
    # where no search leaves candidates unread, all are
    varies = any(point.rerank is not None for point in calibration.points)
    counts = ("k", "candidates", *(["read"] if varies else []), "ef_search")
    heads = (*counts, "recall", "above", "p05", "median ms", "p95 ms")
    lines = [
        (
            str(calibration.k),
            "exact" if point.candidates is None else str(point.candidates),
            *([f"{point.rerank or point.candidates or ''}"] if varies else []),
            "" if point.ef_search is None else str(point.ef_search),
            f"{point.recall:.4f}",
            f"{point.low:.4f}",
            "" if point.p05 is None else f"{point.p05:.4f}",
            f"{point.median_ms:.2f}",
            f"{point.p95_ms:.2f}",
        )
        for point in sorted(calibration.points, key=lambda point: point.recall)
    ]
    return heads, lines


def promises(calibration: Calibration) -> list[str]:
    """What a search with each usual recall costs: for the mean, and with a quantile."""
    lines = []
    points = calibration.points
    for target in TARGETS if points else ():
        point = calibration.cheapest(target)
        most = max(point.recall for point in points)
        cost = _cost(calibration, point, most >= target)
        steps = calibration.steps(target)
        if len(steps) > 1 and point is not None and point.candidates is not None:
            cost += f"; {_search(steps[-1])} for the farthest answers"
        lines.append(f"recall {target}: {cost}")
        if point is not None:
            point = calibration.cheapest(target, QUANTILE)
            most = max(
                found_by(point.shares, point.weights, target)[0] for point in points
            )
            cost = _cost(calibration, point, most >= QUANTILE)
            lines.append(f"recall {target}, quantile {QUANTILE}: {cost}")
    return lines


def _cost(
    calibration: Calibration, point: CalibrationPoint | None, reached: bool
) -> str:
    """What a search takes, or why there is none; `reached` by what was measured."""
    if point is not None:
        search = "exact search" if point.candidates is None else _search(point)
        return f"{search}, {point.median_ms:.2f} ms"
    if not reached:
        return "no measured search reaches it"
    if calibration.basis == "unlike":
        return "not sure, because real queries are unlike rows: use real queries"
    if calibration.basis in ("rows", "outside"):
        return "not sure, because rows are easier to find: use real queries"
    return f"{calibration.queries} queries are too few to be sure: measure more"


def _search(taken: CalibrationPoint | PromiseStep) -> str:
    walked = candidates_read(taken.candidates or 0, taken.rerank)
    return f"{walked}, ef_search {taken.ef_search}"


def as_dict(calibration: Calibration) -> dict[str, Any]:
    """A calibration as values for JSON."""

    def targets(quantile: float | None = None) -> dict[str, Any]:
        found = {of: calibration.cheapest(of, quantile) for of in TARGETS}
        return {str(of): point and asdict(point) for of, point in found.items()}

    return {
        "index": calibration.layout.name,
        "k": calibration.k,
        "queries": calibration.queries,
        "basis": calibration.basis,
        "rows": calibration.rows,
        "share": calibration.share,
        "noise": calibration.noise,
        "points": [asdict(point) for point in calibration.points],
        "targets": targets(),
        "steps": {
            str(of): [asdict(step) for step in calibration.steps(of)] for of in TARGETS
        },
        "quantile_targets": {str(QUANTILE): targets(QUANTILE)},
    }
