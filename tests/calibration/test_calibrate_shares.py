"""What a calibration says of single queries, and calibrations with weights."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from psycopg import errors
from support.calibrations import calibrate, lower_bound, recalls_of, without_exact
from support.databases import Server
from support.plans import force_index
from support.sql_calls import create, many, one, text
from support.sql_plans import scanning
from support.sql_state import refused
from support.tables import Docs, fresh_docs
from support.vectors import TOLERANCE, distances, matryoshka

from mrl_pg.calibration.batches import MeasuredQuery
from mrl_pg.calibration.in_batches import AskedQuery, about_time
from mrl_pg.errors import InvalidSetting
from mrl_pg.recall.near_rows import Near

QUERIES = matryoshka(60, seed=7)
ASKED = [text(query) for query in QUERIES]
NAME = "docs_embedding_8_halfvec_cosine_hnsw"
SHORT: dict[str, Any] = {"k": 5, "dims": 8}


@pytest.fixture(scope="module")
def docs(pg_server: Server) -> Iterator[Docs]:
    with fresh_docs(pg_server, rows=400) as docs:
        create(docs.conn, dims=8)
        force_index(docs.conn)
        yield docs


@pytest.mark.parametrize("weighted", [False, True])
def test_recalls_of_single_queries_are_stored(docs: Docs, weighted: bool) -> None:
    weights = np.random.default_rng(1).uniform(0.1, 3, len(QUERIES))
    given = {"weights": weights.tolist()} if weighted else {}
    if not weighted:
        weights[:] = 1
    with scanning(docs.conn, NAME):
        made = calibrate(docs.conn, queries=ASKED, **SHORT, **given)
    assert len(made) > 1
    for point in made:
        effort = {"candidates": point.candidates, "ef_search": point.ef_search}
        answers = many(docs.conn, [*QUERIES], **effort, **SHORT)
        found = recalls_of(answers, docs.vectors, QUERIES, 5)
        assert point.recall == pytest.approx(np.average(found, weights=weights))
        assert point.low == pytest.approx(lower_bound(found, weights.tolist()))
        tally: Counter[float] = Counter()
        for recall, weight in zip(found, weights, strict=True):
            tally[recall] += weight
        assert point.shares == sorted(tally)
        # all together, the effective number of queries
        size = weights.sum() / np.square(weights).sum()
        wanted = [tally[share] * size for share in point.shares]
        assert point.weights == pytest.approx(wanted)
        up_to = np.cumsum(wanted) / sum(wanted)
        assert point.p05 == point.shares[int(np.argmax(up_to >= 0.05))]
    far = [np.sort(distances(docs.vectors, q, "cosine"))[4] for q in QUERIES]
    reach = made[0].reach
    assert len(reach) == 21
    assert reach == sorted(reach)
    assert (reach[0], reach[-1]) == pytest.approx((min(far), max(far)), abs=TOLERANCE)
    if not weighted:
        assert reach[10] == pytest.approx(np.sort(far)[29], abs=TOLERANCE)


def test_weights_are_the_same_in_batches(docs: Docs) -> None:
    weights = np.linspace(0.1, 2, len(QUERIES))
    options: dict[str, Any] = {"k": 5, "queries": QUERIES, "weights": weights}
    call = "select recall, low, p05, weights, reach from mrl.calibrations where k = 5"
    stored: list[Any] = []
    for by_statement in (False, True):
        docs.conn.execute("delete from mrl._calibrations")
        if by_statement:
            with docs.conn.transaction():
                docs.index.calibrate(docs.conn, **options)
        else:
            docs.index.calibrate(docs.conn, **options)
        without_exact(docs.conn)
        best = f"{call} order by recall desc, low desc limit 1"
        stored.append(docs.conn.execute(best.encode()).fetchone())
    (*found, reach), (*found_at_once, reach_at_once) = stored
    assert found == found_at_once
    # distances are summed in another order
    assert reach == pytest.approx(reach_at_once, abs=1e-6)


def test_weights_that_are_refused(docs: Docs) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"weights": [1.0]}, "weights were given without queries"),
        ({"weights": [1.0], "queries": ASKED[:2]}, "1 weights were given for 2"),
        ({"weights": [1.0, 0.0], "queries": ASKED[:2]}, "is outside 1e-9 to 1e9"),
        # their squares are no numbers
        ({"weights": [1.0, 1e-170], "queries": ASKED[:2]}, "is outside 1e-9 to 1e9"),
    ]
    for given, words in wrong:
        with refused(errors.InvalidParameterValue, words), docs.conn.transaction():
            calibrate(docs.conn, **SHORT, **given)
        if "queries" in given:
            given["queries"] = QUERIES[:2]
        with pytest.raises(InvalidSetting, match="weights"):
            docs.index.calibrate(docs.conn, **given)


FOUND = [
    # all, at the same places as before, in the first quarter
    ([1, 2, 4], [1, 2, 4], 16, True),
    ([1, 2, 4], [1, 2, 4], 15, False),
    ([1, 2, 3], [1, 2, 4], 16, False),
    ([1, 2], [1, 2], 16, False),
    ([], [1, 2, 4], 16, False),
]


@pytest.mark.parametrize(("before", "near", "level", "settled"), FOUND)
def test_a_query_settles_in_sql_and_in_python(
    docs: Docs, before: list[int], near: list[int], level: int, settled: bool
) -> None:
    as_text = [json.dumps(places) for places in (before, near)]
    call = "select mrl._settled(%s::jsonb, %s::jsonb, 3, %s)"
    assert one(docs.conn, call, *as_text, level) is settled
    query = AskedQuery(
        MeasuredQuery(b"", 0, None, None), Near(0.5, 3, ()), 1.0, as_text[0]
    )
    query.see(as_text[1], "[]", level)
    assert query.settled is settled
    assert (query.known is not None) is (len(near) == 3)
    query.see(None, None, 100)
    assert (query.near, query.settled) == (as_text[1], settled)


WALK = (
    "select walked.near, walked.spots_found from mrl._plan_calibration("
    " jsonb_build_object('table_id', 'docs'::regclass::oid, 'full_column',"
    " 'embedding', 'k', 5, 'dims', 32), %(queries)s::vector[]) as plan"
    " cross join lateral mrl._walk(plan.pass, plan.known_pass,"
    " plan.still_there, plan.ordered_pass, plan.best_pass, plan.spare, plan.limited,"
    " 5, 80, 0, null,"
    " %(queries)s::vector[], array[null]::oid[], array[null]::tid[],"
    " array[%(edge)s], array[true], %(known)s::jsonb[], %(complete)s::bool[], null)"
    " as walked"
)


def walk_of(docs: Docs) -> dict[str, Any]:
    """Parameters of WALK for a query of which no near rows are known."""
    query = docs.vectors[3] + 0.01
    edge = float(np.sort(distances(docs.vectors, query, "cosine"))[4]) + TOLERANCE
    return {"queries": [text(query)], "edge": edge, "known": [None], "complete": None}


def test_a_row_that_moved_is_still_found(docs: Docs) -> None:
    """Rows known by their place in the table are looked for by distance, if missing."""
    given = walk_of(docs)
    with scanning(docs.conn, docs.index.name):
        ((near, spots),) = docs.conn.execute(WALK, given).fetchall()
    assert len(near[0]) == len(spots[0]) == 5
    given |= {"known": [json.dumps(spots[0])], "complete": [True]}
    assert docs.conn.execute(WALK, given).fetchall() == [(near, spots)]
    docs.conn.execute("update docs set title = 'moved' where ctid = %s", [spots[0][0]])
    ((again, moved),) = docs.conn.execute(WALK, given).fetchall()
    assert len(again[0]) == 5
    assert moved[0] != spots[0]


@pytest.mark.parametrize("complete", [True, False])
def test_rows_that_an_earlier_search_found_may_have_equals(
    docs: Docs, complete: bool
) -> None:
    """Another search may find other rows that are as near, unless all are known."""
    given = walk_of(docs)
    ((near, spots),) = docs.conn.execute(WALK, given).fetchall()
    elsewhere = docs.conn.execute(
        "select ctid::text from docs order by embedding <=> %s::vector desc limit 5",
        given["queries"],
    ).fetchall()
    given |= {"known": [json.dumps([row[0] for row in elsewhere])]}
    given |= {"complete": [complete]}
    found = docs.conn.execute(WALK, given).fetchall()
    if complete:
        assert found[0][0] == [[]]
    else:
        assert found == [(near, spots)]


def test_noise_is_the_median_difference(docs: Docs) -> None:
    call = "select mrl._noise(%s, %s)"
    noise = one(docs.conn, call, [1.0, 2.0, 4.0, 9.0], [1.5, 2.2, 3.2, None])
    assert noise == pytest.approx(0.25)
    assert one(docs.conn, call, [1.0], [None]) is None


@pytest.mark.parametrize(
    ("levels", "wider"),
    [
        ([], False),
        ([0.5], True),
        ([0.9, *[0.95] * 6], True),
        ([0.95, *[0.9504] * 6], False),
        ([0.95] * 6, True),
        ([0.9, 0.99, 0.9996], False),
    ],
)
def test_when_a_wider_search_may_help(
    docs: Docs, levels: list[float], wider: bool
) -> None:
    points = [
        {"candidates": 10 * 2**step, "ef_search": 10 * 2**step, "recall": recall}
        for step, recall in enumerate(levels)
    ]
    assert one(docs.conn, "select mrl._wider_may_help(%s)", json.dumps(points)) is wider


def test_times_in_words() -> None:
    words = [about_time(seconds) for seconds in (0.2, 42, 150, 8000)]
    assert words == [
        "about 2 seconds",
        "about 42 seconds",
        "about 2 minutes",
        "about 2 hours",
    ]
