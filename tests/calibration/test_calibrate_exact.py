"""Exact search as a measured setting: every interface takes it where it is fastest."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from pgvector.sqlalchemy import VECTOR
from psycopg import sql
from sqlalchemy import BigInteger, Column, MetaData, Table, create_engine, select
from support.calibrations import Promised, promised, put
from support.databases import Server
from support.plans import force_index
from support.sql_calls import ids, keys, one, text
from support.sql_plans import ordered, planned
from support.tables import Docs, fresh_docs
from support.vectors import distances

from mrl_pg.sqlalchemy import Matryoshka, search, standing

NAME = "docs_embedding_32_halfvec_cosine_hnsw"


@pytest.fixture(scope="module")
def made(pg_server: Server) -> Iterator[Docs]:
    with fresh_docs(pg_server, rows=400) as docs:
        force_index(docs.conn)
        docs.conn.execute("analyze docs")
        yield docs


@pytest.fixture
def docs(made: Docs) -> Iterator[Docs]:
    """The table, with nothing calibrated."""
    made.conn.execute("delete from mrl._calibrations")
    yield made


def nearest(docs: Docs, query: Any, among: Any = None) -> list[int]:
    """Keys of the ten rows that are nearest by full vectors."""
    far = distances(docs.vectors, query, "cosine")
    if among is not None:
        far = np.where(among, far, np.inf)
    return [int(place) + 1 for place in np.argsort(far, kind="stable")[:10]]


def test_exact_search_is_taken_where_it_is_fastest(docs: Docs) -> None:
    conn = docs.conn
    put(conn, 20, 0.95, 0.94, 1.0)
    put(conn, None, 1, 1, 2.0)
    put(conn, 80, 0.995, 0.99, 3.0)
    assert promised(conn, recall=0.9) == Promised(20, 20, "measured", 0.95, 0.94)
    exact = Promised(None, None, "measured", 1, 1)
    assert promised(conn, recall=0.99) == promised(conn, recall=1) == exact
    # with a filter that was measured otherwise, it may be slow
    put(conn, 40, 0.99, 0.99, 1.0, filter="n < 5", share=0.3)
    put(conn, None, 1, 1, 0.5, filter="n = 1", share=0.1)
    put(conn, 30, 0.99, 0.99, 1.0, filter="n = 1", share=0.1)
    assert promised(conn, filtered=True, filter="n = 1") == exact
    asked: dict[str, Any] = {"recall": 0.98, "filtered": True, "share": 0.15}
    between = promised(conn, filter="n = 2", **asked)
    assert (between.candidates, between.standing) == (40, "unreached")


def test_exact_search_is_not_borrowed_for_any_number_of_rows(docs: Docs) -> None:
    """A statement for 99 % of the rows read all of them, because 1 % is read fast."""
    conn = docs.conn
    conn.execute("delete from mrl._calibrations")
    put(conn, 40, 0.99, 0.99, 2.0, filter="n < 1", share=0.01)
    put(conn, None, 1.0, 1.0, 1.0, filter="n < 1", share=0.01)
    asked: dict[str, Any] = {"filtered": True, "filter": "n >= 1"}
    assert promised(conn, recall=0.9, share=0.01, **asked).candidates is None
    assert promised(conn, recall=0.9, share=0.99, **asked).standing == "uncalibrated"
    # the share is not known, as for SQLAlchemy and mrl.search_sql
    borrowed = Promised(40, 40, "unreached", 0.99, 0.99)
    assert promised(conn, recall=0.9, **asked) == borrowed


def test_exact_search_is_a_point_unless_the_index_is_faster(docs: Docs) -> None:
    call = "select mrl._exact_point(%s::jsonb, %s, %s)"
    slowest = '[{"median_ms": 1}, {"median_ms": 3}]'
    (point,) = one(docs.conn, call, slowest, [2.0, 3.0, 9.0], [1.0, 1.5])
    assert point == {
        "recall": 1,
        "low": 1,
        "p05": 1,
        "shares": [1],
        "weights": [2.5],
        "median_ms": 3,
        "p95_ms": pytest.approx(8.4),
    }
    assert one(docs.conn, call, slowest, [4.0], [1.0]) == []
    assert one(docs.conn, call, "[]", [], []) == []


@pytest.mark.parametrize("filter", [None, "n < 3"])
def test_every_interface_searches_exactly(docs: Docs, filter: str | None) -> None:
    conn, query = docs.conn, docs.vectors[7] + 0.1
    put(conn, None, 1, 1, 0.1, filter=filter or "")
    put(conn, 20, 0.9, 0.9, 0.2, filter=filter or "")
    among = np.arange(1, 401) % 100 < 3 if filter else None
    wanted = nearest(docs, query, among)
    options: dict[str, Any] = {"recall": 0.95, "filter": filter}
    result = docs.index.search(conn, query, **options)
    assert result.keys == wanted
    assert (result.scan, result.candidates, result.index_name) == ("exact", None, None)
    assert result.promise is not None
    assert result.promise.standing == "measured"
    assert "exact search" in str(result.promise)
    # an ef_search is for the index alone
    assert docs.index.search(conn, query, ef_search=50, **options).keys == wanted
    for form in ("rows", "keys", "batch"):
        assert ordered(planned(conn, form, [query], **options)) == []
    assert [row[0] for row in keys(conn, query, **options)] == wanted
    assert ids(conn, query, **options) == wanted
    printed = one(
        conn,
        "select mrl.search_sql('docs', 'embedding', recall => 0.95, filter => %s)",
        filter,
    )
    assert "hnsw" not in printed
    ours = printed.replace("$1", sql.Literal(text(query)).as_string())
    assert [row[0] for row in conn.execute(ours).fetchall()] == wanted
    made = one(
        conn,
        "select mrl.create_search_function('search_docs', 'docs', 'embedding',"
        " recall => 0.95, filter => %s)",
        filter,
    )
    found = conn.execute("select id from search_docs(%s::vector, 4)", [text(query)])
    assert [row[0] for row in found] == wanted[:4]
    body = one(conn, "select prosrc from pg_proc where oid = %s::regprocedure", made)
    assert "embedding_32_halfvec <=>" not in body
    conn.execute(f"drop function {made}".encode())
    report = docs.index.recall(conn, sample=5, keep=True, **options)
    assert (report.recall, report.candidates, report.queries) == (1, None, 0)
    assert "finds everything" in str(report)
    (stored,) = docs.index.history(conn)
    assert (stored.recall, stored.candidates) == (1, None)
    conn.execute("delete from mrl._measurements")


def test_a_statement_of_sqlalchemy_searches_exactly(docs: Docs) -> None:
    conn, query = docs.conn, docs.vectors[7] + 0.1
    table = Table(
        "docs",
        MetaData(),
        Column("id", BigInteger, primary_key=True),
        Column("n", BigInteger),
        Column("embedding", VECTOR(docs.vectors.shape[1]), Matryoshka(32)),
    )
    engine = create_engine(docs.url.replace("postgresql:", "postgresql+psycopg:"))
    statement = search(
        select(table.c.id, standing), table.c.embedding, query, k=10, recall=0.95
    )
    few = search(
        select(table.c.id, standing).where(table.c.n < 3),
        table.c.embedding,
        query,
        k=10,
        recall=0.95,
    )

    def reads_index(connection: Any, asked: Any) -> bool:
        """Whether the statement reads the index, or every row without it."""
        compiled = asked.compile(engine)
        values = {**compiled.params}
        values["mrl_query_1"] = text(query)
        plan = connection.exec_driver_sql(
            f"explain (analyze, costs off, timing off) {compiled}", values
        )
        lines = [line for (line,) in plan if "on docs" in line]
        ran = ["using" in line for line in lines if "never executed" not in line]
        # one of the two, beside the rows that are answered by their key
        index = any(NAME in line for line in lines if "never executed" not in line)
        assert len(lines) > len(ran)
        return index

    with engine.connect() as connection:
        connection.exec_driver_sql("set enable_seqscan = off")
        put(conn, 400, 1, 1, 1.0)
        put(conn, 400, 1, 1, 1.0, filter="n < 3")
        assert reads_index(connection, statement)
        wanted = [(key, "measured") for key in nearest(docs, query)]
        assert [tuple(row) for row in connection.execute(statement)] == wanted
        put(conn, None, 1, 1, 0.5)
        put(conn, None, 1, 1, 0.5, filter="n < 3")
        assert not reads_index(connection, statement)
        assert [tuple(row) for row in connection.execute(statement)] == wanted
        # a statement knows no values, so a filter with others may let any number pass
        among = np.arange(1, 401) % 100 < 3
        wanted = [(key, "unreached") for key in nearest(docs, query, among)]
        assert [tuple(row) for row in connection.execute(few)] == wanted
    engine.dispose()
