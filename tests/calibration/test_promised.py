"""mrl._promised: the cheapest search that keeps a recall, or a safe one."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from psycopg import errors, sql
from support.calibrations import NAME, Promised, calibrate, promised, put
from support.databases import Conn, connection_fixture
from support.sql_calls import create, one, stock
from support.sql_state import refused
from support.tables import append
from support.vectors import matryoshka

from mrl_pg import MatryoshkaIndex
from mrl_pg.calibration.margin import misses_of_rows, supported
from mrl_pg.search.promise import Basis

VECTORS = matryoshka(100)


shared = connection_fixture(lambda conn: stock(conn, VECTORS))


@pytest.fixture
def docs(shared: Conn) -> Iterator[Conn]:
    """The table, with nothing calibrated; what a test puts there goes again."""
    with shared.transaction(force_rollback=True):
        yield shared


def test_the_cheapest_that_keeps_it_is_taken(docs: Conn) -> None:
    put(docs, 20, 0.91, 0.90, 1.0)
    put(docs, 40, 0.96, 0.95, 3.0)
    put(docs, 80, 0.97, 0.96, 2.0)
    put(docs, 160, 0.995, 0.99, 4.0)
    put(docs, 2000, 1.0, 0.998, 9.0)
    assert promised(docs, recall=0.9) == Promised(20, 20, "measured", 0.91, 0.90)
    # by time, not by candidates
    assert promised(docs, recall=0.95) == Promised(80, 80, "measured", 0.97, 0.96)
    assert promised(docs, recall=0.99) == Promised(160, 160, "measured", 0.995, 0.99)
    assert promised(docs, recall=0.999) == Promised(2000, 1000, "measured", 1.0, 0.998)


def test_more_recall_never_takes_less(docs: Conn) -> None:
    random = np.random.default_rng(5)
    for _ in range(8):
        docs.execute("delete from mrl._calibrations")
        for filter in ("", "n < 5", "n < 50"):
            for ef_search in range(20, 100, 20):
                width = int(random.integers(10, ef_search + 1))
                recall = float(random.uniform(0.9, 1))
                low, ms = recall - float(random.uniform(0, 0.02)), random.uniform(1, 9)
                put(docs, width, recall, low, ms, filter=filter, ef_search=ef_search)
        for filtered in (False, True):
            asked = [
                promised(docs, recall=share, filtered=filtered)
                for share in (0.5, 0.9, 0.93, 0.95, 0.97, 0.99, 1)
            ]
            for less, more in pairwise(asked):
                for below, above in zip(less[:2], more[:2], strict=True):
                    assert below is not None and above is not None
                    assert above >= below


def test_mean_and_bound_must_both_keep_it(docs: Conn) -> None:
    put(docs, 20, 0.989, 0.989, 1.0)
    put(docs, 40, 0.99, 0.9849, 2.0)
    put(docs, 80, 0.99, 0.985, 3.0)
    # the mean reaches it, the bound comes within half a percent
    assert promised(docs, recall=0.99).candidates == 80


def test_out_of_reach_is_the_most_thorough(docs: Conn) -> None:
    put(docs, 20, 0.8, 0.79, 1.0)
    put(docs, 80, 0.9, 0.89, 3.0)
    put(docs, 160, 0.9, 0.89, 4.0)
    assert promised(docs) == Promised(80, 80, "unreached", 0.9, 0.89)


def test_of_few_queries_the_highest_mean_is_taken(docs: Conn) -> None:
    """The bound may lie far below a mean of few queries."""
    put(docs, 20, 0.99, 0.98, 1.0)
    put(docs, 40, 1.0, 0.93, 2.0)
    assert promised(docs, recall=0.999) == Promised(40, 40, "unreached", 1, 0.93)


def test_a_calibration_holds_for_fewer_answers_and_not_for_more(docs: Conn) -> None:
    put(docs, 100, 0.99, 0.99, 1.0, k=50)
    put(docs, 300, 0.99, 0.99, 1.0, k=100)
    assert promised(docs, k=10).candidates == 100
    assert promised(docs, k=50).candidates == 100
    assert promised(docs, k=51).candidates == 300
    assert promised(docs, k=101) == Promised(2424, 1000, "uncalibrated", None, None)


@pytest.mark.parametrize(
    ("k", "recall", "candidates"),
    [
        (1, 0.5, 160),
        (10, 0.95, 160),
        (10, 0.951, 480),
        (10, 0.99, 480),
        (10, 0.991, 1280),
        (100, 0.95, 800),
        (100, 0.99, 2400),
        (100, 1, 6400),
        (500_000_000, 1, 1_000_000_000),
    ],
)
def test_safe_candidates_without_a_calibration(
    docs: Conn, k: int, recall: float, candidates: int
) -> None:
    found = promised(docs, k, recall)
    wide = min(candidates, 1000)
    assert found == Promised(candidates, wide, "uncalibrated", None, None)


def test_filters_have_their_own_the_safest_of_all(docs: Conn) -> None:
    put(docs, 20, 0.99, 0.99, 1.0)
    assert promised(docs, filtered=True).standing == "uncalibrated"
    put(docs, 40, 0.992, 0.99, 1.0, filter="n < 5", ef_search=90)
    # another filter must have missed half of what is allowed at most
    # and nobody looks how far away the answer is
    borrowed = Promised(40, 90, "unreached", 0.992, 0.99)
    assert promised(docs, recall=0.984, filtered=True) == borrowed
    words = "select words from mrl._promised('docs'::regclass, %s, 10, %s, true)"
    assert "whose answers may be nearer" in one(docs, words, NAME, 0.984)
    assert "another filter, which must find more" in one(docs, words, NAME, 0.985)
    index = MatryoshkaIndex("docs", "embedding", dims=32)
    result = index.search(docs, VECTORS[0], recall=0.985, filter="n < 90")
    assert str(result.promise).endswith("; calibrate with this filter")
    put(docs, 60, 0.995, 0.993, 1.0, filter="n < 50", ef_search=70)
    # what any filter that was measured would take
    both = Promised(60, 90, "unreached", 0.992, 0.99)
    assert promised(docs, recall=0.984, filtered=True) == both
    put(docs, 30, 0.9, 0.88, 1.0, filter="n = 7")
    worst = Promised(60, 90, "unreached", 0.9, 0.88)
    assert promised(docs, recall=0.984, filtered=True) == worst
    assert promised(docs) == Promised(20, 20, "measured", 0.99, 0.99)


@pytest.mark.parametrize(
    ("share", "candidates"),
    [
        # between two that were measured: the safer of both, whichever that is
        (0.2, 90),
        (0.04, 90),
        (0.6, 50),
        (0.7, 50),
        (0.9, 20),
        (0.3, 90),
        # near enough to one
        (0.006, 90),
        (0.012, 90),
        (0.41, 50),
        # more selective than anything measured
        (0.004, None),
        (0.0, None),
    ],
)
def test_a_filter_takes_what_filters_as_selective_take(
    docs: Conn, share: float, candidates: int | None
) -> None:
    put(docs, 20, 0.99, 0.99, 1.0)
    put(docs, 90, 0.99, 0.99, 1.0, filter="n = 1", share=0.01)
    put(docs, 50, 0.99, 0.99, 1.0, filter="n < 50", share=0.5)
    asked: dict[str, Any] = {"filtered": True, "share": share, "recall": 0.98}
    found = promised(docs, filter="n in (1, 2)", **asked)
    wanted = ("uncalibrated", 480) if candidates is None else ("unreached", candidates)
    assert (found.standing, found.candidates) == wanted
    own = promised(docs, filter="n = 1", **asked)
    assert (own.standing, own.candidates) == ("measured", 90)


def test_every_row_speaks_for_filters_that_let_most_through(docs: Conn) -> None:
    put(docs, 20, 0.99, 0.99, 1.0)
    assert promised(docs, filtered=True, share=0.6).candidates == 20
    assert promised(docs, filtered=True, share=0.4).standing == "uncalibrated"
    docs.execute("delete from mrl._calibrations")
    put(docs, 50, 0.99, 0.99, 1.0, filter="n < 10", share=0.1)
    # of few rows says nothing about nearly all
    assert promised(docs, filtered=True, share=0.9).standing == "uncalibrated"
    assert promised(docs, filtered=True, share=0.15).candidates == 50


def test_a_filter_measured_for_more_answers_alone_counts_too(docs: Conn) -> None:
    put(docs, 40, 0.99, 0.99, 1.0, k=10, filter="n < 5")
    put(docs, 400, 0.99, 0.99, 1.0, k=100, filter="n < 50")
    assert promised(docs, k=10, filtered=True).candidates == 400


def test_a_function_for_roles_with_a_policy_borrows_nothing(docs: Conn) -> None:
    """The owner, whom no policy limits, makes it: limited, but without a filter."""
    put(docs, 40, 0.99, 0.99, 1.0)
    asked = promised(docs, filtered=True, filter="")
    assert asked.standing == "uncalibrated"


def test_rows_stand_in_for_queries_with_a_margin(docs: Conn) -> None:
    put(docs, 20, 0.96, 0.955, 1.0, basis="rows")
    put(docs, 60, 0.97, 0.965, 2.0, basis="rows")
    put(docs, 200, 0.999, 0.998, 3.0, basis="rows")
    # more than is asked, and more of the graph: 1 - (0.04 / 0.8) ** (1 / 1.2)
    assert promised(docs, recall=0.9176) == Promised(20, 80, "rows", 0.96, 0.955)
    assert promised(docs, recall=0.9177) == Promised(60, 80, "rows", 0.97, 0.965)
    assert promised(docs, recall=0.9351) == Promised(60, 80, "rows", 0.97, 0.965)
    assert promised(docs, recall=0.9961) == Promised(200, 200, "rows", 0.999, 0.998)
    assert promised(docs, recall=0.9962) == Promised(
        200, 200, "unreached", 0.999, 0.998
    )
    docs.execute("update mrl._calibrations set basis = 'distances'")
    assert promised(docs, recall=0.96) == Promised(20, 80, "corrected", 0.96, 0.955)
    assert promised(docs, recall=0.999).standing == "corrected"
    # rows that real queries are unlike say nothing
    docs.execute("update mrl._calibrations set basis = 'unlike'")
    assert promised(docs, recall=0.1) == Promised(200, 200, "unreached", 0.999, 0.998)
    # of an older version, which did not say
    docs.execute("update mrl._calibrations set basis = null")
    assert promised(docs, recall=0.9).standing == "rows"


def test_another_index_has_its_own(docs: Conn) -> None:
    put(docs, 20, 0.99, 0.99, 1.0)
    other = create(docs, dims=8)
    assert promised(docs, name=other).standing == "uncalibrated"
    put(docs, 50, 0.99, 0.99, 1.0, name=other)
    assert (promised(docs, name=other).candidates, promised(docs).candidates) == (
        50,
        20,
    )


@pytest.mark.parametrize(
    ("rows", "promise"),
    [(80, "measured"), (120, "measured"), (79, "stale"), (121, "stale")],
)
def test_a_fifth_of_the_rows_may_change(conn: Conn, rows: int, promise: str) -> None:
    # on a table of its own: a rollback does not take back what analyze wrote
    stock(conn, VECTORS)
    put(conn, 20, 0.99, 0.99, 1.0)
    if rows < 100:
        conn.execute("delete from docs where id > %s", [rows])
    else:
        new = matryoshka(rows - 100, seed=2)
        append(conn, new, sql.Identifier("docs"), first=101)
    # PostgreSQL counts changes before it looks at the rows
    assert promised(conn).standing == promise
    conn.execute("analyze docs")
    found = promised(conn)
    assert found.standing == promise
    # and looks at the rows if it does not count
    conn.execute("update mrl._calibrations set changes = null")
    assert promised(conn).standing == promise
    if promise == "stale":
        assert found == Promised(480, 480, "stale", None, None)


REPLACED = {
    "in place": (
        "update docs set embedding = (select other.embedding from docs as other"
        " where other.id = docs.id % 100 + 1)"
    ),
    "truncate and copy": (
        "create temp table old as select id, n, title, embedding from docs;"
        " truncate docs; insert into docs (id, n, title, embedding) select * from old"
    ),
    "delete and insert": (
        "create temp table old as select id, n, title, embedding from docs;"
        " delete from docs;"
        " insert into docs (id, n, title, embedding) select * from old"
    ),
}


@pytest.mark.parametrize("how", REPLACED)
def test_rows_replaced_at_the_same_count_are_noticed(conn: Conn, how: str) -> None:
    stock(conn, VECTORS)
    put(conn, 20, 0.99, 0.99, 1.0)
    with conn.transaction(force_rollback=True):
        conn.execute(REPLACED[how].encode())
        # in the transaction that does it, too
        assert promised(conn).standing == "stale"
    conn.execute("truncate mrl._calibrations")
    conn.execute("vacuum docs")
    put(conn, 20, 0.99, 0.99, 1.0)
    assert promised(conn).standing == "measured"
    conn.execute(REPLACED[how].encode())
    assert promised(conn).standing == "stale"
    conn.execute("analyze docs")
    assert promised(conn).standing == "stale"
    words = "select words from mrl._promised('docs'::regclass, %s, 10, 0.9, false)"
    assert "00 rows were inserted, updated or deleted since" in one(conn, words, NAME)


def test_changes_are_counted_through_a_reset_and_a_restore(conn: Conn) -> None:
    stock(conn, VECTORS)
    put(conn, 20, 0.99, 0.99, 1.0)
    # other sessions may not have reported theirs yet
    conn.execute("update mrl._calibrations set changes = changes + 15")
    assert promised(conn).standing == "measured"
    conn.execute("update mrl._calibrations set changes = changes + 5000")
    # counted anew, and all rows have been inserted since
    assert promised(conn).standing == "stale"
    conn.execute("update mrl._calibrations set born = 'elsewhere'")
    assert promised(conn).standing == "measured"
    conn.execute(REPLACED["in place"].encode())
    assert promised(conn).standing == "stale"


def test_changes_of_partitions_are_added(conn: Conn) -> None:
    conn.execute(
        "create table parts (id int, n int) partition by hash (id);"
        "create table part_0 partition of parts"
        " for values with (modulus 2, remainder 0);"
        "create table part_1 partition of parts"
        " for values with (modulus 2, remainder 1)"
    )
    conn.execute("insert into parts select i, i from generate_series(1, 50) as i")
    conn.execute("delete from parts where id <= 10")
    conn.execute("analyze parts")
    counts = "select rows, unsure, changes from mrl._counts('parts'::regclass)"
    assert conn.execute(counts).fetchall() == [(40, 0, 60)]


def test_answers_at_other_distances_end_a_promise(conn: Conn) -> None:
    stock(conn, VECTORS)
    put(conn, 20, 0.99, 0.99, 1.0)
    put(conn, 20, 0.99, 0.99, 1.0, k=3, basis="rows")
    one(conn, "select mrl.sample_distances('docs', 'embedding', 1, 400)")
    even = [place / 20 for place in range(21)]
    conn.execute("update mrl._calibrations set reach = %s", [even])
    keep = (
        "select count(mrl.keep_distance("
        "'docs', 'embedding', %s, i * 387 %% 1000 * %s::float8))"
        " from generate_series(1, 999) as i"
    )
    one(conn, keep, 10, 0.001)
    assert one(conn, "select count(*) from mrl.kept_distances") > 200
    assert promised(conn).standing == "measured"
    one(conn, "select mrl.forget_queries('docs', 'embedding')")
    one(conn, keep, 10, 0.0007)
    assert promised(conn).standing == "stale"
    other = promised(conn, recall=0.98, filtered=True, share=1)
    assert other.standing == "unreached"
    # what was kept before the calibration says nothing about it
    conn.execute("update mrl._calibrations set measured_at = now() + interval '1 s'")
    assert promised(conn).standing == "measured"
    # rows are at other distances from the beginning
    one(conn, keep, 3, 0.0007)
    assert promised(conn, k=3, recall=0.9).standing == "rows"


@pytest.mark.parametrize("options", ["m = 8", "ef_construction = 100"])
def test_an_index_built_with_something_else_is_stale(docs: Conn, options: str) -> None:
    put(docs, 20, 0.99, 0.99, 1.0)
    column = "embedding_32_halfvec halfvec_cosine_ops"
    for how, promise in ((options, "stale"), ("m = 16", "measured")):
        docs.execute(f"drop index {NAME}".encode())
        made = f"create index {NAME} on docs using hnsw ({column}) with ({how})"
        docs.execute(made.encode())
        assert promised(docs).standing == promise


def test_a_calibration_before_the_first_analyze_counts_for_itself(conn: Conn) -> None:
    """It was stale as soon as PostgreSQL had counted."""
    stock(conn, VECTORS)
    conn.execute("truncate docs")
    append(conn, VECTORS, sql.Identifier("docs"))
    (kept, *_) = calibrate(conn, k=3, sample=20)
    assert kept.rows == 100
    assert promised(conn, k=3, recall=0.5).standing == "rows"
    conn.execute("analyze docs")
    assert promised(conn, k=3, recall=0.5).standing == "rows"


@pytest.mark.parametrize("recall", [0.0, -0.1, 1.001, float("nan"), None])
def test_what_is_no_recall_is_refused(docs: Conn, recall: float | None) -> None:
    with (
        refused(errors.InvalidParameterValue, "is not a share above 0", "recall => 0"),
        docs.transaction(),
    ):
        promised(docs, recall=recall)


@pytest.mark.parametrize("basis", ["queries", "distances", "unlike", "outside", "rows"])
def test_sql_and_python_take_the_same_margin(docs: Conn, basis: Basis) -> None:
    shares = [-1e-12, 0.0, 0.0003, 0.01, 0.07, 0.3, 0.9, 1.0]
    call = "select mrl._supported(%s, missed) from unnest(%s::float8[]) as missed"
    found = [row[0] for row in docs.execute(call, [basis, shares])]
    if basis == "unlike":
        assert found == [None] * len(shares)
        return
    assert found == pytest.approx([supported(basis, share) for share in shares])
    assert found == sorted(found, reverse=True)
    # what rows may miss is what supports the recall, and never more than it allows
    for recall in (0.5, 0.9, 0.99, 0.999, 1.0):
        missed = misses_of_rows(recall)
        assert supported("rows", missed) == pytest.approx(recall)
        assert missed <= 1 - recall
