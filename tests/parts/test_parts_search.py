"""Searches of the parts that are nearest to a query, from Python and from SQL."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from psycopg import AsyncConnection, errors, sql
from support.databases import Conn, Server, connect
from support.parts import (
    CENTRES,
    COLUMN,
    INDEX,
    PARTED,
    around_centres,
    between,
    index_of,
    nearest_parts,
    part_of,
    parted_table,
)
from support.plans import explain, first_pass, force_index
from support.sql_calls import ids, keys, many, one
from support.sql_plans import ordered, planned
from support.sql_state import notices
from support.tables import Docs
from support.vectors import nearest

from mrl_pg import MatryoshkaIndex
from mrl_pg.errors import InvalidSetting, TableError

VECTORS = around_centres()
QUERY = CENTRES[1] * 0.6 + CENTRES[4] * 0.4
SEARCHES: dict[str, dict[str, Any]] = {
    "plain": {},
    "mapping": {"filter": "n < %(n)s -- 100%%", "params": {"n": 50}},
    "sequence": {"filter": "n < %s", "params": [50]},
    "composed": {"filter": sql.SQL("n < {}").format(50)},
}


@pytest.fixture(scope="module")
def docs(pg_server: Server) -> Iterator[Docs]:
    def build(url: str) -> None:
        with connect(url) as conn:
            parted_table(conn, VECTORS)

    with pg_server.copy_of("parts", build) as url, connect(url) as conn:
        force_index(conn)
        yield Docs(url, conn, VECTORS, INDEX)


def truth(query: Any, parts: Any, *, below: int = 100, k: int = 10) -> list[int]:
    """Exact answers among the rows of some parts with a small `n`."""
    rows = nearest(VECTORS, query, len(VECTORS))
    mine = [r for r in rows if part_of(VECTORS[r - 1]) in parts and r % 100 < below]
    return mine[:k]


def by_id(found: Any) -> list[int]:
    """The first part of keys, which also have the number of the part."""
    return [key[0] for key in found.keys]


@pytest.mark.parametrize("look", SEARCHES)
@pytest.mark.parametrize("probes", [1, 3, 100])
def test_only_the_nearest_parts_are_read(docs: Docs, look: str, probes: int) -> None:
    options = SEARCHES[look]
    parts = nearest_parts(QUERY, probes)
    for searched in (INDEX, PARTED):
        plan = searched.plan(docs.conn, QUERY, probes=probes, **options)
        scanned = first_pass(explain(docs.conn, plan))
        assert set(scanned) == {index_of(part) for part in (0, *parts)}
        found = searched.search(
            docs.conn, QUERY, probes=probes, candidates=900, **options
        )
        wanted = truth(QUERY, parts, below=50 if options else 100)
        assert by_id(found) == wanted
        assert found.parts == (0, *parts)
        assert not found.cut_short
        far = [hit.distance for hit in found]
        assert far == sorted(far)
    assert searched.search(docs.conn, QUERY, **options).parts is None


def test_each_query_of_many_has_its_own_parts(docs: Docs) -> None:
    queries = [QUERY, CENTRES[2], VECTORS[3]]
    for options in ({}, SEARCHES["mapping"], SEARCHES["sequence"]):
        for query, found in zip(
            queries,
            INDEX.search_many(docs.conn, queries, probes=2, candidates=900, **options),
            strict=True,
        ):
            parts = nearest_parts(query, 2)
            assert found.parts == (0, *parts)
            assert by_id(found) == truth(query, parts, below=50 if options else 100)


def test_async_hybrid_and_mmr_search_parts(docs: Docs) -> None:
    async def ask() -> Any:
        async with await AsyncConnection.connect(docs.url, autocommit=True) as conn:
            return await INDEX.search_async(conn, QUERY, probes=2, candidates=900)

    parts = nearest_parts(QUERY, 2)
    found = INDEX.search(docs.conn, QUERY, probes=2, candidates=900)
    assert asyncio.run(ask()) == found
    for options in ({}, SEARCHES["mapping"], SEARCHES["sequence"]):
        hits = INDEX.hybrid(
            docs.conn, QUERY, "17", text="title", probes=2, candidates=900, **options
        )
        vectors = [hit.key[0] for hit in hits if hit.vector_rank]
        assert set(vectors) <= set(truth(QUERY, parts, k=900))
        # words are searched in all parts
        assert 17 in [hit.key[0] for hit in hits if hit.word_rank]
        assert hits.parts == (0, *parts)
    mixed = INDEX.search_mmr(docs.conn, QUERY, probes=2, candidates=900)
    assert set(by_id(mixed)) <= set(truth(QUERY, parts, k=40))


def test_sql_searches_the_same_parts(docs: Docs) -> None:
    for probes in (1, 3):
        parts = nearest_parts(QUERY, probes)
        wanted = truth(QUERY, parts)
        options: dict[str, Any] = {"probes": probes, "candidates": 900}
        assert ids(docs.conn, QUERY, table="parted", **options) == wanted
        found = keys(docs.conn, QUERY, table="parted", key="jsonb", **options)
        assert [key["id"] for key, _ in found] == wanted
        tree = planned(
            docs.conn, "rows", [QUERY], table="parted", probes=probes, candidates=900
        )
        assert set(ordered(tree)) == {index_of(part) for part in (0, *parts)}
        filtered = ids(
            docs.conn, QUERY, table="parted", filter="n < $1::int", args=["50"],
            **options,
        )  # fmt: skip
        assert filtered == truth(QUERY, parts, below=50)
        query = str(QUERY.tolist())
        told = one(
            docs.conn,
            "select mrl.nearest_parts('parted', 'embedding', %s, %s)",
            query,
            probes,
        )
        assert told == parts
        words = docs.conn.execute(
            "select (hit).id, vector_rank, word_rank from mrl.hybrid(null::parted,"
            " 'embedding', %s::vector, '17', 'title', probes => %s)",
            [query, probes],
        ).fetchall()
        by_vector = [id for id, vector, _ in words if vector]
        assert set(by_vector) <= set(truth(QUERY, parts, k=900))
        assert 17 in [id for id, _, word in words if word]
    with pytest.raises(errors.FeatureNotSupported, match="each query has other parts"):
        many(docs.conn, [QUERY], table="parted", probes=2)
    exact = ids(docs.conn, QUERY, table="parted", probes=1, exact=True)
    assert exact == nearest(VECTORS, QUERY)


def test_rerank_and_bits_search_parts(conn: Conn) -> None:
    parted_table(conn, VECTORS)
    bits = PARTED.index(conn)
    conn.execute("select mrl.create_index('parted', 'embedding', 64, kind => 'bit')")
    conn.execute("analyze parted")
    parts = nearest_parts(QUERY, 2)
    found = PARTED.search(
        conn, QUERY, dims=64, kind="bit", probes=2, candidates=600, rerank=300
    )
    assert found.index_name != bits.name
    assert by_id(found) == truth(QUERY, parts)
    answered = ids(
        conn, QUERY, table="parted", dims=64, kind="bit", probes=2, candidates=600,
        rerank=300,
    )  # fmt: skip
    assert answered == truth(QUERY, parts)


def test_more_probes_find_more(docs: Docs) -> None:
    shares = []
    wanted = nearest(VECTORS, QUERY, 300)
    for probes in range(1, 7):
        found = INDEX.search(docs.conn, QUERY, k=300, probes=probes, candidates=900)
        shares.append(len({*by_id(found)} & {*wanted}) / len(wanted))
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert shares[0] < 1


def test_fewer_rows_than_asked_are_no_secret(docs: Docs) -> None:
    found = INDEX.search(docs.conn, QUERY, k=400, candidates=900, probes=1)
    assert len(found) < 400
    assert found.cut_short
    assert len(INDEX.search(docs.conn, QUERY, k=400, candidates=900, probes=3)) == 400
    with notices(docs.conn) as told:
        ids(docs.conn, QUERY, table="parted", k=400, candidates=900, probes=1)
    assert "cut short" in "".join(told)


def test_recall_measures_what_probes_find(docs: Docs) -> None:
    reports = [
        INDEX.recall(docs.conn, sample=20, probes=probes, queries=between(20))
        for probes in (1, 6)
    ]
    few, all_parts = reports
    assert few.probes == 1
    assert "probes 1" in str(few)
    assert few.recall is not None and all_parts.recall is not None
    assert few.recall < all_parts.recall
    assert all_parts.recall >= 0.95
    vectors = "{" + ",".join(f'"{v.tolist()}"' for v in between(20)) + "}"
    measured = one(
        docs.conn,
        "select recall from mrl.recall('parted', 'embedding', sample => 20,"
        " probes => 1, queries => %s::vector[])",
        vectors,
    )
    assert measured == pytest.approx(few.recall)
    # rows stand in for queries, and leave themselves out
    by_rows = INDEX.recall(docs.conn, sample=20, probes=6)
    assert by_rows.recall is not None and by_rows.recall >= 0.9
    with pytest.raises(InvalidSetting, match="keep=True stores recalls of whole"):
        INDEX.recall(docs.conn, probes=1, keep=True)
    with pytest.raises(errors.InvalidParameterValue, match="keep stores recalls"):
        docs.conn.execute(
            "select mrl.recall('parted', 'embedding', probes => 1, keep => true)"
        )


def test_a_curve_over_probes(docs: Docs) -> None:
    asked = between(15)
    curve = PARTED.probe_curve(docs.conn, queries=asked, candidates=900)
    assert [point.probes for point in curve.points] == [1, 2, 4, 6]
    recalls = [point.recall for point in curve.points]
    assert recalls == sorted(recalls)
    assert recalls[0] < 0.9 < recalls[-1] == 1
    assert (curve.queries, curve.rows) == (15, False)
    least = curve.least(recalls[0] + 0.01)
    assert least is not None and least > 1
    assert curve.least(1.1) is None
    # as one setting measured by the server
    (one_probe,) = curve.points[:1]
    report = INDEX.recall(docs.conn, sample=15, queries=asked, probes=1, candidates=900)
    assert report.recall == pytest.approx(one_probe.recall)

    async def ask() -> Any:
        async with await AsyncConnection.connect(docs.url, autocommit=True) as conn:
            return await PARTED.probe_curve_async(conn, probes=[3], sample=10)

    by_rows = asyncio.run(ask())
    assert [point.probes for point in by_rows.points] == [3, 6]
    assert by_rows.rows
    assert by_rows.points[1].recall >= 0.9
    with pytest.raises(TableError, match="is not partitioned by the likeness"):
        COLUMN.probe_curve(docs.conn)


def test_what_probes_cannot_be_given_with(docs: Docs) -> None:
    with pytest.raises(InvalidSetting, match="probes=0 is below 1"):
        INDEX.search(docs.conn, QUERY, probes=0)
    with pytest.raises(InvalidSetting, match="measured searches of all parts"):
        INDEX.search(docs.conn, QUERY, probes=2, recall=0.9)
    with pytest.raises(InvalidSetting, match="probes=2 with tenant=3"):
        INDEX.search(docs.conn, QUERY, probes=2, tenant=3)
    plain = MatryoshkaIndex("docs", "embedding", dims=16)
    plain.create(docs.conn)
    for searched in (COLUMN, plain):
        for ask in (searched.search, searched.plan):
            with pytest.raises(TableError, match="is not partitioned by the likeness"):
                ask(docs.conn, QUERY, probes=1)
    with pytest.raises(TableError, match="is not partitioned by the likeness"):
        plain.recall(docs.conn, probes=1)
    plain.drop(docs.conn)
    with pytest.raises(errors.InvalidParameterValue, match="probes 0 is below 1"):
        ids(docs.conn, QUERY, table="parted", probes=0)
    with pytest.raises(errors.InvalidParameterValue, match="all parts"):
        ids(docs.conn, QUERY, table="parted", probes=1, recall=0.9)


def test_why_the_parts_are_asked_first(docs: Docs) -> None:
    """PostgreSQL leaves out no partition for an array that a function returns."""
    query = "'" + str(QUERY.tolist()) + "'"
    asked = f"mrl.nearest_parts('parted', 'embedding', {query}, 2)"
    parts = nearest_parts(QUERY, 2)
    for array, read in ((asked, 7), (f"'{{{parts[0]},{parts[1]}}}'::int[]", 2)):
        plan = one(
            docs.conn,
            f"explain (format json) select from parted where part = any ({array})"
            f" order by embedding_32_halfvec <=> '{[0.1] * 32}'::halfvec limit 5",
        )
        assert str(plan).count("'Index Scan'") == read


def test_exact_searches_read_all_parts(docs: Docs) -> None:
    found = INDEX.search(docs.conn, QUERY, probes=1, exact=True)
    assert by_id(found) == nearest(VECTORS, QUERY)
    assert found.parts is None
