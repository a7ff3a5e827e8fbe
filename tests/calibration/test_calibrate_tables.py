"""mrl.calibrate on every kind of table, column and distance; searches then keep it."""

from typing import Any

import numpy as np
import pytest
from psycopg import sql
from support.calibrations import calibrate, lower_bound, recalls_of
from support.databases import Conn
from support.plans import force_index
from support.sql_calls import create, keys, many, named, one, stock, text
from support.sql_plans import ordered, planned, scanning
from support.tables import append, make_partitioned, make_table
from support.vectors import matryoshka, nearest

from mrl_pg.kinds import Distance, Kind

VECTORS = matryoshka(150)
# as a halfvec holds them, too
QUERIES = matryoshka(10, seed=9).astype(np.float16).astype(np.float32)
ASKED = [text(query) for query in QUERIES]


def judge(
    conn: Conn, kept: list[Any], distance: Distance, stored: Any, **options: Any
) -> None:
    """Each point is what mrl.search_many finds."""
    assert kept
    for point in kept:
        effort = {"candidates": point.candidates, "ef_search": point.ef_search}
        answers = many(conn, [*QUERIES], k=point.k, **effort, **options)
        found = recalls_of(answers, stored, QUERIES, point.k, distance)
        assert point.recall == pytest.approx(np.mean(found), abs=1e-9)
        assert point.low == pytest.approx(lower_bound(found), abs=1e-6)
    assert max(point.recall for point in kept) == 1


@pytest.mark.parametrize("full_type", ["vector", "halfvec"])
@pytest.mark.parametrize("kind", ["vector", "halfvec", "bit"])
@pytest.mark.parametrize("distance", ["cosine", "l2", "ip"])
def test_kinds_and_distances(
    conn: Conn, full_type: str, kind: Kind, distance: Distance
) -> None:
    name = stock(conn, VECTORS, full_type=full_type, kind=kind, distance=distance)
    with scanning(conn, name):
        kept = calibrate(conn, k=5, queries=ASKED)
    stored = VECTORS
    if full_type == "halfvec":
        stored = VECTORS.astype(np.float16).astype(np.float32)
    judge(conn, kept, distance, stored)
    sampled = calibrate(conn, k=5, sample=10)
    assert {point.queries for point in sampled} == {10}
    root = planned(conn, "rows", [QUERIES[0]], k=5, recall=0.9)
    assert ordered(root) == [name]


def test_the_parent_of_partitions(conn: Conn) -> None:
    make_partitioned(conn)
    append(conn, VECTORS, sql.Identifier("docs"))
    create(conn)
    conn.execute("analyze docs")
    force_index(conn)
    judge(conn, calibrate(conn, k=5, queries=ASKED), "cosine", VECTORS)
    # each row left out by part and place, for places repeat
    kept = calibrate(conn, k=5, sample=1000)
    assert {(point.queries, point.rows) for point in kept} == {(150, 150)}
    for point in kept:
        if point.candidates == point.ef_search:
            found = one(
                conn,
                "select recall from mrl.recall('docs', 'embedding', k => 5,"
                " candidates => %s, sample => 1000)",
                point.candidates,
            )
            assert point.recall == pytest.approx(found, abs=1e-9)
    assert len(ordered(planned(conn, "keys", [QUERIES[0]], k=5, recall=0.9))) == 2
    answers = keys(conn, QUERIES[0], k=5, recall=0.9)
    truth = nearest(VECTORS, QUERIES[0], 5)
    assert len({key for key, _ in answers} & set(truth)) >= 3


def test_a_key_of_several_columns_and_names_to_be_quoted(conn: Conn) -> None:
    table = '"My ""schema"""."100% {docs}"'
    conn.execute('create schema "My ""schema"""')
    conn.execute(
        f'create table {table} (gone int, "a b" int, n int, title text,'
        ' "em%%bed{0}" vector(64), id bigint, primary key (id, "a b"))'.replace(
            "%%", "%"
        ).encode()
    )
    conn.execute(f"alter table {table} drop column gone".encode())
    rows = [(i, i, i % 100, text(vector)) for i, vector in enumerate(VECTORS, 1)]
    insert = sql.SQL(
        'insert into {} ("a b", id, n, "em%%bed{{0}}") values (%s, %s, %s, %s)'
    ).format(sql.SQL(table.replace("%", "%%")))
    with conn.cursor() as cursor:
        cursor.executemany(insert, rows)
    column = "em%bed{0}"
    made = sql.SQL("select mrl.create_index({}, {}, 32)")
    ((name,),) = conn.execute(made.format(sql.Literal(table), sql.Literal(column)))
    conn.execute(f"analyze {table}".encode())
    force_index(conn)
    filter = {"filter": '"a b" < $1::int and title is null', "args": ["100"]}
    for options in ({}, filter):
        kept = calibrate(conn, table, column, k=5, queries=ASKED, **options)
        assert {point.index_name for point in kept} == {name}
        for point in kept:
            given = named(
                {"k": 5, "queries": ASKED, "candidates": point.candidates}
                | {"ef_search": point.ef_search}
                | options
            )
            call = sql.SQL("select recall from mrl.recall({}, {}{})")
            found = conn.execute(
                call.format(sql.Literal(table), sql.Literal(column), given)
            ).fetchall()
            assert found == [(pytest.approx(point.recall, abs=1e-9),)]


def test_a_table_with_children(conn: Conn) -> None:
    """Rows of the children are found, and sampled, too."""
    stock(conn, VECTORS[:100])
    conn.execute("create table more () inherits (docs)")
    conn.execute("alter table more add primary key (id)")
    append(conn, VECTORS[100:], sql.Identifier("more"), first=101)
    name = "more_embedding"
    conn.execute(
        f"create index {name} on more using hnsw"
        " (embedding_32_halfvec halfvec_cosine_ops)".encode()
    )
    kept = calibrate(conn, k=5, sample=1000)
    assert {point.queries for point in kept} == {150}
    judge(conn, calibrate(conn, k=5, queries=ASKED), "cosine", VECTORS)
    # shares and what is stale are of the rows of all
    conn.execute("analyze docs, more")
    assert one(conn, "select mrl._rows('docs'::regclass)") == 150
    guess = "select mrl._share('docs'::regclass, 'id > 100', null)"
    assert one(conn, guess) == pytest.approx(1 / 3, abs=0.01)


def test_one_session_measures_vectors_and_halves(conn: Conn) -> None:
    """The second ended in: type of parameter 36 (halfvec) does not match."""
    for table, full_type in (("docs", "vector"), ("halves", "halfvec")):
        make_table(conn, VECTORS, table=table, full_type=full_type)
        create(conn, table)
    for table in ("docs", "halves", "docs"):
        for options in ({"sample": 3}, {"queries": ASKED[:3]}):
            assert calibrate(conn, table, k=3, **options)
            given = named({"k": 3, **options})
            call = sql.SQL("select measured from mrl.recall({}, 'embedding'{})")
            measured = conn.execute(call.format(sql.Literal(table), given)).fetchall()
            assert measured == [(3,)]
