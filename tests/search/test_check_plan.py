"""Plan guards: a search passes that takes its index, and no other."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from psycopg import AsyncConnection, errors, sql
from support.databases import Conn
from support.tables import append, make_partitioned, make_table
from support.vectors import matryoshka

from mrl_pg import (
    IndexNotUsed,
    InvalidSetting,
    MatryoshkaColumn,
    MatryoshkaIndex,
    check_plan,
    check_plan_async,
)
from mrl_pg.search.plan_tree import nodes

INDEX = MatryoshkaIndex("docs", "embedding", dims=32)
QUERY = matryoshka(1, seed=3)[0]
SHORT = str([1.0] * 32)
MINE = "select id from docs order by embedding_32_halfvec <=> %s::halfvec limit 5"


@pytest.fixture
def docs(conn: Conn) -> Conn:
    """Ten rows, as in a test of an application."""
    make_table(conn, matryoshka(10))
    INDEX.create(conn)
    return conn


def refused(check: Callable[[], Any]) -> str:
    with pytest.raises(IndexNotUsed) as caught:
        check()
    return str(caught.value)


def test_ten_rows_need_an_index_that_fits(docs: Conn) -> None:
    for searched in (INDEX, MatryoshkaColumn("docs", "embedding")):
        found = searched.check_plan(docs, k=3, filter="n = %s", params=[3])
        assert found.index_names == (INDEX.name,)
        assert found.forced
        assert INDEX.name in [each.get("Index Name") for each in nodes(found.plan)]
    # a query changes nothing, and settings are as before
    assert INDEX.check_plan(docs, QUERY).index_names == (INDEX.name,)
    assert docs.execute("show enable_sort").fetchall() == [("on",)]
    said = refused(lambda: INDEX.check_plan(docs, small=0))
    assert "Seq Scan on docs" in said
    assert "The index fits, but the planner takes another way: analyze docs" in said


def test_many_rows_need_an_index_that_is_taken(conn: Conn) -> None:
    rows = matryoshka(3000)
    make_table(conn, rows)
    INDEX.create(conn)
    conn.execute("create index on docs (n)")
    conn.execute("analyze docs")
    found = INDEX.check_plan(conn, small=0)
    assert (found.index_names, found.forced) == ((INDEX.name,), False)
    assert str(found) == f"uses {INDEX.name}"
    # and the answer of the search that was checked is that of exact search
    asked: Any = {"k": 10, "candidates": 400}
    found = INDEX.check_plan(conn, small=0, **asked)
    near = INDEX.search(conn, QUERY, **asked).keys
    assert len({*near} & {*INDEX.search(conn, QUERY, exact=True).keys}) >= 9
    # where few rows pass, an ordinary index is better
    rare: Any = {"filter": "n = 7 and title = 'title 7'"}
    assert "that way is right" in refused(
        lambda: INDEX.check_plan(conn, small=0, **rare)
    )
    assert INDEX.check_plan(conn, **rare).forced
    assert "analyze docs" in refused(lambda: INDEX.check_plan(conn, small=2500, **rare))


def test_a_search_without_its_index(docs: Conn) -> None:
    said = refused(lambda: INDEX.check_plan(docs, exact=True))
    assert said == "this search of docs is exact: leave out exact=True"
    other = MatryoshkaIndex("docs", "embedding", dims=16)
    column = MatryoshkaColumn("docs", "embedding")
    assert "stands in" in refused(lambda: column.check_plan(docs, dims=16))
    assert "stands in" in refused(lambda: other.check_plan(docs))
    docs.execute("set enable_indexscan = off")
    assert "No index fits" in refused(lambda: INDEX.check_plan(docs))
    with pytest.raises(InvalidSetting, match="small=-1"):
        INDEX.check_plan(docs, small=-1)


def test_statements_of_the_application(docs: Conn) -> None:
    name: Any = {"index_name": INDEX.name}
    assert check_plan(docs, MINE, [SHORT], **name).index_names == (INDEX.name,)
    # in a transaction, whose settings stay
    with docs.transaction():
        assert check_plan(docs, MINE.encode(), [SHORT]).index_names == (INDEX.name,)
        assert docs.execute("show enable_seqscan").fetchall() == [("on",)]
    plain = sql.SQL(MINE.replace("%s", "{}")).format(SHORT)
    assert check_plan(docs, plain).index_names == (INDEX.name,)
    # the first pass counts, and the second sorts what it found
    passes = f"select * from ({MINE.replace('id', 'id, embedding')}) as near"
    passes += " order by embedding <=> %s limit 2"
    found = check_plan(docs, passes, [SHORT, str(QUERY.tolist())])
    assert found.index_names == (INDEX.name,)


WRONG = {
    "operator": MINE.replace("<=>", "<->"),
    "order": MINE.replace("limit", "desc limit"),
    "expression": MINE.replace("_halfvec", "_halfvec::vector", 1).replace(
        "%s::halfvec", "%s::vector"
    ),
    "no order": "select id from docs where embedding_32_halfvec <=> %s::halfvec < 9",
}


@pytest.mark.parametrize("what", WRONG)
def test_statements_that_miss_the_index(docs: Conn, what: str) -> None:
    said = refused(lambda: check_plan(docs, WRONG[what], [SHORT]))
    assert said.startswith("the statement does not use a vector index: it reads ")
    assert "No index fits: order by the expression" in said
    assert f"CREATE INDEX {INDEX.name} ON public.docs USING hnsw" in said


def test_other_indexes_and_tables(docs: Conn) -> None:
    said = refused(lambda: check_plan(docs, MINE, [SHORT], index_name="other"))
    assert "does not use index other" in said
    docs.execute("create table bare (id int, v vector(3))")
    bare = "select id from bare order by v <=> '[1,2,3]' limit 3"
    assert "None of these tables has" in refused(lambda: check_plan(docs, bare))
    with pytest.raises(errors.UndefinedTable):
        check_plan(docs, "select * from nowhere")
    # nothing behind the statement is run
    with pytest.raises(errors.SyntaxError):
        check_plan(docs, f"{bare}; drop table bare")
    assert docs.execute("select count(*) from bare").fetchall() == [(0,)]


def test_a_partition_without_its_index(conn: Conn) -> None:
    make_partitioned(conn)
    append(conn, matryoshka(60), sql.Identifier("docs"))
    INDEX.create(conn)
    conn.execute("analyze docs")
    assert INDEX.check_plan(conn).index_names == (INDEX.name,)
    # an index of one partition alone, for another operator
    make = "create index near_{0} on docs_{0} using hnsw (embedding vector_l2_ops)"
    mine = "select id from docs order by embedding <-> %s limit 5"
    conn.execute(make.format(0).encode())
    said = refused(lambda: check_plan(conn, mine, [str(QUERY.tolist())]))
    assert "and sorts Seq Scan on docs_1" in said
    conn.execute(make.format(1).encode())
    names = check_plan(conn, mine, [str(QUERY.tolist())]).index_names
    assert names == ("near_0", "near_1")


def test_asynchronous_connections(docs: Conn, database: str) -> None:
    async def ask() -> None:
        async with await AsyncConnection.connect(database) as other:
            found = await INDEX.check_plan_async(other, k=3)
            assert found.index_names == (INDEX.name,)
            found = await check_plan_async(other, MINE, [SHORT])
            assert found.index_names == (INDEX.name,)
            with pytest.raises(IndexNotUsed):
                await check_plan_async(other, WRONG["operator"], [SHORT])

    asyncio.run(ask())
