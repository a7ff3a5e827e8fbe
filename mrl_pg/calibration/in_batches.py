"""Calibrates in batches: what `mrl.calibrate` does, a statement for each batch."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from mrl_pg import source
from mrl_pg.calibration import batches, measuring, truth
from mrl_pg.calibration.batches import MeasuredQuery
from mrl_pg.catalog.facts import Facts
from mrl_pg.exchange import Exchange, Row, Send, look
from mrl_pg.exchange.progress import OnProgress, Progress
from mrl_pg.kinds import Distance
from mrl_pg.recall.near_rows import Near
from mrl_pg.search.promise import Basis

SEARCHED = 20
"""Queries that a statement searches for, some with two searches."""

PROBED = 3
"""Queries that are searched for before the others, to know how long all of it takes."""

PER_QUERY = 6
"""First passes of 40 candidates or so that take as long as all searches of a query."""


@dataclass(slots=True)
class AskedQuery:
    """A query with its exact answer, and what searches have found so far.

    `answer` says which rows are to be found, `near` the places of those found among
    the candidates, as JSON, and `orders` theirs in the order by which a search chooses
    what it reads, None where no search does. `known` is where they are in the table, as
    JSON: from the answer, or if all were found. `settled` if wider searches need not be
    asked, because they find the same.
    """

    query: MeasuredQuery
    answer: Near
    weight: float
    near: str = "[]"
    orders: str | None = None
    known: str | None = field(init=False)
    settled: bool = False

    def __post_init__(self) -> None:
        """Look for the rows of the answer, if it names them."""
        names = self.answer.names
        self.known = json.dumps(names) if names else None

    def see(
        self,
        near: str | None,
        spots: str | None,
        level: int,
        orders: str | None = None,
    ) -> None:
        """Take what a search with `level` candidates found; None if it did not run.

        Where all rows are found, and the last of them in the first quarter, at the same
        places as by the search before, a wider search finds them there, too. That
        moved means by .0002 at most on 5,000 rows (the first half: by .0004); see
        benchmarks/calibrate.py.
        """
        if near is None:
            return
        places = json.loads(near)
        found_all = len(places) >= self.answer.total
        if not self.answer.names:
            self.known = spots if found_all else None
        same = (near, orders) == (self.near, self.orders)
        self.settled = found_all and same and 4 * places[-1] <= level
        self.near, self.orders = near, orders


@dataclass(slots=True)
class Times:
    """Milliseconds of the timed searches of one number of candidates, or of all."""

    shortest: list[float | None] = field(default_factory=list)
    longest: list[float | None] = field(default_factory=list)
    again: list[float | None] = field(default_factory=list)
    best_shortest: list[float | None] = field(default_factory=list)
    best_longest: list[float | None] = field(default_factory=list)


def calibrate_in_batches(
    facts: Facts,
    values: dict[str, Any],
    distance: Distance,
    progress: OnProgress | None,
) -> Exchange[tuple[list[Row], Row]]:
    """The rows that `mrl.calibrate` returns, and how times of the same search vary."""
    tell = progress or (lambda _: None)
    queries = yield from batches.draw("draw_calibration", facts, values)
    values["rows_as_queries"] = any(query.place for query in queries)
    first = values | batches.as_parameters(queries[:1])
    (about,) = yield from look(measuring.statement("calibration_rows", facts), first)
    exact_ms = 0.0
    if queries:
        probe = values | batches.as_parameters(queries[:PROBED])
        (row,) = yield from look(measuring.statement("calibration_probe", facts), probe)
        exact_ms = min(row["exact"])
        seconds = _seconds(len(queries), exact_ms, min(row["near"]))
        stage = f"this takes {about_time(seconds)}: {about['row_count']:,} rows"
        tell(Progress(stage, 0, len(queries)))
    answers = yield from truth.compare(facts, values, queries, distance, tell, exact_ms)
    weights = values["weights"] or [1.0] * len(queries)
    asked = [
        AskedQuery(query, answer, weight)
        for query, answer, weight in zip(queries, answers, weights, strict=True)
    ]
    basis, asked = yield from _choose(facts, values, asked)
    points: list[Any] = []
    slowest, times = None, Times()
    wider = source.statement("wider_may_help").encode()
    for level in about["levels"]:
        own = Times()
        yield from _search(facts, values | about, level, asked, own, tell)
        points += yield from _judge(values["k"], level, asked, own)
        times.shortest += own.shortest
        times.again += own.again
        (row,) = yield Send(wider, {"points": json.dumps(points)}, binary=True)
        slowest = row["slowest"]
        if not row["go_on"]:
            break
    exact = measuring.statement("calibration_exact", facts)
    timed = batches.as_parameters(_queries(asked[: about["timed"]]))
    compared = values | timed | {"slowest": slowest}
    (row,) = yield from look(exact, compared, binary=True)
    measured = {
        "points": json.dumps(points),
        "exact_times": row["times"],
        "basis": basis,
        "query_count": len(asked),
        "outsiders": sum(query.query.outside for query in asked),
        "edges": [query.answer.edge for query in asked],
        "totals": [query.answer.total for query in asked],
        "weights": [query.weight for query in asked],
    }
    keep = source.statement("keep_calibration").encode()
    rows: list[Row] = yield Send(keep, values | about | measured)
    compare = source.statement("calibration_noise").encode()
    repeated = {"shortest": times.shortest, "again": times.again}
    (noise,) = yield Send(compare, repeated, binary=True)
    return rows, noise


def _seconds(queries: int, exact_ms: float, near_ms: float) -> float:
    """Seconds of a calibration, from the time of an exact search and a first pass."""
    searches = PER_QUERY * queries * near_ms / 1000
    return truth.HERE * truth.server_seconds(queries, exact_ms) + searches


def about_time(seconds: float) -> str:
    """A rough time, such as `about 3 minutes`."""
    for unit, name in ((3600, "hours"), (60, "minutes")):
        if seconds >= 2 * unit:
            return f"about {seconds / unit:.0f} {name}"
    return f"about {max(2, seconds):.0f} seconds"


def _choose(
    facts: Facts, values: dict[str, Any], asked: list[AskedQuery]
) -> Exchange[tuple[Basis, list[AskedQuery]]]:
    """What the queries stand for, and those that are measured.

    Rows are chosen by the distances of real answers, if enough of them are stored.
    A query without rows to find is left out: the filter selects only the query itself,
    or the query is zero.
    """
    if not values["rows_as_queries"]:
        return "queries", [query for query in asked if query.answer.total]
    choose = measuring.statement("calibration_rows_to_measure", facts)
    drawn = {
        "edges": [query.answer.edge for query in asked],
        "totals": [query.answer.total for query in asked],
    }
    (row,) = yield from look(choose, values | drawn, binary=True)
    return row["basis"], [asked[number - 1] for number in row["numbers"]]


def _search(
    facts: Facts,
    values: dict[str, Any],
    level: int,
    asked: list[AskedQuery],
    times: Times,
    tell: OnProgress,
) -> Exchange[None]:
    """Walk to `level` candidates with the queries that are timed or not settled."""
    walk = measuring.statement("calibration_walk", facts)
    timed: int = values["timed"]
    chosen = [
        query for place, query in enumerate(asked) if place < timed or not query.settled
    ]
    for start, some in batches.parts(chosen, SEARCHED):
        batch = {
            **batches.as_parameters(_queries(some)),
            "edges": [query.answer.edge for query in some],
            "known": [query.known for query in some],
            "complete": [bool(query.answer.names) for query in some],
            "unsettled": [not query.settled for query in some],
            "level": level,
            "timed": max(0, timed - start),
        }
        (row,) = yield from look(walk, values | batch, binary=True)
        found = zip(some, row["near"], row["spots"], row["orders"], strict=True)
        for query, near, spots, orders in found:
            query.see(near, spots, level, orders)
        times.shortest += row["shortest"]
        times.longest += row["longest"]
        times.again += row["again"]
        times.best_shortest += row["best_shortest"]
        times.best_longest += row["best_longest"]
        done = len(asked) - len(chosen) + start + len(some)
        stage = f"{level} candidates measured on {done} queries"
        tell(Progress(stage, done, len(asked)))


def _judge(
    k: int, level: int, asked: list[AskedQuery], times: Times
) -> Exchange[list[Any]]:
    """Recall and time of the searches with up to `level` candidates."""
    judge = source.statement("calibration_points").encode()
    found = {
        "k": k,
        "level": level,
        "near": [query.near for query in asked],
        "edges": [query.answer.edge for query in asked],
        "totals": [query.answer.total for query in asked],
        "weights": [query.weight for query in asked],
        "outside": [query.query.outside for query in asked],
        "shortest": times.shortest,
        "longest": times.longest,
        "orders": _orders(asked),
        "best_shortest": times.best_shortest,
        "best_longest": times.best_longest,
    }
    (row,) = yield Send(judge, found)
    points: list[Any] = json.loads(row["points"])
    return points


def _orders(asked: Sequence[AskedQuery]) -> list[str] | None:
    """The places of near rows in the order that chooses; None where nothing does."""
    orders = [query.orders for query in asked if query.orders is not None]
    return orders if len(orders) == len(asked) else None


def _queries(asked: Sequence[AskedQuery]) -> list[MeasuredQuery]:
    return [query.query for query in asked]
