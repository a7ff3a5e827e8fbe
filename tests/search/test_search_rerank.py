"""`rerank`: a search reads in full only the candidates that their bits say are best."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import psycopg
import pytest
from pgvector.sqlalchemy import VECTOR
from psycopg import errors
from sqlalchemy import BigInteger, Column, MetaData, Table, create_engine, select
from support.databases import Conn, Server, connect
from support.plans import explain, first_pass, force_index, nodes
from support.sql_calls import ids, keys, many, one, text
from support.sql_state import refused
from support.tables import Docs, make_table
from support.vectors import (
    Vectors,
    assert_true,
    distances,
    matryoshka,
    nearest,
    recall,
)

from mrl_pg import MatryoshkaColumn, MatryoshkaIndex, normalise
from mrl_pg.errors import InvalidSetting
from mrl_pg.kinds import Distance, Keep
from mrl_pg.sqlalchemy import Matryoshka, register, search, seen

# more than 2 kB, so that full vectors are in TOAST and each that is read is counted
ROWS, DIMS = 1000, 640
WALKED, READ = 100, 30
SCANS = """
select pg_stat_get_xact_numscans(state.indexrelid)::int
from pg_class as class
join pg_index as state on state.indrelid = class.reltoastrelid
where class.oid = 'docs'::regclass
"""

Ask = Callable[[Conn, Any, dict[str, Any]], list[Any]]


def clustered(rows: int, *, seed: int = 1) -> Vectors:
    """Unit vectors that their signs tell apart well, around the same 20 centres."""
    centres = np.random.default_rng(0).standard_normal((20, DIMS))
    random = np.random.default_rng(seed)
    around = centres[random.integers(20, size=rows)]
    vectors: Vectors = normalise(around + random.standard_normal((rows, DIMS)))
    return vectors.astype(np.float32)


QUERIES = clustered(20, seed=9)


@pytest.fixture(scope="module")
def docs(pg_server: Server) -> Iterator[Docs]:
    vectors = clustered(ROWS)
    index = MatryoshkaIndex("docs", "embedding", dims=DIMS, kind="bit")
    with pg_server.fresh() as url, connect(url) as conn:
        make_table(conn, vectors, analyze=False)
        index.create(conn)
        conn.execute("analyze docs")
        force_index(conn)
        yield Docs(url, conn, vectors, index)


INDEX = MatryoshkaIndex("docs", "embedding", dims=DIMS, kind="bit")


def by_search_sql(conn: Conn, query: Any, options: dict[str, Any]) -> list[Any]:
    given = ", ".join(f"{name} => {value}" for name, value in options.items())
    made = one(conn, f"select mrl.search_sql('docs', 'embedding', {given})")
    conn.execute(f"prepare asked as {made}".encode())
    try:
        asked = conn.execute(f"execute asked ('{text(query)}')".encode())
        return [row[0] for row in asked]
    finally:
        conn.execute("deallocate asked")


def by_made_function(conn: Conn, query: Any, options: dict[str, Any]) -> list[Any]:
    given = ", ".join(f"{name} => {value}" for name, value in options.items())
    place = "'near', 'docs', 'embedding'"
    conn.execute(f"select mrl.create_search_function({place}, {given})".encode())
    found = conn.execute(f"select id from near('{text(query)}')".encode())
    answers = [row[0] for row in found]
    conn.execute("drop function near")
    return answers


def by_async(conn: Conn, query: Any, options: dict[str, Any]) -> list[Any]:
    async def work() -> list[Any]:
        async with await psycopg.AsyncConnection.connect(
            conn.info.dsn, autocommit=True
        ) as other:
            return (await INDEX.search_async(other, query, **options)).keys

    return asyncio.run(work())


ASKS: dict[str, Ask] = {
    "search": lambda conn, query, options: INDEX.search(conn, query, **options).keys,
    "search_many": lambda conn, query, options: (
        INDEX.search_many(conn, [query], **options)[0].keys
    ),
    "column": lambda conn, query, options: (
        MatryoshkaColumn("docs", "embedding").search(conn, query, **options).keys
    ),
    "mrl.search": lambda conn, query, options: ids(conn, query, **options),
    "mrl.search_keys": lambda conn, query, options: (
        [key for key, _ in keys(conn, query, **options)]
    ),
    "mrl.search_many": lambda conn, query, options: (
        [key for key, _ in many(conn, [query], **options)[0]]
    ),
    "mrl.search_sql": by_search_sql,
    "mrl.create_search_function": by_made_function,
}


def assert_best(found: list[int], vectors: Vectors, query: Any, walked: Any) -> None:
    """The answers are the nearest of the rows that the estimate puts first."""
    rows = vectors > 0
    unit = query / np.linalg.norm(query)
    step = np.float32(DIMS**-0.5)
    signs = [unit > 0, unit - step > 0, unit + step > 0]
    far = np.sum([(rows != sign).sum(axis=1) for sign in signs], axis=0)
    last = sorted(far[row - 1] for row in walked)[READ - 1]
    true = distances(vectors, query, "cosine")
    assert all(far[row - 1] <= last for row in found)
    # of rows at the last place any may have been read
    read = [row for row in walked if far[row - 1] < last or row in found]
    assert sorted(read, key=lambda row: true[row - 1])[:10] == found


def counted(conn: Conn, search: Callable[[], Any]) -> tuple[Any, int]:
    """What a search answers, and how many full vectors it reads."""
    with conn.transaction(force_rollback=True):
        before = one(conn, SCANS)
        found = search()
        return found, one(conn, SCANS) - before


@pytest.mark.parametrize("name", ASKS)
def test_only_so_many_vectors_are_read(docs: Docs, name: str) -> None:
    query = QUERIES[0]
    options: dict[str, Any] = {"candidates": WALKED, "rerank": READ}
    found, read = counted(docs.conn, lambda: ASKS[name](docs.conn, query, options))
    # whole rows of an answer are read with their vectors
    answers = 10 if name == "mrl.search_many" else 0
    assert read == READ + answers
    wide: dict[str, Any] = {"candidates": WALKED}
    _, all_read = counted(docs.conn, lambda: ASKS[name](docs.conn, query, wide))
    assert all_read == WALKED + answers
    assert found == docs.index.search(docs.conn, query, **options).keys


def test_the_rows_that_are_read_are_those_of_the_least_estimate(docs: Docs) -> None:
    for query in QUERIES:
        walk = docs.index.search(docs.conn, query, k=WALKED, candidates=WALKED)
        options: dict[str, Any] = {"candidates": WALKED, "rerank": READ}
        plan = docs.index.plan(docs.conn, query, **options)
        assert first_pass(explain(docs.conn, plan)) == [docs.index.name]
        found = docs.index.search(docs.conn, query, **options)
        assert_best(found.keys, docs.vectors, query, walk.keys)
        assert (found.seen, found.reranked, found.cut_short) == (WALKED, READ, False)
        assert (found.candidates, found.scan) == (WALKED, "single")
        assert_true(found, docs.vectors, query)
    everything = docs.index.search(docs.conn, QUERIES[0], candidates=WALKED)
    assert (everything.seen, everything.reranked) == (WALKED, WALKED)
    exact = docs.index.search(docs.conn, QUERIES[0], exact=True, rerank=READ)
    assert (exact.seen, exact.reranked) == (None, None)


def test_the_estimate_finds_more_than_the_first_of_the_walk(docs: Docs) -> None:
    def mean(**options: Any) -> float:
        return float(
            np.mean(
                [
                    recall(
                        docs.index.search(docs.conn, query, **options),
                        nearest(docs.vectors, query),
                    )
                    for query in QUERIES
                ]
            )
        )

    everything = mean(candidates=WALKED)
    estimated = mean(candidates=WALKED, rerank=READ)
    cut = mean(candidates=READ, ef_search=WALKED)
    assert cut + 0.03 < estimated <= everything


@pytest.mark.parametrize("name", [*ASKS, "search_async"])
def test_reading_all_candidates_is_the_search_without_rerank(
    docs: Docs, name: str
) -> None:
    ask = by_async if name == "search_async" else ASKS[name]
    wanted = docs.index.search(docs.conn, QUERIES[1], candidates=WALKED).keys
    options: dict[str, Any] = {"candidates": WALKED, "rerank": WALKED}
    assert ask(docs.conn, QUERIES[1], options) == wanted


def test_a_search_without_rerank_sends_what_it_always_sent(docs: Docs) -> None:
    statement = docs.index.plan(docs.conn, QUERIES[0]).statement
    assert b"mrl_order" not in statement
    assert b"1e300" not in statement
    reranked = docs.index.plan(docs.conn, QUERIES[0], rerank=READ).statement
    assert b"mrl_order" in reranked


def test_sqlalchemy_reads_as_few(docs: Docs) -> None:
    table = Table(
        "docs",
        MetaData(),
        Column("id", BigInteger, primary_key=True),
        Column("embedding", VECTOR(DIMS), Matryoshka(DIMS, kind="bit")),
    )
    engine = create_engine(docs.url.replace("postgresql:", "postgresql+psycopg:", 1))
    register(engine)
    options: dict[str, Any] = {"candidates": WALKED, "rerank": READ}
    statement = search(
        select(table.c.id, seen), table.c.embedding, QUERIES[2], **options
    )
    with engine.connect() as connection:
        connection.exec_driver_sql("set local enable_seqscan = off")
        before = connection.exec_driver_sql(SCANS).scalar_one()
        rows = connection.execute(statement).all()
        read = connection.exec_driver_sql(SCANS).scalar_one() - before
    engine.dispose()
    assert read == READ
    assert {row.seen for row in rows} == {WALKED}
    found = docs.index.search(docs.conn, QUERIES[2], **options)
    assert [row.id for row in rows] == found.keys
    other = Table(
        "docs",
        MetaData(),
        Column("id", BigInteger, primary_key=True),
        Column("embedding", VECTOR(DIMS), Matryoshka(64)),
    )
    with pytest.raises(InvalidSetting, match="rerank=30 is for kind bit"):
        search(select(other.c.id), other.c.embedding, QUERIES[2], rerank=READ)


def test_a_filter_and_a_first_pass_without_the_index(docs: Docs) -> None:
    query = QUERIES[3]
    options: dict[str, Any] = {"filter": "n < 50", "candidates": WALKED, "rerank": READ}
    found, read = counted(
        docs.conn, lambda: docs.index.search(docs.conn, query, **options)
    )
    assert read == READ
    assert (found.seen, found.reranked, found.scan) == (WALKED, READ, "iterative")
    assert all(key % 100 < 50 for key in found.keys)
    with connect(docs.url) as conn:
        conn.execute("set enable_indexscan = off")
        plan = docs.index.plan(conn, query, candidates=WALKED, rerank=READ)
        root = explain(conn, plan)
        assert first_pass(root) == []
        assert "Seq Scan" in {node["Node Type"] for node, _ in nodes(root)}
        sorted_, read = counted(
            conn, lambda: docs.index.search(conn, query, candidates=WALKED, rerank=READ)
        )
        assert read == READ
        assert (sorted_.seen, sorted_.reranked) == (WALKED, READ)


def test_more_candidates_than_rows(docs: Docs) -> None:
    found = docs.index.search(docs.conn, QUERIES[4], candidates=3000, rerank=500)
    assert (found.seen, found.reranked, found.cut_short) == (ROWS, 500, False)
    assert found.keys == nearest(docs.vectors, QUERIES[4])
    assert (
        len(
            docs.index.search(docs.conn, QUERIES[4], k=500, rerank=500, candidates=3000)
        )
        == 500
    )


@pytest.mark.parametrize("keep", ["trigger", "expression"])
def test_other_ways_to_keep_bits(database: str, keep: Keep) -> None:
    vectors = clustered(200)
    index = replace(INDEX, keep=keep)
    with connect(database) as conn:
        make_table(conn, vectors, analyze=False)
        index.create(conn)
        conn.execute("analyze docs")
        force_index(conn)
        options: dict[str, Any] = {"candidates": 60, "rerank": 20}
        found, read = counted(conn, lambda: index.search(conn, QUERIES[0], **options))
        in_sql, read_in_sql = counted(conn, lambda: ids(conn, QUERIES[0], **options))
        _, all_read = counted(
            conn, lambda: index.search(conn, QUERIES[0], candidates=60)
        )
    # the bits of an expression are in its index alone
    assert (found.seen, found.reranked) == (60, 20 if keep == "trigger" else 60)
    assert read == read_in_sql == (20 if keep == "trigger" else all_read)
    assert in_sql == found.keys
    assert recall(found, nearest(vectors, QUERIES[0])) >= 0.8


@pytest.mark.parametrize("distance", ["l2", "ip"])
@pytest.mark.parametrize("full_type", ["vector", "halfvec"])
def test_other_distances_and_types(
    database: str, distance: Distance, full_type: str
) -> None:
    vectors = matryoshka(300)
    index = MatryoshkaIndex("docs", "embedding", dims=64, kind="bit", distance=distance)
    query = matryoshka(1, seed=5)[0]
    with connect(database) as conn:
        make_table(conn, vectors, full_type=full_type)
        index.create(conn)
        force_index(conn)
        options: dict[str, Any] = {"candidates": 200, "rerank": 80}
        plan = index.plan(conn, query, **options)
        assert first_pass(explain(conn, plan)) == [index.name]
        found = index.search(conn, query, **options)
        assert ids(conn, query, **options) == found.keys
        assert [key for key, _ in many(conn, [query], **options)[0]] == found.keys
    assert (found.seen, found.reranked) == (200, 80)
    assert_true(found, vectors, query, distance, tolerance=1e-3)
    cut = recall(found, nearest(vectors, query, distance=distance))
    assert cut >= 0.9


def test_rows_without_a_distance_do_not_become_answers(database: str) -> None:
    vectors = matryoshka(30)
    vectors[:20] = 0
    index = MatryoshkaIndex("docs", "embedding", dims=64, kind="bit")
    query = -np.abs(matryoshka(1, seed=5)[0])
    with connect(database) as conn:
        make_table(conn, vectors)
        conn.execute("insert into docs (id) values (31), (32)")
        index.create(conn)
        # bits of zero look like those of this query
        found = index.search(conn, query, candidates=40, rerank=20)
        wide = index.search(conn, query, candidates=40)
        in_sql = ids(conn, query, candidates=40, rerank=20)
    assert found.keys == wide.keys == in_sql
    assert sorted(found.keys) == [*range(21, 31)]
    assert not found.cut_short


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"rerank": 9}, "rerank=9 is below k=10", "rerank 9 is below k 10"),
    (
        {"rerank": 161},
        "rerank=161 is above candidates=160",
        "rerank 161 is above candidates 160",
    ),
    (
        {"rerank": 20, "recall": 0.9},
        "rerank=20 with recall=0.9",
        "rerank 20 with recall 0.9",
    ),
]


@pytest.mark.parametrize(("options", "python", "in_sql"), BAD)
def test_bad_input_is_refused(
    docs: Docs, options: dict[str, Any], python: str, in_sql: str
) -> None:
    with pytest.raises(InvalidSetting, match=python):
        docs.index.search(docs.conn, QUERIES[0], **options)
    for ask in (ids, keys):
        with refused(errors.InvalidParameterValue, in_sql):
            ask(docs.conn, QUERIES[0], **options)
    for make in (by_search_sql, by_made_function):
        with refused(errors.InvalidParameterValue, in_sql):
            make(docs.conn, QUERIES[0], options)


def test_another_kind_is_refused_where_the_caller_named_it(docs: Docs) -> None:
    halves = MatryoshkaIndex("docs", "embedding", dims=64)
    with pytest.raises(InvalidSetting, match="rerank=30 is for kind bit, and docs"):
        halves.search(docs.conn, QUERIES[0], rerank=READ)
    with pytest.raises(InvalidSetting, match="rerank=30 is for kind bit, and docs"):
        halves.recall(docs.conn, rerank=READ)
    with refused(errors.InvalidParameterValue, "is for kind bit, and not"):
        ids(docs.conn, QUERIES[0], kind="halfvec", rerank=READ)


def test_an_index_in_use_of_another_kind_reads_every_candidate(database: str) -> None:
    vectors = matryoshka(300)
    halves = MatryoshkaIndex("docs", "embedding", dims=32)
    with connect(database) as conn:
        make_table(conn, vectors)
        halves.create(conn)
        column = MatryoshkaColumn("docs", "embedding")
        found = column.search(conn, vectors[3], candidates=60, rerank=20)
        assert (found.seen, found.reranked) == (60, 60)
        assert ids(conn, vectors[3], candidates=60, rerank=20) == found.keys
        # the index of bits is not there, and halves stand in
        bits = MatryoshkaIndex("docs", "embedding", dims=64, kind="bit")
        found = bits.search(conn, vectors[3], candidates=60, rerank=20)
        assert (found.fallback, found.reranked) == (True, 60)


def test_a_made_function_returns_no_more_rows_than_it_reads(docs: Docs) -> None:
    with docs.conn.transaction(force_rollback=True):
        docs.conn.execute(
            "select mrl.create_search_function('near', 'docs', 'embedding',"
            " rerank => 30)"
        )
        call = f"select count(*) from near('{text(QUERIES[0])}', %s)"
        assert one(docs.conn, call, 30) == 30
        with refused(errors.InvalidParameterValue, "is outside 1 to 30", "rerank"):
            one(docs.conn, call, 31)


def test_recall_measures_what_rerank_loses(docs: Docs) -> None:
    def measured(**options: Any) -> tuple[float, float]:
        report = docs.index.recall(docs.conn, queries=QUERIES, **options)
        assert report.recall is not None
        call = (
            "select recall from mrl.recall('docs', 'embedding',"
            " queries => %s::vector[], candidates => %s, rerank => %s)"
        )
        asked = [text(query) for query in QUERIES]
        rerank = options.get("rerank")
        again = one(docs.conn, call, asked, options["candidates"], rerank)
        return report.recall, again

    everything, again = measured(candidates=WALKED)
    assert everything == again
    few, again = measured(candidates=WALKED, rerank=12)
    assert few == again
    assert few < everything
    found = [
        recall(
            docs.index.search(docs.conn, query, candidates=WALKED, rerank=12),
            nearest(docs.vectors, query),
        )
        for query in QUERIES
    ]
    assert few == pytest.approx(np.mean(found))
    # a row as a query leaves itself out
    assert docs.index.recall(docs.conn, sample=5, rerank=READ).recall is not None
    with docs.conn.transaction(force_rollback=True):
        report = docs.index.recall(docs.conn, sample=5, rerank=READ, keep=True)
        assert f"160 candidates ({READ} read)" in str(report)
        call = "select recall from mrl.recall('docs', 'embedding', rerank => 31,"
        one(docs.conn, f"{call} sample => 5, keep => true)")
        one(docs.conn, f"{call.replace('31', 'null')} sample => 5, keep => true)")
        kept = docs.index.history(docs.conn)
        assert [each.rerank for each in kept] == [READ, 31, None]
        assert kept[0].candidates == report.candidates
