"""How far the first pass goes: many candidates, filters, dead rows, cut short."""

from collections.abc import Iterator

import pytest
from support.databases import Conn, Server, connect
from support.plans import explain, first_pass, force_index, nodes
from support.tables import Docs, fresh_docs, make_table
from support.vectors import assert_true, matryoshka, nearest, recall

from mrl_pg import MatryoshkaIndex

ROWS = 4000


@pytest.fixture(scope="module")
def shared(pg_server: Server) -> Iterator[Docs]:
    with fresh_docs(pg_server, ROWS) as docs:
        yield docs


@pytest.fixture
def docs(shared: Docs) -> Iterator[Docs]:
    """The shared table, on a connection that must use the index."""
    with connect(shared.url) as conn:
        force_index(conn)
        yield Docs(shared.url, conn, shared.vectors, shared.index)


def test_candidates_go_beyond_ef_search(docs: Docs) -> None:
    query = docs.vectors[11]
    plan = docs.index.plan(docs.conn, query, candidates=3000)
    assert first_pass(explain(docs.conn, plan)) == [docs.index.name]
    found = docs.index.search(docs.conn, query, k=2500, candidates=3000)
    assert (found.candidates, found.seen, found.ef_search) == (3000, 3000, 1000)
    assert (found.scan, found.cut_short, len(found)) == ("iterative", False, 2500)
    assert_true(found, docs.vectors, query)
    assert recall(found, nearest(docs.vectors, query, 2500)) > 0.9


def test_more_candidates_than_rows_answer_every_row(docs: Docs) -> None:
    query = docs.vectors[12]
    found = docs.index.search(docs.conn, query, k=4500, candidates=5000)
    assert sorted(found.keys) == [*range(1, ROWS + 1)]
    assert (found.seen, found.cut_short) == (ROWS, False)
    assert_true(found, docs.vectors, query)


def test_the_planner_may_sort_and_the_answer_is_the_same(shared: Docs) -> None:
    query = shared.vectors[13]
    plan = shared.index.plan(shared.conn, query, candidates=3900)
    root = explain(shared.conn, plan)
    assert first_pass(root) == []
    assert "Seq Scan" in {node["Node Type"] for node, _ in nodes(root)}
    found = shared.index.search(shared.conn, query, candidates=3900)
    assert found.keys == nearest(shared.vectors, query)
    assert (found.seen, found.cut_short) == (3900, False)


@pytest.mark.parametrize("forced", [True, False], ids=["index", "planner"])
def test_a_selective_filter_fills_k(docs: Docs, forced: bool) -> None:
    query = docs.vectors[14]
    if not forced:
        docs.conn.execute("reset all")
    plan = docs.index.plan(docs.conn, query, filter="n = 7")
    assert first_pass(explain(docs.conn, plan)) == [docs.index.name] * forced
    found = docs.index.search(docs.conn, query, filter="n = 7")
    truth = [key for key in nearest(docs.vectors, query, ROWS) if key % 100 == 7]
    assert found.keys == truth[:10]
    assert (found.seen, found.scan, found.cut_short) == (40, "iterative", False)


def test_a_filter_that_leaves_fewer_than_k_gives_them_all(docs: Docs) -> None:
    query = docs.vectors[15]
    where = "id in (5, 50, 500)"
    plan = docs.index.plan(docs.conn, query, filter="mod(id, 1000) = 500")
    assert first_pass(explain(docs.conn, plan)) == [docs.index.name]
    found = docs.index.search(docs.conn, query, filter="mod(id, 1000) = 500")
    assert sorted(found.keys) == [500, 1500, 2500, 3500]
    assert (found.seen, found.cut_short) == (4, False)
    assert sorted(docs.index.search(docs.conn, query, filter=where).keys) == [
        5,
        50,
        500,
    ]
    # values by place were taken for too few
    where, params = "mod(id, %s) = %s", [1000, 500]
    assert docs.index.search(docs.conn, query, filter=where, params=params) == found
    many = docs.index.search_many(docs.conn, [query], filter=where, params=params)
    assert many == [found]


def test_a_filter_that_leaves_nothing_gives_nothing(docs: Docs) -> None:
    for where in ("false", "id = -1", "mod(id, 7) = 8", "null"):
        found = docs.index.search(docs.conn, docs.vectors[0], filter=where)
        assert (len(found), found.keys) == (0, [])
        assert (found.seen, found.cut_short) == (0, False)


FAR = "id = any(%(ids)s)"


def test_a_scan_stopped_early_says_so(docs: Docs) -> None:
    # the last few of 4000 rows: what the scan visits before it stops holds none
    query = docs.vectors[16]
    far = nearest(docs.vectors, query, ROWS)[-20:]
    index, params = docs.index, {"ids": far}
    plan = index.plan(docs.conn, query, filter=FAR, params=params, max_scan_tuples=1)
    assert first_pass(explain(docs.conn, plan)) == [index.name]
    stopped = index.search(
        docs.conn, query, filter=FAR, params=params, max_scan_tuples=1
    )
    assert stopped.cut_short
    assert len(stopped) < 10
    assert stopped.seen == len(stopped)
    whole = index.search(docs.conn, query, filter=FAR, params=params)
    assert not whole.cut_short
    assert whole.keys == far[:10]
    assert whole.seen == 20


def test_k_rows_from_too_few_candidates_show_in_seen(docs: Docs) -> None:
    """Whether a filter lets more through is counted only when k was not reached."""
    query = docs.vectors[17]
    ranked = nearest(docs.vectors, query, ROWS)
    found, short = (
        docs.index.search(
            docs.conn,
            query,
            k=k,
            candidates=20,
            filter=FAR,
            params={"ids": ranked[:3] + ranked[-40:]},
            max_scan_tuples=1,
        )
        for k in (2, 20)
    )
    assert found.keys == ranked[:2]
    assert found.seen is not None
    assert 3 <= found.seen < 20
    assert not found.cut_short
    assert len(short) == short.seen == found.seen
    assert short.cut_short


def test_dead_rows_do_not_starve_a_search(conn: Conn) -> None:
    vectors = matryoshka(3000)
    make_table(conn, vectors)
    index = MatryoshkaIndex("docs", "embedding", dims=32)
    index.create(conn)
    force_index(conn)
    query = vectors[19]
    assert index.search(conn, query).scan == "single"
    conn.execute("delete from docs where mod(id, 20) <> 0")
    plan = index.plan(conn, query)
    assert first_pass(explain(conn, plan)) == [index.name]
    found = index.search(conn, query)
    left = [key for key in nearest(vectors, query, 3000) if key % 20 == 0]
    assert found.keys == left[:10]
    assert found.scan == "iterative"
    assert (found.seen, found.cut_short) == (150, False)
    assert_true(found, vectors, query)
    many = index.search_many(conn, [query, vectors[39]], k=5, candidates=100)
    assert many[0].keys == left[:5]
    assert [(one.scan, one.seen) for one in many] == [("iterative", 100)] * 2


def test_an_emptied_table_answers_nothing(conn: Conn) -> None:
    vectors = matryoshka(300)
    make_table(conn, vectors)
    index = MatryoshkaIndex("docs", "embedding", dims=32)
    index.create(conn)
    conn.execute("delete from docs")
    force_index(conn)
    for exact in (False, True):
        found = index.search(conn, vectors[0], exact=exact)
        assert (len(found), found.cut_short) == (0, False)
    conn.execute("truncate docs")
    assert index.search(conn, vectors[0]).keys == []
