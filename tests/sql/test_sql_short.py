"""When too few candidates come: what each interface says of it, and what it reads."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from psycopg import sql
from support.databases import Conn
from support.plans import force_index, nodes
from support.sql_calls import create, ids, keys, many, one, stock, text
from support.sql_plans import run, scanning
from support.sql_state import notices
from support.tables import append, make_table
from support.vectors import matryoshka, nearest

from mrl_pg import MatryoshkaIndex

VECTORS = matryoshka(2000)
QUERY = VECTORS[9]
INDEX = MatryoshkaIndex("docs", "embedding", dims=32)
STARVED = (
    "WARNING: the search was cut short: {} candidates of 160 came, and there are more"
)


def near(conn: Conn, query: Any, function: str = "near") -> list[Any]:
    """Keys that a made function answers."""
    found = conn.execute(f"select id from {function}(%s)".encode(), [text(query)])
    return [row[0] for row in found]


def test_fewer_candidates_than_asked(conn: Conn) -> None:
    """Ten answers came, and were taken for the best ten."""
    name = stock(conn, VECTORS)
    conn.execute("alter table docs set (autovacuum_enabled = off)")
    conn.execute("delete from docs where id % 20 <> 0")
    made = "select mrl.create_search_function('near', 'docs', 'embedding'{})"
    one(conn, made.format(", max_scan_tuples => 1"))
    one(conn, made.format("").replace("near", "far"))
    seen = INDEX.search(conn, QUERY, max_scan_tuples=1)
    assert seen.cut_short
    assert seen.seen is not None
    assert 10 <= seen.seen < 100 == one(conn, "select count(*) from docs")
    with notices(conn) as told, scanning(conn, name):
        found = {
            "rows": ids(conn, QUERY, max_scan_tuples=1),
            "keys": [key for key, _ in keys(conn, QUERY, max_scan_tuples=1)],
            "many": [key for key, _ in many(conn, [QUERY], max_scan_tuples=1)[0]],
            "made": near(conn, QUERY),
        }
    assert all(answers == seen.keys for answers in found.values())
    assert told == [STARVED.format(seen.seen)] * 4
    with notices(conn) as told:
        # two of three have to be asked about once more
        conn.execute(
            "insert into docs (id, embedding) select id + 9000, embedding from docs"
        )
        assert len(many(conn, [QUERY, VECTORS[19], QUERY], max_scan_tuples=1)) == 3
    assert len(told) == 1
    # all that are left
    with notices(conn) as told:
        truth = ids(conn, QUERY, exact=True)
        assert ids(conn, QUERY) == truth
        assert [key for key, _ in keys(conn, QUERY)] == truth
        assert [key for key, _ in many(conn, [QUERY])[0]] == truth
        assert near(conn, QUERY, "far") == truth
        assert not INDEX.search(conn, QUERY).cut_short
    assert told == []


@contextmanager
def reading_nothing(conn: Conn) -> Iterator[None]:
    """What runs inside reads `docs` by an index alone."""
    asked = "select pg_stat_get_numscans('docs'::regclass)"
    conn.execute("select pg_stat_force_next_flush()")
    before = one(conn, asked)
    yield
    conn.execute("select pg_stat_force_next_flush()")
    assert one(conn, asked) == before


LAYOUTS = [(32, "halfvec"), (64, "bit"), (64, "vector")]


@pytest.mark.parametrize(("dims", "kind"), LAYOUTS)
@pytest.mark.parametrize("embedded", [0, 4, 30])
def test_few_rows_embedded_yet(conn: Conn, dims: int, kind: Any, embedded: int) -> None:
    """Each search read the whole table, to learn that there are no more."""
    make_table(conn, VECTORS)
    conn.execute("update docs set embedding = null")
    conn.execute("vacuum full docs")
    name = create(conn, dims=dims, kind=kind)
    for i in range(embedded):
        conn.execute(
            "update docs set embedding = %s where id = %s",
            [text(VECTORS[i]), i + 1],
        )
    conn.execute("analyze docs")
    force_index(conn)
    one(conn, "select mrl.create_search_function('near', 'docs', 'embedding')")
    index = MatryoshkaIndex("docs", "embedding", dims=dims, kind=kind)
    truth = nearest(VECTORS[:embedded], QUERY)
    with notices(conn) as told, scanning(conn, name), reading_nothing(conn):
        assert ids(conn, QUERY) == truth
        assert [key for key, _ in keys(conn, QUERY)] == truth
        assert [key for key, _ in many(conn, [QUERY, QUERY])[1]] == truth
        assert near(conn, QUERY) == truth
        found = index.search(conn, QUERY)
        assert found.keys == truth
        assert (found.seen, found.cut_short) == (embedded, False)
    assert told == []
    # under a filter fewer than k may be all, which only the rows tell
    assert ids(conn, QUERY, filter="n = 1") == ([1] if embedded else [])
    with notices(conn) as told:
        assert ids(conn, QUERY, filter="n = 1", max_scan_tuples=1) == (
            [1] if embedded else []
        )
    assert told == []


def test_what_asks_whether_rows_are_left_over(conn: Conn) -> None:
    make_table(conn, VECTORS[:300])
    conn.execute("update docs set embedding = null where id > 30")
    conn.execute("vacuum full docs")
    create(conn)
    asked = one(
        conn,
        "select left_over from mrl._plan('rows', array[%s]::vector[],"
        " jsonb_build_object('table_id', 'docs'::regclass::oid, 'full_column',"
        " 'embedding', 'k', 10, 'exact', false, 'attempt', 2))",
        text(QUERY),
    )
    for seen, reads in ((30, False), (10, False), (9, True)):
        types = [*["text"] * 16, "vector", "int8"]
        values = [*[None] * 16, text(QUERY), seen]
        explain = "explain (analyze, costs off, format json) "
        root = run(conn, asked, types, values, explain)[0][0][0]["Plan"]
        loops = [
            node["Actual Loops"]
            for node, _ in nodes(root)
            if node.get("Relation Name") == "docs"
        ]
        assert len(loops) == 2
        # fewer than k came: a graph of more than 33 nodes may hide some
        assert bool(sum(loops)) == reads
        assert run(conn, asked, types, values) == [(reads,)]


@pytest.mark.parametrize("embedded", [30, 400])
def test_rows_that_a_scan_does_not_come_to(conn: Conn, embedded: int) -> None:
    """Dead rows fill the index: a scan that stops has not seen all that there are."""
    vectors = matryoshka(3000)
    stock(conn, vectors)
    conn.execute("alter table docs set (autovacuum_enabled = off)")
    far = nearest(vectors, vectors[9], 3000)[-embedded:]
    conn.execute("update docs set embedding = null where not id = any (%s)", [far])
    one(
        conn,
        "select mrl.create_search_function('near', 'docs', 'embedding',"
        " max_scan_tuples => 1)",
    )
    few: dict[str, Any] = {"max_scan_tuples": 1}
    assert INDEX.search(conn, vectors[9], **few).cut_short
    with notices(conn) as told:
        ids(conn, vectors[9], **few)
        keys(conn, vectors[9], **few)
        many(conn, [vectors[9]], **few)
        near(conn, vectors[9])
    assert len(told) == 4
    assert all("candidates of 160 came, and there are more" in line for line in told)


def test_partitions_with_few_rows_embedded_yet(conn: Conn) -> None:
    conn.execute(
        """
        create table docs (
            id bigint primary key, n int, title text, embedding vector(64)
        ) partition by range (id);
        create table docs_low partition of docs for values from (1) to (200);
        create table docs_high partition of docs for values from (200) to (9999)
        """
    )
    append(conn, VECTORS[:400], sql.Identifier("docs"))
    conn.execute("update docs set embedding = null where id % 10 > 0")
    name = create(conn)
    conn.execute("vacuum full docs")
    conn.execute("analyze docs")
    force_index(conn)
    with notices(conn) as told, scanning(conn, name):
        for table in ("docs_low", "docs_high"):
            conn.execute("select pg_stat_force_next_flush()")
            asked = f"select pg_stat_get_numscans('{table}'::regclass)"
            before = one(conn, asked)
            assert len(ids(conn, QUERY)) == 10
            assert not INDEX.search(conn, QUERY).cut_short
            conn.execute("select pg_stat_force_next_flush()")
            assert one(conn, asked) == before
    assert told == []


def test_children_are_asked_too(conn: Conn) -> None:
    """The index of a parent tells nothing of what its children hold."""
    stock(conn, VECTORS[:30])
    conn.execute("create table child () inherits (docs)")
    append(conn, VECTORS[30:400], sql.Identifier("child"), first=31)
    with notices(conn) as told:
        assert len(ids(conn, QUERY)) == 10
    assert told == []
    # a child without an index is read, so that nothing is left over
    assert not INDEX.search(conn, QUERY).cut_short
