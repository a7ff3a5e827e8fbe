"""`filter` and `columns`: composed SQL, parameters of both styles, awkward names."""

from collections.abc import Iterator
from typing import Any

import pytest
from psycopg import sql
from support.databases import Conn, Server
from support.plans import explain, first_pass, force_index
from support.tables import Docs, fresh_docs, make_table
from support.vectors import assert_true, distances, matryoshka, nearest

from mrl_pg import MatryoshkaIndex
from mrl_pg.search.filter import Filter, Params

AWKWARD = (
    "distance",
    "full",
    "seen",
    "key_1",
    "column_1",
    "query",
    "mrl_query",
    "candidates",
    "after",
    "done",
    "docs",
    "ranked",
    'qu"ote',
    "per%cent",
    "per%(s)s",
    "bra{ce}",
    "Capital",
    "with space",
    "select",
)


@pytest.fixture(scope="module")
def docs(pg_server: Server) -> Iterator[Docs]:
    with fresh_docs(pg_server) as docs:
        docs.conn.execute(
            """
            create table query (id int, ok boolean);
            insert into query select i, i % 2 = 0 from generate_series(1, 2000) as i;
            create table before as table query;
            create table candidates as table query;
            create table after as table query;
            analyze
            """
        )
        force_index(docs.conn)
        yield docs


EVEN = list(range(2, 2001, 2))
FILTERS: dict[str, tuple[Filter, Params]] = {
    "no parameters": ("id % 2 = 0".replace("%", "%%"), None),
    "empty mapping": ("mod(id, 2) = 0", {}),
    "empty sequence": ("mod(id, 2) = 0", []),
    "mapping": ("mod(id, %(by)s) = %(rest)s", {"by": 2, "rest": 0}),
    "one name twice": ("mod(id, %(by)s) = 0 and %(by)s = 2", {"by": 2}),
    "sequence": ("mod(id, %s) = %s", [2, 0]),
    "tuple": ("mod(id, %s) = %s", (2, 0)),
    "array": ("id = any(%(ids)s)", {"ids": EVEN}),
    "composed": (
        sql.SQL("mod({}, {}) = 0").format(sql.Identifier("id"), sql.Literal(2)),
        None,
    ),
    "composed, mapping": (
        sql.SQL("mod({}, {}) = 0").format(
            sql.Identifier("docs", "id"), sql.Placeholder("by")
        ),
        {"by": 2},
    ),
    "composed, sequence": (sql.SQL("mod(id, {}) = 0").format(sql.Placeholder()), [2]),
    "comment at the end": ("mod(id, 2) = 0 -- even ones", None),
    "several lines": ("mod(id, 2) = 0\nand id > 0\n", None),
    "or": ("mod(id, 2) = 0 or false", None),
    "like": ("title like 'title %%' and mod(id, 2) = 0", None),
    "like, sequence": ("title like '%%' || %s and mod(id, 2) = 0", [""]),
    "subquery": ("id in (select query.id from query where ok)", None),
    "correlated": (
        "exists (select from before where before.id = docs.id and before.ok)",
        None,
    ),
    "table like ours": (
        "id in (select id from candidates where ok) "
        "and id in (select id from after where ok)",
        None,
    ),
}


@pytest.mark.parametrize("name", FILTERS)
def test_where_is_sql_with_parameters(docs: Docs, name: str) -> None:
    where, params = FILTERS[name]
    query = docs.vectors[40]
    plan = docs.index.plan(docs.conn, query, filter=where, params=params)
    found = docs.index.search(docs.conn, query, filter=where, params=params)
    truth = [key for key in nearest(docs.vectors, query, 2000) if key % 2 == 0]
    if name != "subquery":  # may well be answered from `query` outwards
        assert docs.index.name in first_pass(explain(docs.conn, plan))
    assert found.keys == truth[:10]
    assert_true(found, docs.vectors, query)
    assert (found.scan, found.seen, found.cut_short) == ("iterative", 160, False)
    exact = docs.index.search(docs.conn, query, filter=where, params=params, exact=True)
    assert exact.keys == truth[:10]


def test_where_takes_adapted_values(docs: Docs) -> None:
    query = docs.vectors[1]
    found = docs.index.search(
        docs.conn,
        query,
        filter="title = %(title)s or n = any(%(n)s)",
        params={"title": "title '7", "n": [3, 4]},
    )
    assert {hit.key % 100 for hit in found} == {3, 4}
    assert len(found) == 10


def test_many_queries_share_a_where(docs: Docs) -> None:
    for where, params in FILTERS.values():
        found = docs.index.search_many(
            docs.conn, docs.vectors[:3], filter=where, params=params
        )
        assert [one.keys[0] % 2 for one in found] == [0, 0, 0]
        assert found[1].keys[0] == 2


def test_columns_may_have_any_name(conn: Conn) -> None:
    vectors = matryoshka(500)
    make_table(conn, vectors)
    for number, name in enumerate(AWKWARD):
        add = "alter table docs add {} bigint generated always as (id + {}) stored"
        conn.execute(sql.SQL(add).format(sql.Identifier(name), number))
    index = MatryoshkaIndex("docs", "embedding", dims=32)
    index.create(conn)
    force_index(conn)
    query = vectors[3]
    where = sql.SQL(" and ").join(
        sql.SQL("{} > 0").format(sql.Identifier(name.replace("%", "%%")))
        for name in AWKWARD
    )
    wanted: dict[str, Any] = {
        "columns": (*AWKWARD, "id", "n", "title"),
        "filter": where,
    }
    plan = index.plan(conn, query, **wanted)
    assert first_pass(explain(conn, plan)) == [index.name]
    for exact in (False, True):
        found = index.search(conn, query, exact=exact, **wanted)
        assert found.keys == nearest(vectors, query)
        assert_true(found, vectors, query)
        for hit in found:
            assert [hit[name] - hit.key for name in AWKWARD] == [*range(len(AWKWARD))]
            assert (hit["id"], hit["title"]) == (hit.key, f"title {hit.key}")


def test_where_prefers_the_tables_own_distance_column(conn: Conn) -> None:
    vectors = matryoshka(500)
    make_table(conn, vectors)
    conn.execute("alter table docs add distance int generated always as (n) stored")
    index = MatryoshkaIndex("docs", "embedding", dims=32)
    index.create(conn)
    force_index(conn)
    plan = index.plan(conn, vectors[0], filter="distance = 7")
    assert first_pass(explain(conn, plan)) == [index.name]
    for exact in (False, True):
        found = index.search(conn, vectors[0], filter="distance = 7", exact=exact)
        assert sorted(found.keys) == [7, 107, 207, 307, 407]


def test_a_column_may_be_asked_twice_or_be_the_vector(docs: Docs) -> None:
    found = docs.index.search(
        docs.conn, docs.vectors[9], k=1, columns=["n", "n", "embedding"]
    )
    assert dict(found[0].columns).keys() == {"n", "embedding"}
    assert found[0]["embedding"].startswith("[")
    far = distances(docs.vectors, docs.vectors[9], "cosine")
    assert abs(found[0].distance - far[9]) < 1e-5
