"""Rows of every sort: halves, zeros, NULLs, ties, prefixes as long as the vector."""

import warnings

import numpy as np
import pytest
from support.databases import Conn
from support.plans import explain, first_pass, force_index
from support.tables import make_table
from support.vectors import assert_true, matryoshka, nearest

from mrl_pg import MatryoshkaIndex, NotUnitLengthWarning
from mrl_pg.kinds import Distance, Kind

ROWS, DIMS = 500, 64
KINDS: tuple[Kind, ...] = ("vector", "halfvec", "bit")
DISTANCES: tuple[Distance, ...] = ("cosine", "l2", "ip")
every_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.mark.parametrize("full_type", ["vector", "halfvec"])
@every_kind
def test_a_prefix_may_be_as_long_as_its_vector(
    conn: Conn, full_type: str, kind: Kind
) -> None:
    vectors = matryoshka(ROWS)
    if full_type == "halfvec":
        vectors = vectors.astype(np.float16).astype(np.float32)
    make_table(conn, vectors, full_type=full_type)
    query = 2 * vectors[7] + vectors[8]
    if full_type == "halfvec":
        query = query.astype(np.float16).astype(np.float32)
    force_index(conn)
    for distance in DISTANCES:
        index = MatryoshkaIndex(
            "docs",
            "embedding",
            dims=DIMS,
            kind=kind,
            distance=distance,
            name="docs_bits" if kind == "bit" else "",
        )
        index.create(conn)
        plan = index.plan(conn, query, candidates=400)
        assert first_pass(explain(conn, plan)) == [index.name]
        found = index.search(conn, query, candidates=400)
        assert found.keys[:3] == nearest(vectors, query, 3, distance)
        assert_true(found, vectors, query, distance)
        exact = index.search(conn, query, exact=True)
        assert exact.keys == nearest(vectors, query, 10, distance)
        assert_true(exact, vectors, query, distance)


@every_kind
@pytest.mark.parametrize("distance", DISTANCES)
def test_null_rows_are_never_answered_and_zeros_only_with_a_distance(
    conn: Conn, kind: Kind, distance: Distance
) -> None:
    vectors = matryoshka(300)
    vectors[::3] = 0
    make_table(conn, vectors)
    conn.execute("update docs set embedding = null where id % 3 = 2")
    index = MatryoshkaIndex(
        "docs", "embedding", dims=32, kind=kind, distance=distance, name="short_hnsw"
    )
    with warnings.catch_warnings():
        # zeros are not of length 1, as the build says under l2 and ip
        warnings.simplefilter("ignore", NotUnitLengthWarning)
        index.create(conn)
    query = vectors[2]
    has_distance = {*range(3, 301, 3)}
    if distance != "cosine":
        has_distance |= {*range(1, 301, 3)}
    for forced in (False, True):
        if forced:
            force_index(conn)
            plan = index.plan(conn, query, k=300, candidates=300)
            assert first_pass(explain(conn, plan)) == ["short_hnsw"]
        for exact in (False, True):
            found = index.search(
                conn, query, k=300, candidates=None if exact else 300, exact=exact
            )
            # zeros are hard to reach in a graph of inner products
            if set(found.keys) != has_distance:
                assert distance == "ip"
                assert found.cut_short
                assert {*range(3, 301, 3)} <= set(found.keys) < has_distance
            else:
                assert not found.cut_short
            assert_true(found, vectors, query, distance)
    assert found.keys[0] == 3 or distance == "ip"


@pytest.mark.parametrize("zeros", [150, 155, 160, 400])
def test_zeros_do_not_crowd_out_answers_in_silence(conn: Conn, zeros: int) -> None:
    # every sign bit of a zero is 0, as near as can be to a query below zero
    vectors = matryoshka(600)
    vectors[:zeros] = 0
    make_table(conn, vectors)
    index = MatryoshkaIndex("docs", "embedding", dims=32, kind="bit")
    index.create(conn)
    force_index(conn)
    query = -np.abs(vectors[599])
    for where in (None, "n >= 0"):
        found = index.search(conn, query, k=10, filter=where)
        assert found.seen == max(0, 160 - zeros)
        # under a filter only an answer of fewer than k is called short
        assert found.cut_short == (where is None or len(found) < 10)
        wide = index.search(conn, query, k=10, candidates=600, filter=where)
        # so many equal bits may keep the walk from the rest of the graph
        if not wide.cut_short:
            assert wide.keys == nearest(vectors[zeros:], query, start=zeros + 1)
            assert wide.seen == 600 - zeros


def test_an_empty_table_grows_into_its_index(conn: Conn) -> None:
    vectors = matryoshka(400)
    make_table(conn, vectors[:0])
    index = MatryoshkaIndex("docs", "embedding", dims=32)
    index.create(conn)
    found = index.search(conn, vectors[0])
    assert (found.keys, found.seen, found.cut_short) == ([], 0, False)
    conn.execute("create table more (like docs)")
    conn.execute("drop table more")
    values = [(i, str(vector.tolist())) for i, vector in enumerate(vectors, 1)]
    with conn.cursor() as cursor:
        cursor.executemany("insert into docs (id, embedding) values (%s, %s)", values)
    force_index(conn)
    plan = index.plan(conn, vectors[0])
    assert first_pass(explain(conn, plan)) == [index.name]
    assert index.search(conn, vectors[0]).keys == nearest(vectors, vectors[0])


def test_a_changed_vector_moves(conn: Conn) -> None:
    vectors = matryoshka(400)
    make_table(conn, vectors)
    index = MatryoshkaIndex("docs", "embedding", dims=32)
    index.create(conn)
    force_index(conn)
    assert index.search(conn, vectors[9], k=1).keys == [10]
    update = "update docs set embedding = %s::vector where id = 10"
    conn.execute(update, [str((-vectors[9]).tolist())])
    assert index.search(conn, vectors[9]).keys == nearest(
        np.vstack([vectors[:9], -vectors[9:10], vectors[10:]]), vectors[9]
    )
    assert index.search(conn, -vectors[9], k=1).keys == [10]


def test_ties_go_by_key(conn: Conn) -> None:
    vectors = matryoshka(300)
    vectors[[250, 20, 199, 3, 77]] = vectors[11]
    make_table(conn, vectors)
    index = MatryoshkaIndex("docs", "embedding", dims=32)
    index.create(conn)
    force_index(conn)
    for exact in (False, True):
        found = index.search(conn, vectors[11], k=6, exact=exact)
        assert found.keys == [4, 12, 21, 78, 200, 251]
        assert len({hit.distance for hit in found}) == 1


def test_a_halfvec_rounds_the_query_as_it_rounds_the_rows(conn: Conn) -> None:
    vectors = matryoshka(400)
    make_table(conn, vectors, full_type="halfvec")
    index = MatryoshkaIndex("docs", "embedding", dims=32)
    index.create(conn)
    force_index(conn)
    rounded = vectors.astype(np.float16).astype(np.float32)
    for exact in (False, True):
        found = index.search(conn, vectors[5], exact=exact)
        assert found.keys[0] == 6
        assert abs(found[0].distance) < 1e-6
        assert_true(found, rounded, rounded[5])


@pytest.mark.parametrize("full_type", ["vector", "halfvec"])
@pytest.mark.parametrize("scale", [1e-42, 1e-30, 1e-9, 1e3, 1e18, 1e38])
def test_the_length_of_the_query_does_not_matter_under_cosine(
    conn: Conn, scale: float, full_type: str
) -> None:
    vectors = matryoshka(400).astype(np.float16).astype(np.float32)
    make_table(conn, vectors, full_type=full_type)
    index = MatryoshkaIndex("docs", "embedding", dims=32)
    index.create(conn)
    force_index(conn)
    query = vectors[5].astype(np.float64) * scale
    for exact in (False, True):
        found = index.search(conn, query, exact=exact)
        # a subnormal number has few digits left
        assert found.keys[:3] == nearest(vectors, query, 3)
        # halves round the query, by up to 1 in 2048
        tolerance = 1e-5 if full_type == "vector" else 5e-4
        single = query.astype(np.float32)
        assert_true(found, vectors, single, tolerance=tolerance)
