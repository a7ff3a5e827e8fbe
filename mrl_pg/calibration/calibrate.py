"""Has the server measure what searches find and cost, so that recall can be asked."""

from collections.abc import Sequence
from dataclasses import dataclass

from mrl_pg import arguments
from mrl_pg.calibration import measuring
from mrl_pg.calibration.in_batches import calibrate_in_batches
from mrl_pg.catalog.read import forget_facts
from mrl_pg.exchange import AnyConn, Exchange, Row, Send, commits_each
from mrl_pg.exchange.progress import OnProgress
from mrl_pg.layout import IndexLayout
from mrl_pg.search.filter import Filter, Params, check_filter, written_out
from mrl_pg.search.promise import check_recall
from mrl_pg.vectors import VectorsLike


@dataclass(frozen=True, slots=True)
class CalibrationPoint:
    """One measured search: its mean recall, the lower bound `low`, and its times.

    `low` is the bound of a one-sided 95 % interval.
    """

    candidates: int
    ef_search: int
    recall: float
    low: float
    median_ms: float
    p95_ms: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """The measured searches that no other search beats, in order of recall.

    They were measured with `queries` queries on a table of `rows` rows, by PostgreSQL's
    statistics, and are kept in `mrl.calibrations`. `share` is the part of the rows that
    passes the filter, 1 without a filter.
    """

    layout: IndexLayout
    k: int
    points: tuple[CalibrationPoint, ...]
    share: float
    queries: int
    rows: int

    def cheapest(self, recall: float, slack: float = 0.005) -> CalibrationPoint | None:
        """The cheapest search that keeps a recall; None when no search keeps it.

        Its mean recall reaches `recall`, and its lower bound reaches `recall` less
        `slack`, as in `mrl._promised`.
        """
        recall, slack = check_recall(recall), arguments.number("slack", slack)
        good = [
            point
            for point in self.points
            if point.recall >= recall and point.low >= recall - slack
        ]
        return min(good, key=lambda point: point.median_ms, default=None)

    def __str__(self) -> str:
        """What was measured, in one sentence."""
        if not self.points:
            return (
                f"{self.layout}: nothing was measured, as no row has a vector and "
                "passes the filter, if there is one"
            )
        best = max(self.points, key=lambda point: point.recall)
        return (
            f"{self.layout}: {len(self.points)} searches for k={self.k} measured on "
            f"{self.queries} queries; recall up to {best.recall:.4f} in "
            f"{best.median_ms:.1f} ms"
        )


def calibrate(
    conn: AnyConn,
    layout: IndexLayout,
    *,
    k: int,
    sample: int | None,
    queries: "VectorsLike | None",
    real_queries: bool,
    filter: Filter,
    params: Params,
    progress: OnProgress | None,
) -> Exchange[Calibration]:
    """Measure the searches of one short column; see `MatryoshkaIndex.calibrate`."""
    check_filter(filter, params)
    arguments.check_callable("progress", progress)
    layout, facts = yield from measuring.ready(conn, layout)
    values = measuring.values(layout, facts, k, sample, queries, real_queries)
    values["filter"] = written_out(conn, filter, params, facts)
    with (
        measuring.explained(conn, layout, facts, filter),
        measuring.reported(conn, progress),
    ):
        if commits_each(conn):
            rows = yield from calibrate_in_batches(facts, values, progress)
        else:
            rows = yield Send(measuring.statement("calibrate", facts), values)
    forget_facts(conn, layout)
    return _calibration(layout, k, rows)


def _calibration(layout: IndexLayout, k: int, rows: Sequence[Row]) -> Calibration:
    points = tuple(
        CalibrationPoint(
            row["candidates"],
            row["ef_search"],
            row["recall"],
            row["low"],
            row["median_ms"],
            row["p95_ms"],
        )
        for row in rows
    )
    if not rows:
        return Calibration(layout, k, (), share=1.0, queries=0, rows=0)
    about = rows[0]
    return Calibration(
        layout, k, points, about["share"], about["queries"], about["rows"]
    )
