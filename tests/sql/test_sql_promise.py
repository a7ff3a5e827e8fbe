"""recall => … in each function of SQL: the search that was measured is run."""

from collections.abc import Iterator
from typing import Any

import pytest
from psycopg import errors
from support.calibrations import NAME, put
from support.databases import Conn, connection_fixture
from support.plans import nodes
from support.servers import index_scans
from support.sql_calls import assert_exact, ids, keys, many, one, stock, text
from support.sql_plans import ordered, planned, prepared, run
from support.sql_state import notices, refused
from support.vectors import matryoshka, nearest

VECTORS = matryoshka(600)
QUERY = VECTORS[3] * 0.7 + VECTORS[4] * 0.3


shared = connection_fixture(lambda conn: stock(conn, VECTORS))


@pytest.fixture
def docs(shared: Conn) -> Iterator[Conn]:
    """The table with three searches calibrated, and one with a filter."""
    with shared.transaction(force_rollback=True):
        put(shared, 12, 0.91, 0.9, 1.0, ef_search=22)
        put(shared, 30, 0.96, 0.95, 2.0)
        put(shared, 200, 0.97, 0.96, 2.5, shares={0.7: 5, 1: 495})
        put(shared, 1500, 0.995, 0.99, 3.0)
        put(shared, 70, 0.96, 0.95, 2.0, filter="n < 50", share=0.5)
        yield shared


def effort(conn: Conn, **options: Any) -> tuple[int, str, str]:
    """Candidates in the statement that mrl.search runs, ef_search and kind of scan."""
    calls = (
        "select statement, settings from mrl._plan('rows',"
        " array[%(query)s]::vector[], jsonb_build_object("
        "'table_id', 'docs'::regclass::oid, 'full_column', 'embedding',"
        " 'k', %(k)s::int, 'candidates', %(candidates)s::int,"
        " 'filter', %(filter)s::text, 'ef_search', %(ef_search)s::int,"
        " 'exact', %(exact)s::bool, 'recall', %(recall)s::float8,"
        " 'quantile', %(quantile)s::float8, 'attempt', 1,"
        " 'share', mrl._share('docs'::regclass, %(filter)s, null)))"
    )
    names = (
        *("k", "candidates", "filter", "ef_search", "exact", "recall", "quantile"),
    )
    given = {"query": text(QUERY), **dict.fromkeys(names), "k": 10, "exact": False}
    ((statement, settings),) = conn.execute(calls.encode(), {**given, **options})
    limits = [
        int(line.split()[1]) for line in statement.splitlines() if "limit" in line
    ]
    return max(limits), *(settings or ["", ""])[:2]


@pytest.mark.parametrize(
    ("options", "done"),
    [
        ({"recall": 0.9}, (12, "22", "off")),
        ({"recall": 0.95}, (30, "30", "off")),
        ({"recall": 0.95, "quantile": 0.95}, (200, "200", "off")),
        ({"recall": 0.99}, (1500, "1000", "relaxed_order")),
        ({"recall": 0.95, "filter": "n < 50"}, (70, "70", "relaxed_order")),
        # what is named wins
        ({"recall": 0.95, "candidates": 44}, (44, "44", "off")),
        ({"recall": 0.95, "ef_search": 99}, (30, "99", "off")),
        ({"recall": 0.95, "exact": True}, (10, "", "")),
        ({"k": 3, "recall": 0.9}, (12, "22", "off")),
        ({}, (160, "160", "off")),
    ],
)
def test_the_calibrated_search_is_run(
    docs: Conn, options: dict[str, Any], done: tuple[int, str, str]
) -> None:
    assert effort(docs, **options) == done
    k = options.get("k", 10)
    with notices(docs) as told:
        if not options.get("exact"):
            assert ordered(planned(docs, "rows", [QUERY], **options)) == [NAME]
        answers = keys(docs, QUERY, **options)
        assert_exact(answers, VECTORS, QUERY)
        found = [key for key, _ in answers]
        assert ids(docs, QUERY, **options) == found
        assert [key for key, _ in many(docs, [QUERY], **options)[0]] == found
    assert told == []
    if options.get("recall") == 0.99 or options.get("exact"):
        assert found == nearest(VECTORS, QUERY, k)
    assert len(found) == k


def test_a_printed_statement_has_the_candidates_in_it(docs: Conn) -> None:
    for recall, quantile, candidates, ef_search in (
        (0.9, None, 12, 22),
        (0.95, None, 30, 30),
        (0.95, 0.95, 200, 200),
    ):
        call = (
            "select mrl.search_sql('docs', 'embedding', recall => %s, quantile => %s)"
        )
        statement = one(docs, call, recall, quantile)
        assert f"limit {candidates}\n" in statement
        assert f"set_config('hnsw.ef_search', '{ef_search}'" in statement
        root = prepared(docs, statement, ["vector"], [text(QUERY)])
        assert ordered(root) == [NAME]
        rows = run(docs, statement, ["vector"], [text(QUERY)])
        assert_exact(rows, VECTORS, QUERY)


def test_a_made_function_keeps_the_candidates(docs: Conn) -> None:
    call = (
        "select mrl.create_search_function('near', 'docs', 'embedding', recall => 0.9)"
    )
    one(docs, call)
    assert "limit 12\n" in one(
        docs, "select prosrc from pg_proc where proname = 'near'"
    )
    near = "select id from near(%s)"
    assert index_scans(docs, NAME, near, text(QUERY)) == 1
    rows = docs.execute(near, [text(QUERY)]).fetchall()
    assert rows == [(key,) for key in ids(docs, QUERY, recall=0.9)]
    with refused(errors.InvalidParameterValue, "k 13 is outside 1 to 12"):
        docs.execute("select id from near(%s, 13)", [text(QUERY)])


def test_a_made_function_keeps_the_quantile(docs: Conn) -> None:
    one(
        docs,
        "select mrl.create_search_function('near', 'docs', 'embedding',"
        " recall => 0.95, quantile => 0.95)",
    )
    made = one(docs, "select prosrc from pg_proc where proname = 'near'")
    assert "limit 200\n" in made
    # what it says to call if it has to be made again
    assert "quantile => ''0.95''" in made
    rows = docs.execute("select id from near(%s)", [text(QUERY)]).fetchall()
    found = ids(docs, QUERY, recall=0.95, quantile=0.95)
    assert rows == [(key,) for key in found]


@pytest.mark.parametrize(
    "call",
    [
        "select mrl.search(null::docs, 'embedding', '{}', {})",
        "select mrl.search_many(null::docs, 'embedding', array['{}']::vector[], {})",
        "select mrl.search_sql('docs', 'embedding', {1})",
        "select mrl.create_search_function('near', 'docs', 'embedding', {1})",
    ],
)
def test_what_is_no_quantile_is_refused(docs: Conn, call: str) -> None:
    for options, words, hint in (
        ("quantile => 0.9", "0.9 was given without a recall", "recall => 0.95"),
        ("quantile => 1, recall => 0.9", "1 is not a share above 0", "exact => true"),
        (
            "quantile => 'nan', recall => 1, candidates => 9",
            "NaN is not",
            "quantile =>",
        ),
    ):
        refusal = refused(errors.InvalidParameterValue, f"quantile {words}", hint)
        with refusal, docs.transaction():
            docs.execute(call.format(text(QUERY), options).encode())


def test_a_quantile_that_is_not_kept_is_said_with_what_helps(docs: Conn) -> None:
    asked = [
        (0.95, 0.999, 10, "out of reach, because at most 99 % of", "use more dims"),
        (0.95, 0.989, 10, "too few queries were measured: 99 % of", "sample => …"),
        (
            0.8,
            0.5,
            3,
            "none were measured for this k: 0.9950 on",
            "k => 3), for this k",
        ),
    ]
    told: list[tuple[str, str]] = []

    def hear(diag: errors.Diagnostic) -> None:
        told.append((diag.message_primary or "", diag.message_hint or ""))

    docs.add_notice_handler(hear)
    try:
        for recall, quantile, k, _, _ in asked:
            ids(docs, QUERY, recall=recall, quantile=quantile, k=k)
    finally:
        docs.remove_notice_handler(hear)
    for (said, then), (recall, quantile, _, words, hint) in zip(
        told, asked, strict=True
    ):
        assert said.startswith(f"recall {recall}, quantile {quantile}: ")
        assert words in said
        assert hint in then


@pytest.fixture
def bare(shared: Conn) -> Iterator[Conn]:
    """The table without a calibration."""
    with shared.transaction(force_rollback=True):
        yield shared


CALLS = (
    "select mrl.search(null::docs, 'embedding', '{}'{})",
    "select mrl.search_keys(null::bigint, 'docs', 'embedding', '{}'{})",
    "select mrl.search_many(null::docs, 'embedding', array['{}']::vector[]{})",
    "select mrl.search_sql('docs', 'embedding'{1})",
    "select mrl.create_search_function('near', 'docs', 'embedding'{1})",
)


@pytest.mark.parametrize("call", CALLS)
def test_each_warns_once_of_what_is_not_kept(bare: Conn, call: str) -> None:
    wanted = (
        ("", "recall 0.97: there is no calibration for k 10"),
        (", filter => 'n < 5'", "there is no calibration for k 10 with a filter"),
    )
    for filter, said in wanted:
        with notices(bare) as told:
            bare.execute(call.format(text(QUERY), f", recall => 0.97{filter}").encode())
        assert [line for line in told if "cut short" not in line] == told
        (line,) = told
        assert line.startswith("WARNING: ")
        assert said in line
        bare.execute("drop function if exists near")
    with notices(bare) as told:
        put(bare, 30, 0.9, 0.89, 1.0)
        bare.execute(call.format(text(QUERY), ", recall => 0.97").encode())
    bare.execute("drop function if exists near")
    (line,) = told
    assert line.startswith(
        "WARNING: recall 0.97: out of reach, because the most that was measured is 0.9"
    )
    with notices(bare) as told:
        put(bare, 30, 0.99, 0.99, 1.0, k=20, basis="rows")
        bare.execute("delete from mrl._calibrations where k = 10")
        bare.execute(call.format(text(QUERY), ", recall => 0.97").encode())
    (line,) = told
    assert line.startswith("WARNING: recall 0.97: measured 0.9900 on 500 rows of the")


def test_the_hint_is_a_call_that_helps(bare: Conn) -> None:
    hints: list[str] = []
    bare.add_notice_handler(lambda diag: hints.append(diag.message_hint or ""))
    ids(bare, QUERY, recall=0.5, k=7)
    call, _, rest = hints[0].partition(";")
    assert rest.strip().startswith("until then the search takes a safe number")
    bare.execute(call.encode())
    ids(bare, QUERY, recall=0.5, k=7)
    put(bare, 30, 0.98, 0.9, 1.0, k=20)
    ids(bare, QUERY, recall=0.97, k=20)
    assert "sample => …) with a larger sample" in hints[-1]


def test_a_search_without_a_recall_looks_at_no_calibration(docs: Conn) -> None:
    """It is told apart before anything is looked up: mrl._ordinary still plans it."""
    docs.execute("drop function mrl._promised cascade")
    docs.execute("drop function mrl._plan")
    search = "select id from mrl.search(null::docs, 'embedding', %s)"
    assert index_scans(docs, NAME, search, text(QUERY)) == 1
    assert len(docs.execute(search, [text(QUERY)]).fetchall()) == 10


def test_rows_come_though_dead_ones_fill_the_index(conn: Conn) -> None:
    """The second try reads the calibration again, and warns no second time."""
    stock(conn, VECTORS)
    put(conn, 12, 0.91, 0.9, 1.0)
    gone = nearest(VECTORS, QUERY, 100)
    conn.execute("delete from docs where id = any (%s)", [gone])
    with notices(conn) as told:
        found = ids(conn, QUERY, recall=0.95)
    assert (len(found), len(told)) == (10, 1)
    assert not set(found) & set(gone)
    root = planned(conn, "rows", [QUERY], recall=0.95, again=True)
    assert "Limit" in {node["Node Type"] for node, _ in nodes(root)}


def test_a_share_holds_though_the_table_grew_unanalysed(conn: Conn) -> None:
    stock(conn, VECTORS)
    conn.execute("alter table docs set (autovacuum_enabled = false)")
    conn.execute("analyze docs")
    share = "select mrl._share('docs'::regclass, 'n < $1::int', array['10'])"
    before = one(conn, share)
    assert before == pytest.approx(0.1, abs=0.03)
    conn.execute(
        "insert into docs (id, n, embedding)"
        " select id + 1000 * time, n, embedding"
        " from docs cross join generate_series(1, 9) as time"
    )
    assert one(conn, share) == pytest.approx(before, abs=0.01)
