"""Has the server measure what searches find and cost, so that recall can be asked."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mrl_pg import arguments
from mrl_pg.calibration import measuring
from mrl_pg.calibration.in_batches import calibrate_in_batches
from mrl_pg.calibration.margin import (
    FARTHEST,
    FIRST_QUANTILE,
    least_ef_search,
    supported,
)
from mrl_pg.catalog.read import forget_facts
from mrl_pg.errors import InvalidSetting
from mrl_pg.exchange import AnyConn, Exchange, Row, Send, commits_each
from mrl_pg.exchange.progress import OnProgress
from mrl_pg.layout import IndexLayout
from mrl_pg.recall.score import TOLERANCE
from mrl_pg.search.filter import Filter, Params, check_filter, written_out
from mrl_pg.search.promise import Basis, PromiseStep, check_quantile, check_recall
from mrl_pg.vectors import VectorsLike

ROUNDING = 1e-9
"""What was measured to be .99 reaches .99, though it was computed."""

Z95 = 1.644854
"""The standard normal quantile of a one-sided 95 % bound."""

QUERIES: dict[Basis, str] = {
    "queries": "real queries",
    "distances": "rows that are as far from their answers as real queries",
    "unlike": "rows of the table, which real queries are unlike",
    "outside": "rows that the filter turns away, which find less than others",
    "rows": "rows of the table",
}


@dataclass(frozen=True, slots=True)
class CalibrationPoint:
    """One measured search: its mean recall, the lower bound `low`, and its times.

    `low` is the bound of a one-sided 95 % interval. `p05` is the 5th percentile: one
    query in twenty found as little. `shares` are the recalls that single queries had,
    ascending, and `weights` how many queries had each. `misses` are the shares of their
    answers that queries missed, by how far away these were: see `Calibration.reach`.
    `candidates` and `ef_search` are None for exact search. `rerank` of the candidates
    are read in full, None if all are.
    """

    candidates: int | None
    ef_search: int | None
    recall: float
    low: float
    median_ms: float
    p95_ms: float
    p05: float | None = None
    shares: tuple[float, ...] = ()
    weights: tuple[float, ...] = ()
    misses: tuple[float, ...] = ()
    rerank: int | None = None


@dataclass(frozen=True, slots=True)
class _Taken:
    """What a search takes so that no measured search that counts does more.

    It searches so much of the graph, and reads so many rows. `walked` is how many are
    there to choose from, in a search that does not read every candidate.
    """

    ef_search: int
    reads: int = 0
    walked: int = 0

    def and_for(self, point: CalibrationPoint) -> "_Taken":
        """The same with one more measured search."""
        candidates = point.candidates or 0
        return _Taken(
            max(self.ef_search, point.ef_search or 0),
            # as many of more candidates are no worse: see docs/measured/rerank.md
            max(self.reads, point.rerank or candidates),
            self.walked if point.rerank is None else max(self.walked, candidates),
        )

    def by(self, point: CalibrationPoint) -> CalibrationPoint:
        """The point whose recall this search keeps."""
        chooses = point.rerank is not None and self.walked > self.reads
        return replace(
            point,
            candidates=self.walked if chooses else self.reads,
            ef_search=self.ef_search,
            rerank=self.reads if chooses else None,
        )


@dataclass(frozen=True, slots=True)
class Calibration:
    """The measured searches that no other search beats, in order of recall.

    They were measured with `queries` queries on a table of `rows` rows, by PostgreSQL's
    statistics, and are kept in `mrl.calibrations`. `share` is the part of the rows that
    passes the filter, 1 without a filter.

    `basis` says what the queries were: real queries or rows. Rows are easier to find,
    so less is promised than they found: see `mrl_pg.calibration.margin`. If real
    queries are `unlike` the rows, only exact search keeps a recall. `reach` are 21
    quantiles, from 0 to 1, of the distance of the k-th row.
    `noise` is the median part by which times of the same search differed; None if all
    was measured by one statement, in which case the server warns. `is_busy` if that is
    so much that the times mean little.
    """

    layout: IndexLayout
    k: int
    points: tuple[CalibrationPoint, ...]
    share: float
    queries: int
    rows: int
    basis: Basis = "queries"
    noise: float | None = None
    is_busy: bool = False
    reach: tuple[float, ...] = ()

    def cheapest(
        self, recall: float, quantile: float | None = None, slack: float = 0.005
    ) -> CalibrationPoint | None:
        """The cheapest search that keeps a recall; None when no search keeps it.

        Its mean recall reaches `recall`, and its lower bound reaches `recall` less
        `slack`. If rows were the queries, it is what a search begins with, the first
        of `steps`; if there are none, as with a quantile, rows must find more, by the
        margin of `mrl._promised`. With a `quantile`, the share of single queries that
        reach `recall` does the same.
        """
        recall, slack = check_recall(recall), arguments.number("slack", slack)
        if quantile is not None:
            quantile = check_quantile(quantile, recall)
        elif near := self._at_distance(
            FIRST_QUANTILE, recall, slack, _Taken(least_ef_search(self.basis))
        )[0]:
            exact = [point for point in self.points if point.candidates is None]
            return min([*exact, near], key=_order)
        # more recall or a higher quantile never takes a weaker search, so those for
        # less count, too
        taken, most = _Taken(least_ef_search(self.basis)), 0.0
        for point in sorted(self.points, key=_order):
            if point.candidates is None:
                return point
            supports = self._supports(point.recall, point.low + slack)
            if supports <= most and quantile is None:
                continue
            most = max(most, supports)
            keeps = supports >= recall - ROUNDING
            if keeps and quantile is not None:
                found, low = found_by(point.shares, point.weights, recall)
                keeps = self._supports(found, low + slack) >= quantile - ROUNDING
            taken = taken.and_for(point)
            if keeps:
                return taken.by(point)
        return None

    def steps(self, recall: float, slack: float = 0.005) -> tuple[PromiseStep, ...]:
        """What a search takes, by how far away its answer is, from the nearest on.

        None unless rows were the queries, because other queries are at the distances
        of real queries. As in `mrl._steps`.
        """
        recall, slack = check_recall(recall), arguments.number("slack", slack)
        steps: list[PromiseStep] = []
        taken = _Taken(least_ef_search(self.basis))
        for place in range(FIRST_QUANTILE, len(self.reach)):
            # what is taken for nearer answers counts, too
            point, taken = self._at_distance(place, recall, slack, taken)
            if point is None or point.candidates is None or point.ef_search is None:
                break
            step = PromiseStep(
                self.reach[place] + TOLERANCE,
                point.candidates,
                point.ef_search,
                point.rerank,
            )
            if steps and steps[-1] == replace(step, up_to=steps[-1].up_to):
                steps.pop()
            steps.append(step)
        return tuple(steps)

    def _at_distance(
        self,
        place: int,
        recall: float,
        slack: float,
        taken: _Taken,
    ) -> tuple[CalibrationPoint | None, _Taken]:
        """The fastest search by the index for answers as far away as a quantile.

        It does no less than is `taken` for nearer answers; and what is taken then.
        """
        if self.basis not in ("rows", "outside"):
            return None, taken
        most = 0.0
        for point in sorted(self.points, key=_order):
            if point.candidates is None or not point.misses:
                continue
            mean = min(point.recall, point.low + slack)
            if self.basis == "outside":
                # queries may be farther from what passes than these rows are
                mean = self._supports(point.recall, point.low + slack)
            supports = min(mean, 1 - point.misses[place] / FARTHEST)
            if supports <= most:
                continue
            most = supports
            taken = taken.and_for(point)
            if supports >= recall - ROUNDING:
                return taken.by(point), taken
        return None, taken

    def _supports(self, measured: float, low: float) -> float:
        """The most that may be asked of a search, by what it reached."""
        return supported(self.basis, 1 - min(measured, low))

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
            f"{self.queries} {QUERIES[self.basis]}; recall up to {best.recall:.4f} in "
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
    rows: bool,
    filter: Filter,
    params: Params,
    progress: OnProgress | None,
    weights: Sequence[float] | None = None,
) -> Exchange[Calibration]:
    """Measure the searches of one short column; see `MatryoshkaIndex.calibrate`."""
    check_filter(filter, params)
    arguments.check_callable("progress", progress)
    layout, facts = yield from measuring.ready(conn, layout)
    values = yield from measuring.values(
        layout, facts, k, sample, queries, real_queries, rows=rows
    )
    values["weights"] = _weights(weights, values["given"])
    values["filter"] = written_out(conn, filter, params, facts)
    asked = {
        "full_column": layout.column,
        "k": values["k"],
        "sample": values["sample"],
        "filter": values["filter"],
        "index_name": layout.name,
    }
    values["tenant"] = None
    # not in ASCII, because a database in SQL_ASCII refuses escapes in JSON
    values["asked"] = json.dumps(asked, ensure_ascii=False)
    with (
        measuring.explained(conn, layout, facts, filter),
        measuring.reported(conn, progress),
    ):
        if commits_each(conn):
            made, noise = yield from calibrate_in_batches(
                facts, values, layout.distance, progress
            )
        else:
            made = yield Send(measuring.statement("calibrate", facts), values)
            # the server has warned
            noise = {"noise": None, "is_busy": False}
    forget_facts(conn, layout)
    return as_calibration(layout, k, made, noise)


def _order(point: CalibrationPoint) -> tuple[float, int, int, int]:
    """From the fastest on; of equal ones exact search, then what walks least."""
    return (
        point.median_ms,
        point.candidates or 0,
        point.ef_search or 0,
        # of equal ones, what reads every candidate
        point.rerank or 0,
    )


def found_by(
    shares: Sequence[float], weights: Sequence[float], recall: float
) -> tuple[float, float]:
    """The share of single queries that found a recall, and its one-sided lower bound.

    `mrl._found_by` explains it. `shares` are the recalls that queries had, and
    `weights` how many queries had each; without any, nobody knows what was found.
    """
    if not shares:
        return -math.inf, -math.inf
    size = sum(weights)
    pairs = zip(shares, weights, strict=True)
    found = sum(weight for share, weight in pairs if share >= recall - ROUNDING) / size
    spread = found * (1 - found) / size + (Z95 / (2 * size)) ** 2
    low = found + Z95**2 / (2 * size) - Z95 * math.sqrt(max(0, spread))
    return found, max(0, low / (1 + Z95**2 / size))


def _weights(
    weights: Sequence[float] | None, queries: int | None
) -> list[float] | None:
    """The weights of the queries; raises InvalidSetting."""
    if weights is None:
        return None
    checked = [arguments.number("weights", weight) for weight in weights]
    if len(checked) != queries:
        raise InvalidSetting(
            f"{len(checked)} weights were given for "
            f"{'no' if queries is None else queries} queries: give queries=, and "
            "a weight for each of them"
        )
    for weight in checked:
        # sums of squares of others have no room in a double
        if not 1e-9 <= weight <= 1e9:
            raise InvalidSetting(
                f"weights: {weight} is outside 1e-9 to 1e9: leave a query of no weight "
                "out, and count in other units"
            )
    return checked


def as_calibration(
    layout: IndexLayout, k: int, rows: Sequence[Row], noise: Row
) -> Calibration:
    """A calibration from the rows that the server stored."""
    points = tuple(
        CalibrationPoint(
            row["candidates"],
            row["ef_search"],
            row["recall"],
            row["low"],
            row["median_ms"],
            row["p95_ms"],
            row["p05"],
            tuple(row["shares"] or ()),
            tuple(row["weights"] or ()),
            tuple(row["misses"] or ()),
            row["rerank"],
        )
        for row in rows
    )
    if not rows:
        return Calibration(layout, k, (), share=1.0, queries=0, rows=0)
    about = rows[0]
    return Calibration(
        layout,
        k,
        points,
        about["share"],
        about["queries"],
        about["rows"],
        about["basis"],
        noise["noise"],
        bool(noise["is_busy"]),
        tuple(about["reach"] or ()),
    )
