"""A recall with a quantile: so many single queries find it, and not the mean alone."""

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from support.calibrations import (
    NAME,
    Promised,
    never_exact,
    promised,
    put,
    recalls_of,
)
from support.databases import Conn, Server, connection_fixture
from support.plans import explain, first_pass, force_index
from support.sql_calls import one, stock
from support.tables import Docs, fresh_docs
from support.vectors import matryoshka

from mrl_pg import Calibration, CalibrationPoint, MatryoshkaIndex
from mrl_pg.calibration.calibrate import found_by
from mrl_pg.search.promise import Basis

shared = connection_fixture(lambda conn: stock(conn, matryoshka(100)))

ASKED = "from mrl._promised('docs'::regclass, %s, %s, %s, false, quantile => %s)"


@pytest.fixture
def docs(shared: Conn) -> Iterator[Conn]:
    """The table, with nothing calibrated; what a test puts there goes again."""
    with shared.transaction(force_rollback=True):
        yield shared


def words(conn: Conn, recall: float, quantile: float, k: int = 10) -> str:
    said = one(conn, f"select words {ASKED}", NAME, k, recall, quantile)
    assert isinstance(said, str)
    return said


def test_single_queries_must_find_it(docs: Conn) -> None:
    put(docs, 20, 0.96, 0.955, 1.0, shares={0.6: 50, 1.0: 450})
    put(docs, 40, 0.98, 0.975, 2.0, shares={0.8: 20, 0.9: 10, 1.0: 470})
    put(docs, 80, 0.99, 0.985, 3.0, shares={0.5: 10, 1.0: 490})
    assert promised(docs, recall=0.9).candidates == 20
    assert promised(docs, recall=0.9, quantile=0.88).candidates == 20
    # of 90 %, it is 95 % sure that they are above 87.5 %; half a percent may be missing
    assert promised(docs, recall=0.9, quantile=0.885).candidates == 40
    assert promised(docs, recall=0.8, quantile=0.99).candidates == 40
    assert promised(docs, recall=0.95, quantile=0.95) == Promised(
        80, 80, "measured", 0.99, 0.985
    )
    # of ten answers, .95 is all of them
    assert promised(docs, recall=1e-3 + 0.9, quantile=0.95).candidates == 80
    # the mean must keep it, too
    assert promised(docs, recall=0.99, quantile=0.5).candidates == 80
    assert promised(docs, recall=0.999, quantile=0.5).standing == "unreached"
    assert words(docs, 0.95, 0.95) == (
        "98 % of 500 real queries found at least 0.95"
        " (95 % sure to be above 96.6 %; 0.9900 on average)"
    )


def test_what_no_search_is_sure_of_is_unreached(docs: Conn) -> None:
    put(docs, 20, 0.96, 0.955, 1.0, shares={0.6: 50, 1.0: 450})
    put(docs, 80, 0.97, 0.965, 2.0, shares={0.6: 60, 1.0: 440})
    found = promised(docs, recall=0.95, quantile=0.95)
    # every search that was measured counts
    assert found == Promised(80, 80, "unreached", 0.96, 0.955)
    assert words(docs, 0.95, 0.95).startswith(
        "out of reach, because at most 90 % of 500 real queries found at least 0.95 ("
    )
    assert words(docs, 0.95, 0.89).startswith(
        "not sure, because too few queries were measured: 90 % of 500 real queries"
    )
    assert words(docs, 0.98, 0.5).startswith(
        "out of reach, because the most that was measured is 0.9700 on"
    )
    docs.execute("update mrl._calibrations set basis = 'rows'")
    assert words(docs, 0.9, 0.89).startswith(
        "not sure, because rows must find more than real queries: 90 % of 500 rows of"
    )


def test_single_queries_say_nothing_about_fewer_answers(docs: Conn) -> None:
    put(docs, 200, 0.99, 0.985, 1.0, k=100, shares={0.99: 500})
    assert promised(docs, k=50, recall=0.9).standing == "measured"
    assert promised(docs, k=100, recall=0.9, quantile=0.9).standing == "measured"
    # not weaker than for the mean, and not promised
    found = promised(docs, k=50, recall=0.9, quantile=0.9)
    assert (found.candidates, found.standing) == (200, "unreached")
    assert words(docs, 0.9, 0.9, k=50).startswith(
        "not known for single queries, because none were measured for this k: 0.9900"
    )
    put(docs, 90, 0.99, 0.985, 1.0, k=50)
    # by an older version, which did not store what single queries found
    assert promised(docs, k=50, recall=0.9, quantile=0.5).standing == "unreached"


def test_exact_search_keeps_every_quantile(docs: Conn) -> None:
    put(docs, 20, 0.96, 0.955, 1.0, shares={0.6: 50, 1.0: 450})
    put(docs, None, 1.0, 1.0, 2.0, shares={1.0: 500})
    assert promised(docs, recall=0.9, quantile=0.5).candidates == 20
    exact = Promised(None, None, "measured", 1, 1)
    assert promised(docs, recall=0.95, quantile=0.95) == exact
    assert promised(docs, k=3, recall=0.5, quantile=0.1) == exact


def test_without_a_calibration_a_quantile_takes_the_next_step(docs: Conn) -> None:
    for recall, candidates in ((0.95, 480), (0.99, 1280), (0.999, 1280)):
        found = promised(docs, recall=recall, quantile=0.9)
        assert (found.candidates, found.standing) == (candidates, "uncalibrated")
    assert one(docs, f"select found_by {ASKED}", NAME, 10, 0.9, 0.9) is None


def made_up(random: np.random.Generator, basis: Basis) -> list[dict[str, Any]]:
    """Searches that were measured on 200 made-up queries."""
    points = []
    for candidates in sorted(random.choice(range(10, 500), 8, replace=False).tolist()):
        recalls = np.clip(random.normal(0.9, 0.15, 200).round(1), 0, 1)
        recalls[: random.integers(200)] = 1
        shares, sizes = np.unique(recalls, return_counts=True)
        mean = float(recalls.mean())
        points.append(
            {
                "candidates": int(candidates),
                "recall": mean,
                "low": mean - float(random.uniform(0, 0.02)),
                "ms": float(random.uniform(1, 9)),
                "basis": basis,
                "shares": {
                    float(share): int(size)
                    for share, size in zip(shares, sizes, strict=True)
                },
            }
        )
    return points


RECALLS = (0.5, 0.8, 0.85, 0.9, 0.95, 1)
QUANTILES = (None, 0.1, 0.5, 0.8, 0.9, 0.95, 0.99)


def test_more_recall_or_a_higher_quantile_never_takes_less(docs: Conn) -> None:
    random = np.random.default_rng(5)
    for turn in range(4):
        docs.execute("delete from mrl._calibrations")
        for filter in ("", "n < 5", "n < 50"):
            # without single queries, and of another k
            k = 20 if turn == 3 and filter == "n < 5" else 10
            for point in made_up(random, "rows" if turn == 1 else "queries"):
                if turn == 2 and random.uniform() < 0.3:
                    point["shares"] = None
                put(docs, low=point.pop("low"), k=k, filter=filter, **point)
            if turn == 3:
                ms = float(random.uniform(3, 9))
                put(docs, None, 1, 1, ms, filter=filter, shares={1: 200})
        for filtered in (False, True):
            taken = [
                [
                    promised(docs, recall=recall, quantile=quantile, filtered=filtered)
                    for quantile in QUANTILES
                ]
                for recall in RECALLS
            ]
            for row in [*taken, *map(list, zip(*taken, strict=True))]:
                for less, more in pairwise(row):
                    for below, above in zip(less[:2], more[:2], strict=True):
                        # None is exact search
                        assert (above or math.inf) >= (below or math.inf)


@pytest.mark.parametrize("basis", ["queries", "rows"])
def test_python_takes_what_sql_takes(docs: Conn, basis: Basis) -> None:
    random = np.random.default_rng(9)
    points = made_up(random, basis)
    widths = [point["candidates"] for point in points]
    points.sort(key=lambda point: float(point["recall"]))
    for point, width in zip(points, widths, strict=True):
        point |= {"candidates": width, "ms": width / 50}
    points.append({"candidates": None, "recall": 1.0, "low": 1.0, "ms": 7.0})
    for point in points:
        put(docs, **point)
    calibration = Calibration(
        MatryoshkaIndex("docs", "embedding", dims=32),
        10,
        tuple(
            CalibrationPoint(
                point["candidates"],
                point["candidates"],
                point["recall"],
                point["low"],
                point["ms"],
                point["ms"],
                None,
                tuple(point.get("shares", ())),
                tuple(point.get("shares", {}).values()),
            )
            for point in points
        ),
        share=1,
        queries=200,
        rows=100,
        basis=basis,
    )
    taken = set()
    for recall in RECALLS:
        for quantile in QUANTILES:
            found = promised(docs, recall=recall, quantile=quantile)
            taken_here = calibration.cheapest(recall, quantile)
            assert taken_here is not None
            assert (taken_here.candidates, taken_here.ef_search) == found[:2]
            taken.add(taken_here.candidates)
    assert len(taken) > 2


@pytest.mark.parametrize(
    ("shares", "recall"),
    [
        ({0.5: 3, 1.0: 97}, 0.9),
        ({1.0: 100}, 1),
        ({0.0: 5}, 0.1),
        ({0.3: 0.4, 0.7: 2.5, 0.9: 7.25}, 0.7),
    ],
)
def test_the_bound_is_that_of_wilson(
    docs: Conn, shares: dict[float, float], recall: float
) -> None:
    part, low = found_by([*shares], [*shares.values()], recall)
    call = "select part, low from mrl._found_by(%s, %s, %s)"
    given = [[*shares], [*shares.values()], recall]
    (of_server,) = docs.execute(call, given).fetchall()
    assert of_server == pytest.approx((part, low))
    size = sum(shares.values())
    found = sum(size for share, size in shares.items() if share >= recall)
    assert part == pytest.approx(found / size)
    # the share from which what was found is as far as chance takes it once in twenty
    assert part - low == pytest.approx(1.644854 * math.sqrt(low * (1 - low) / size))


def test_a_point_stays_that_is_best_for_some_quantile(docs: Conn) -> None:
    often = [[0.5, 1.0], [10.0, 90.0]]
    call = "select mrl._finds_as_much(%s, %s, %s, %s)"
    # a higher mean, and more queries that find little
    assert one(docs, call, *often, [0.8, 0.9], [5.0, 95.0]) is False
    assert one(docs, call, [0.8, 1.0], [5.0, 95.0], *often) is True
    assert one(docs, call, *often, *often) is True
    assert one(docs, call, *often, [0.5, 1.0], [1.0, 9.0]) is True
    assert one(docs, call, None, None, *often) is False
    assert one(docs, call, *often, None, None) is True


@pytest.fixture(scope="module")
def searched(pg_server: Server) -> Iterator[Docs]:
    with fresh_docs(pg_server, rows=800) as docs:
        force_index(docs.conn)
        never_exact(docs.conn)
        yield docs


def test_what_is_promised_is_found(searched: Docs) -> None:
    """By queries that are no rows, against exact search."""
    index, conn = searched.index, searched.conn
    queries = matryoshka(400, seed=3)
    measured, others = queries[:200], queries[200:]
    made = index.calibrate(conn, k=5, queries=measured)
    taken = []
    for quantile in (None, 0.8, 0.95):
        results = index.search_many(conn, queries, k=5, recall=0.8, quantile=quantile)
        plan = index.plan(conn, queries[0], k=5, recall=0.8, quantile=quantile)
        assert first_pass(explain(conn, plan)) == [index.name]
        promise = results[0].promise
        assert promise is not None and promise.standing == "measured"
        assert promise.quantile == quantile
        cheapest = made.cheapest(0.8, quantile)
        assert cheapest is not None
        assert promise.candidates == cheapest.candidates == results[0].candidates
        taken.append(promise.candidates or 0)
        answers = [[(hit.key, hit.distance) for hit in result] for result in results]
        kept = np.array(recalls_of(answers, searched.vectors, queries, 5)) >= 0.8
        if promise.found_by is None:
            assert quantile is None
            continue
        assert quantile is not None and promise.found_by >= quantile
        assert np.mean(kept[: len(measured)]) >= promise.found_by - 0.01
        # over three standard deviations of what 200 other queries find
        assert np.mean(kept[-len(others) :]) >= quantile - 0.1
    assert taken == sorted(taken)
