"""Calibrates in batches: what `mrl.calibrate` does, a statement for each batch."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from mrl_pg import source
from mrl_pg.calibration import batches, measuring
from mrl_pg.calibration.batches import MeasuredQuery
from mrl_pg.catalog.facts import Facts
from mrl_pg.exchange import Exchange, Row, Send, look
from mrl_pg.exchange.progress import OnProgress, Progress
from mrl_pg.search.promise import Basis

COMPARED = 64
"""Queries that a statement compares with every row. More would read rows less often."""

SEARCHED = 20
"""Queries that a statement searches for, some with two searches."""

PROBED = 3
"""Queries that are searched for before the others, to know how long all of it takes."""

PER_COMPARED = 0.05
"""What a further query adds to a scan of the table, as part of a scan for one query."""

PER_QUERY = 15
"""First passes of 40 candidates or so that take as long as all searches of a query."""


@dataclass(slots=True)
class AskedQuery:
    """A query with its exact answer, and what searches have found so far.

    `edge` is the distance of the k-th row, `total` the rows to find, `near` the places
    of those found among the candidates, as JSON. `known` is where they are in the
    table, as JSON, if all were found. `settled` if wider searches need not
    be asked, because they find the same.
    """

    query: MeasuredQuery
    edge: float
    total: int
    weight: float
    near: str = "[]"
    known: str | None = None
    settled: bool = False

    def see(self, near: str | None, spots: str | None, level: int) -> None:
        """Take what a search with `level` candidates found; None if it did not run.

        Where all rows are found, and the last of them in the first quarter, at the same
        places as by the search before, a wider search finds them there, too. That
        moved means by .0002 at most on 5,000 rows (the first half: by .0004); see
        benchmarks/calibrate.py.
        """
        if near is None:
            return
        places = json.loads(near)
        found_all = len(places) >= self.total
        self.known = spots if found_all else None
        self.settled = found_all and near == self.near and 4 * places[-1] <= level
        self.near = near


@dataclass(slots=True)
class Times:
    """Milliseconds of the timed searches of one number of candidates, or of all."""

    shortest: list[float | None] = field(default_factory=list)
    longest: list[float | None] = field(default_factory=list)
    again: list[float | None] = field(default_factory=list)


def calibrate_in_batches(
    facts: Facts, values: dict[str, Any], progress: OnProgress | None
) -> Exchange[tuple[list[Row], Row]]:
    """The rows that `mrl.calibrate` returns, and how times of the same search vary."""
    tell = progress or (lambda _: None)
    queries = yield from batches.draw("draw_calibration", facts, values)
    values["rows_as_queries"] = any(query.place for query in queries)
    first = values | _of(queries[:1])
    (about,) = yield from look(measuring.statement("calibration_rows", facts), first)
    if queries:
        probe = values | _of(queries[:PROBED])
        (row,) = yield from look(measuring.statement("calibration_probe", facts), probe)
        seconds = _seconds(len(queries), row["exact"], row["near"])
        stage = f"this takes {about_time(seconds)}: {about['row_count']:,} rows"
        tell(Progress(stage, 0, len(queries)))
    asked = yield from _compare(facts, values, queries, tell)
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
    timed = {**_of(_queries(asked[: about["timed"]])), "slowest": slowest}
    (row,) = yield from look(exact, values | timed, binary=True)
    measured = {
        "points": json.dumps(points),
        "exact_times": row["times"],
        "basis": basis,
        "query_count": len(asked),
        "outsiders": sum(query.query.outside for query in asked),
        "edges": [query.edge for query in asked],
        "totals": [query.total for query in asked],
        "weights": [query.weight for query in asked],
    }
    keep = source.statement("keep_calibration").encode()
    rows: list[Row] = yield Send(keep, values | about | measured)
    compare = source.statement("calibration_noise").encode()
    repeated = {"shortest": times.shortest, "again": times.again}
    (noise,) = yield Send(compare, repeated, binary=True)
    return rows, noise


def _seconds(queries: int, exact: Sequence[float], near: Sequence[float]) -> float:
    """Seconds of a calibration, from milliseconds of some of its searches."""
    scans = sum(
        1 + PER_COMPARED * min(COMPARED, queries - start)
        for start in range(0, queries, COMPARED)
    )
    return (scans * min(exact) + PER_QUERY * queries * min(near)) / 1000


def about_time(seconds: float) -> str:
    """A rough time, such as `about 3 minutes`."""
    for unit, name in ((3600, "hours"), (60, "minutes")):
        if seconds >= 2 * unit:
            return f"about {seconds / unit:.0f} {name}"
    return f"about {max(2, seconds):.0f} seconds"


def _compare(
    facts: Facts, values: dict[str, Any], queries: list[MeasuredQuery], tell: OnProgress
) -> Exchange[list[AskedQuery]]:
    """The queries with their exact answers."""
    weights = values["weights"] or [1.0] * len(queries)
    truth = measuring.statement("calibration_truth", facts)
    asked = []
    for start, some in _parts(queries, COMPARED):
        (row,) = yield from look(truth, values | _of(some), binary=True)
        own = weights[start : start + len(some)]
        answers = zip(some, row["distances"], row["totals"], own, strict=True)
        asked += [AskedQuery(*answer) for answer in answers]
        done = start + len(some)
        tell(Progress(f"exact answers of {done} queries", done, len(queries)))
    return asked


def _choose(
    facts: Facts, values: dict[str, Any], asked: list[AskedQuery]
) -> Exchange[tuple[Basis, list[AskedQuery]]]:
    """What the queries stand for, and those that are measured.

    Rows are chosen by the distances of real answers, if enough of them are stored.
    A query without rows to find is left out: the filter selects only the query itself,
    or the query is zero.
    """
    if not values["rows_as_queries"]:
        return "queries", [query for query in asked if query.total]
    choose = measuring.statement("calibration_rows_to_measure", facts)
    drawn = {
        "edges": [query.edge for query in asked],
        "totals": [query.total for query in asked],
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
    for start, some in _parts(chosen, SEARCHED):
        batch = {
            **_of(_queries(some)),
            "edges": [query.edge for query in some],
            "known": [query.known for query in some],
            "unsettled": [not query.settled for query in some],
            "level": level,
            "timed": max(0, timed - start),
        }
        (row,) = yield from look(walk, values | batch, binary=True)
        for query, near, spots in zip(some, row["near"], row["spots"], strict=True):
            query.see(near, spots, level)
        times.shortest += row["shortest"]
        times.longest += row["longest"]
        times.again += row["again"]
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
        "totals": [query.total for query in asked],
        "weights": [query.weight for query in asked],
        "outside": [query.query.outside for query in asked],
        "shortest": times.shortest,
        "longest": times.longest,
    }
    (row,) = yield Send(judge, found)
    points: list[Any] = json.loads(row["points"])
    return points


def _parts(queries: Sequence[Any], size: int) -> Iterator[tuple[int, Sequence[Any]]]:
    """Parts of at most `size` queries, each with the number of queries before it."""
    for start in range(0, len(queries), size):
        yield start, queries[start : start + size]


def _queries(asked: Sequence[AskedQuery]) -> list[MeasuredQuery]:
    return [query.query for query in asked]


def _of(queries: Sequence[MeasuredQuery]) -> dict[str, Any]:
    """Some queries as parameters."""
    return {
        "queries": [query.query for query in queries],
        "parts": [query.part for query in queries],
        "places": [query.place for query in queries],
    }
