"""One tenant in what SQL prints and makes: statements to prepare, and functions."""

from collections.abc import Iterator
from typing import Any

import pytest
from psycopg import errors, sql
from support.databases import Conn, Server, connect
from support.plans import first_pass, force_index, indexes, nodes
from support.sql_calls import named, one, text
from support.sql_plans import ordered, prepared, run, scanning
from support.sql_state import refused
from support.tables import Docs
from support.tenants import (
    KEYS,
    LARGE,
    SMALL,
    carry_out,
    nearest_of,
    set_tenants,
    tenants_table,
)
from support.vectors import matryoshka

from mrl_pg import MatryoshkaIndex

VECTORS = matryoshka(2000)
QUERY = VECTORS[0] * 0.6 + VECTORS[1500] * 0.4
INDEX = "select index_name from mrl.tenant_indexes where tenant = %s"
INSIDE = [row for row in range(1, 1001) if row % 100 < 50]
FEW = [row for row in range(1001, 2001) if 3 + row % 50 == SMALL and row % 100 < 50]


@pytest.fixture(scope="module")
def docs(pg_server: Server) -> Iterator[Docs]:
    """A table whose large tenant has an index."""

    def build(url: str) -> None:
        with connect(url) as conn:
            tenants_table(conn, VECTORS)
            set_tenants(conn, dims=32, kind="halfvec")
            carry_out(conn)

    layout = MatryoshkaIndex("docs", "embedding", dims=32)
    with pg_server.copy_of("tenants_printed", build) as url, connect(url) as conn:
        force_index(conn)
        yield Docs(url, conn, VECTORS, layout)


def printed(conn: Conn, **options: Any) -> str:
    call = sql.SQL("select mrl.search_sql('docs', 'embedding'{})").format(
        named(options)
    )
    statement: str = conn.execute(call).fetchall()[0][0]
    return statement


def make(conn: Conn, **options: Any) -> str:
    call = sql.SQL(
        "select mrl.create_search_function('near', 'docs', 'embedding',"
        " by_tenant => true{})"
    ).format(named(options))
    made: str = conn.execute(call).fetchall()[0][0]
    return made


def recall(found: list[Any], truth: list[int]) -> float:
    return len({*found} & {*truth}) / len(truth)


def test_a_printed_search_of_a_large_tenant_uses_its_index(docs: Docs) -> None:
    name = one(docs.conn, INDEX, "1")
    statement = printed(docs.conn, tenant="1")
    root = prepared(docs.conn, statement, ["vector"], [text(QUERY)])
    assert first_pass(root) == [name]
    rows = run(docs.conn, statement, ["vector"], [text(QUERY)])
    truth = nearest_of(VECTORS, QUERY, LARGE)
    assert recall([row[0] for row in rows], truth) >= 0.8
    wide = printed(docs.conn, tenant="1", candidates=900)
    rows = run(docs.conn, wide, ["vector"], [text(QUERY)])
    assert [row[0] for row in rows] == truth


def test_a_printed_search_of_a_tenant_takes_a_filter(docs: Docs) -> None:
    options: dict[str, Any] = {"filter": "n < $1 -- of all", "candidates": 400}
    for tenant, inside in ((LARGE, INSIDE), (SMALL, FEW)):
        statement = printed(docs.conn, tenant=str(tenant), **options)
        assert "-- $2: the query" in statement
        rows = run(docs.conn, statement, ["int", "vector"], [50, text(QUERY)])
        assert [row[0] for row in rows] == nearest_of(
            VECTORS, QUERY, tenant, ids=inside
        )


def test_a_printed_search_of_a_small_tenant_is_exact(docs: Docs) -> None:
    statement = printed(docs.conn, tenant=str(SMALL))
    assert "-- exact: print it again" in statement
    root = prepared(docs.conn, statement, ["vector"], [text(QUERY)])
    assert not ordered(root)
    assert "docs_tenant_id_idx" in indexes(root)
    rows = run(docs.conn, statement, ["vector"], [text(QUERY)])
    assert [row[0] for row in rows] == nearest_of(VECTORS, QUERY, SMALL)


def test_a_printed_search_stays_right_when_the_index_goes(conn: Conn) -> None:
    tenants_table(conn, VECTORS[:400])
    set_tenants(conn, threshold=100)
    carry_out(conn)
    statement = printed(conn, tenant="1", candidates=200)
    truth = nearest_of(VECTORS[:400], QUERY, LARGE)
    rows = run(conn, statement, ["vector"], [text(QUERY)])
    assert [row[0] for row in rows] == truth
    carry_out(conn, drop_all=True)
    rows = run(conn, statement, ["vector"], [text(QUERY)])
    assert [row[0] for row in rows] == truth


def test_what_says_which_index_is_refused(docs: Docs) -> None:
    wrong = errors.InvalidParameterValue
    for option, value in (("dims", 32), ("kind", "bit"), ("index_name", "x")):
        given: dict[str, Any] = {option: value}
        with refused(wrong, f"{option} given with a tenant", "leave it out"):
            printed(docs.conn, tenant="1", **given)
        with refused(wrong, f"{option} given with a tenant", "leave it out"):
            make(docs.conn, **given)


def test_a_made_function_takes_the_key_of_a_tenant(docs: Docs) -> None:
    made = make(docs.conn)
    assert made == "near(integer,vector,integer)"
    name = one(docs.conn, INDEX, "1")
    call = "select id from near(%s, %s)"
    with scanning(docs.conn, name):
        rows = docs.conn.execute(call, [LARGE, text(QUERY)]).fetchall()
    truth = nearest_of(VECTORS, QUERY, LARGE)
    assert recall([row[0] for row in rows], truth) >= 0.8
    rows = docs.conn.execute(
        "select id from near(tenant => %s, query => %s, k => 3)", [SMALL, text(QUERY)]
    ).fetchall()
    assert [row[0] for row in rows] == nearest_of(VECTORS, QUERY, SMALL, k=3)
    assert docs.conn.execute(call, [999, text(QUERY)]).fetchall() == []
    with refused(errors.NullValueNotAllowed, "the tenant is NULL", "belong to no"):
        docs.conn.execute(call, [None, text(QUERY)])
    with refused(errors.DataException, "the query has 2 dimensions"):
        docs.conn.execute(call, [LARGE, "[1,2]"])
    docs.conn.execute("drop function near")


def test_a_made_function_keeps_types_and_options(docs: Docs) -> None:
    filter = "n < $1 and $2 <> '$1' and title <> $2 and id = any ($3) -- 100%"
    made = make(
        docs.conn,
        filter=filter,
        parameters=["below int", "words varchar(9)", "kept bigint[]"],
        candidates=400,
        k=5,
    )
    assert made.startswith("near(integer,character varying,bigint[],integer,vector")
    assert one(docs.conn, "select obj_description(%s::regprocedure)", made) == (
        "The k rows of a tenant in public.docs nearest to a query, nearest first, "
        f"where {filter}."
    )
    mine = [*range(1, 1001)]
    for tenant, inside in ((LARGE, INSIDE), (SMALL, FEW)):
        rows = docs.conn.execute(
            "select id from near(50, 'y', %s, %s, %s)",
            [mine + FEW, tenant, text(QUERY)],
        ).fetchall()
        truth = nearest_of(VECTORS, QUERY, tenant, k=5, ids=inside)
        assert [row[0] for row in rows] == truth
    docs.conn.execute("drop function near" + made.removeprefix("near"))


@pytest.mark.parametrize("key_type", KEYS)
def test_a_made_function_for_keys_of_every_type(conn: Conn, key_type: str) -> None:
    vectors = VECTORS[:400]
    tenants_table(conn, vectors, key_type=key_type)
    set_tenants(conn, threshold=100)
    carry_out(conn)
    make(conn, candidates=200)
    for tenant in (LARGE, SMALL):
        key = KEYS[key_type].format(tenant)
        rows = conn.execute(
            f"select id from near(%s::{key_type}, %s)".encode(), [key, text(QUERY)]
        ).fetchall()
        assert [row[0] for row in rows] == nearest_of(vectors, QUERY, tenant)


def test_without_tenants_no_function_by_tenant(conn: Conn) -> None:
    tenants_table(conn, VECTORS[:20])
    kind = errors.ObjectNotInPrerequisiteState
    with refused(kind, "belong to no tenants", "mrl.set_tenants"):
        make(conn)
    with refused(kind, "belong to no tenants", "mrl.set_tenants"):
        printed(conn, tenant="1")


def test_a_printed_search_of_one_tenant_has_no_seq_scan_in_its_first_pass(
    docs: Docs,
) -> None:
    statement = printed(docs.conn, tenant="1")
    root = prepared(docs.conn, statement, ["vector"], [text(QUERY)])
    assert not [node for node, _ in nodes(root) if node["Node Type"] == "Seq Scan"]
