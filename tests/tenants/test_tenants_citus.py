"""Tenants and Citus, by a catalog that looks like that of Citus."""

import pytest
from psycopg import errors
from support.citus import citus_fixture, distribute
from support.databases import Conn
from support.plans import explain, force_index, indexes
from support.sql_calls import one, text
from support.sql_state import refused
from support.tables import make_table
from support.tenants import LARGE, carry_out, set_tenants, tenants_table
from support.vectors import matryoshka, nearest

from mrl_pg import MatryoshkaColumn, MatryoshkaIndex, SpreadTable

VECTORS = matryoshka(400)
QUERY = VECTORS[3]
COLUMN = MatryoshkaColumn("docs", "embedding")
INDEX = MatryoshkaIndex("docs", "embedding", dims=32, keep="expression")

citus = citus_fixture()


def test_tenants_of_a_table_of_citus_are_refused(citus: Conn) -> None:
    tenants_table(citus, VECTORS)
    distribute(citus, "docs")
    unfit = errors.FeatureNotSupported
    with refused(unfit, "is a table of Citus", "distribute it by the key"):
        set_tenants(citus)
    with pytest.raises(SpreadTable, match="distribute it by the key"):
        COLUMN.set_tenants(citus, "tenant_id")
    citus.execute("delete from pg_catalog.pg_dist_partition")
    set_tenants(citus, threshold=100)
    carry_out(citus)
    # distributed after that
    distribute(citus, "docs")
    for call in (
        lambda: COLUMN.search(citus, QUERY, tenant=LARGE),
        lambda: COLUMN.run_tenants(citus),
        lambda: COLUMN.tenant_recall(citus, LARGE),
    ):
        with pytest.raises(SpreadTable, match="distribute it by the key"):
            call()
    # and the way out: a filter on the key, which asks one shard
    INDEX.create(citus)
    distribute(citus, "docs", "tenant_id")
    found = INDEX.search(citus, QUERY, filter="tenant_id = %s", params=[LARGE])
    assert found.shards == 1
    assert found.keys == nearest(VECTORS[:200], QUERY, 10)


def test_a_made_function_refuses_a_table_that_was_distributed_since(
    citus: Conn,
) -> None:
    make_table(citus, VECTORS)
    INDEX.create(citus)
    citus.execute("select mrl.create_search_function('near', 'docs', 'embedding')")
    call = "select id from near(%s)"
    asked = [text(QUERY)]
    rows = citus.execute(call, asked).fetchall()
    assert [row[0] for row in rows] == nearest(VECTORS, QUERY, 10)
    distribute(citus, "docs")
    with refused(errors.FeatureNotSupported, "is a table of Citus", "from Python"):
        citus.execute(call, asked)
    # another table of the same database is searched as ever
    citus.execute("delete from pg_catalog.pg_dist_partition")
    assert citus.execute(call, asked).fetchall() == rows


@pytest.mark.parametrize("replicated", ["t", "s"])
def test_tables_of_one_shard(citus: Conn, replicated: str) -> None:
    """A reference table, and a table of schema-based sharding, which has no key."""
    make_table(citus, VECTORS)
    INDEX.create(citus)
    distribute(citus, "docs", None)
    citus.execute(
        "update pg_catalog.pg_dist_partition set repmodel = %s, colocationid = 7",
        [replicated],
    )
    force_index(citus)
    found = INDEX.search(citus, QUERY, filter="n < %s", params=[50])
    assert (found.shards, found.ef_search, found.candidates) == (1, 160, 160)
    inside = [row for row in nearest(VECTORS, QUERY, 400) if row % 100 < 50][:10]
    assert found.keys == inside
    plan = INDEX.plan(citus, QUERY)
    assert indexes(explain(citus, plan)) == [INDEX.name, "docs_pkey"]


def test_a_filter_may_join_tables_of_every_kind(citus: Conn) -> None:
    """Both passes have the whole filter, which Citus runs on the shards or refuses."""
    make_table(citus, VECTORS)
    citus.execute(
        "create table owners as select id, id % 7 as whose from docs;"
        "create table countries as select n as whose, 'at' as country"
        " from generate_series(0, 3) as n"
    )
    INDEX.create(citus)
    distribute(citus, "docs")
    # distributed alike, and a copy on each machine
    distribute(citus, "owners")
    distribute(citus, "countries", None)
    filter = (
        "exists (select from owners join countries using (whose)"
        " where owners.id = docs.id and country = %s)"
    )
    found = INDEX.search(citus, QUERY, filter=filter, params=["at"])
    exact = INDEX.search(citus, QUERY, filter=filter, params=["at"], exact=True)
    wanted = [row for row in nearest(VECTORS, QUERY, 400) if row % 7 < 4][:10]
    assert found.keys == exact.keys == wanted
    # the filter may leave out shards, or not
    assert (found.shards, exact.shards) == (None, None)
    plan = INDEX.plan(citus, QUERY, filter=filter, params=["at"])
    assert plan.statement.count(b"join countries using") == 2
    assert one(citus, "select count(*) from pg_catalog.pg_dist_partition") == 3


def test_a_local_table_beside_tables_of_citus(citus: Conn) -> None:
    make_table(citus, VECTORS)
    INDEX.create(citus)
    citus.execute("create table others (id bigint primary key)")
    distribute(citus, "others")
    found = INDEX.search(citus, QUERY)
    assert found.shards is None
    assert found.keys == nearest(VECTORS, QUERY, 10)
    rows = citus.execute(
        "select id from mrl.search(null::docs, 'embedding', %s)", [text(QUERY)]
    ).fetchall()
    assert [row[0] for row in rows] == found.keys
