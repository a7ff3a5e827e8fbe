"""Building, dropping and measuring on a table that Citus spreads."""

from collections.abc import Iterator

import pytest
from psycopg import errors
from support.citus import distribute, make_catalog
from support.databases import Conn, database_fixture
from support.sql_calls import text
from support.tables import make_table
from support.vectors import matryoshka, nearest, recall
from support.verbs import sent

from mrl_pg import MatryoshkaIndex, SpreadTable, repair, status
from mrl_pg.build.create import create
from mrl_pg.build.drop import drop
from mrl_pg.exchange.progress import Progress
from mrl_pg.kinds import Keep
from mrl_pg.tune.rows.table import read

VECTORS = matryoshka(300)
INDEX = MatryoshkaIndex("docs", "embedding", dims=32)
EXPRESSION = (
    "((l2_normalize(subvector(embedding, 1, 32)))::halfvec(32)) halfvec_cosine_ops"
)


def prepare(conn: Conn) -> None:
    make_catalog(conn)
    make_table(conn, VECTORS)
    distribute(conn, "docs")


database = database_fixture(prepare, used_by="conn")


def definition(conn: Conn) -> str:
    row = conn.execute("select pg_get_indexdef(%s::regclass)", [INDEX.name]).fetchone()
    assert row is not None
    return str(row[0])


def columns(conn: Conn) -> list[str]:
    rows = conn.execute(
        "select attname from pg_attribute"
        " where attrelid = 'docs'::regclass and attnum > 0 and not attisdropped"
        " order by attnum"
    )
    return [name for (name,) in rows]


def test_create_builds_an_expression_index_concurrently(conn: Conn) -> None:
    texts = sent(conn, create(conn, INDEX))
    built = [text for text in texts if text.startswith("create index")]
    assert [text.startswith("create index concurrently") for text in built] == [True]
    # nothing that a shard would have to know of mrl_pg
    assert "mrl." not in built[0]
    # the check of the graph names rows by their places
    assert not any("_check_graph" in text for text in texts)
    assert EXPRESSION in definition(conn)
    assert columns(conn) == ["id", "n", "title", "embedding"]
    report = INDEX.create(conn)
    assert (report.kept_as, report.changed) == ("expression", False)
    found = INDEX.search(conn, VECTORS[0], candidates=40)
    assert (found.shards, found.index_name) == (8, INDEX.name)
    assert found.keys == nearest(VECTORS, VECTORS[0], 10)


def test_the_report_has_no_size_of_the_machine_that_was_asked(conn: Conn) -> None:
    report = INDEX.create(conn)
    assert (report.index_bytes, report.rows) == (0, 0)
    assert "MB" not in str(report)
    (state,) = status(conn, "docs")
    assert state.ok
    assert (state.usable, state.index_bytes, state.rows) == (True, None, None)
    listed = conn.execute("select index_bytes, estimated_rows from mrl.indexes")
    assert listed.fetchall() == [(None, None)]


def test_create_in_a_transaction(conn: Conn) -> None:
    with conn.transaction():
        report = INDEX.create(conn)
    assert report.kept_as == "expression"
    assert EXPRESSION in definition(conn)


@pytest.mark.parametrize("keep", ["generated", "trigger"])
def test_a_column_is_refused_before_anything_is_changed(conn: Conn, keep: Keep) -> None:
    index = MatryoshkaIndex("docs", "embedding", dims=32, keep=keep)
    with pytest.raises(SpreadTable, match=f"table of Citus.*{keep}.*'expression'"):
        index.create(conn)
    assert columns(conn) == ["id", "n", "title", "embedding"]
    assert not status(conn, "docs")


def test_a_column_that_was_there_before_is_indexed(conn: Conn) -> None:
    conn.execute("delete from pg_catalog.pg_dist_partition")
    index = MatryoshkaIndex("docs", "embedding", dims=32, keep="generated")
    index.create(conn)
    index_oid = "select %s::regclass::oid"
    before = conn.execute(index_oid, [index.name]).fetchone()
    distribute(conn, "docs")
    assert not index.create(conn).changed
    assert conn.execute(index_oid, [index.name]).fetchone() == before
    found = index.search(conn, VECTORS[0], candidates=40)
    assert found.keys == nearest(VECTORS, VECTORS[0], 10)


def test_drop_sends_one_statement_at_a_time(conn: Conn) -> None:
    INDEX.create(conn)
    texts = sent(conn, drop(conn, INDEX))
    dropped = [text for text in texts if text.startswith("drop index")]
    assert len(dropped) == 1
    assert dropped[0].startswith("drop index concurrently")
    assert ";" not in dropped[0]
    assert not status(conn, "docs")
    INDEX.create(conn)
    with conn.transaction():
        # as in a transaction: the index, then the registry
        texts = sent(conn, drop(conn, INDEX))
    dropped = [text for text in texts if text.startswith("drop index")]
    assert len(dropped) == 1
    assert ";" not in dropped[0]
    assert not status(conn, "docs")


def test_repair_builds_a_missing_index_on_the_shards(conn: Conn) -> None:
    INDEX.create(conn)
    conn.execute(f"drop index {INDEX.name}")
    report = repair(conn, "docs")
    assert report.left == ()
    assert any("create index concurrently" in text for text in report.statements)
    assert EXPRESSION in definition(conn)


@pytest.fixture
def ready(conn: Conn) -> Iterator[Conn]:
    INDEX.create(conn)
    yield conn


def test_what_is_measured_by_places_is_refused(ready: Conn) -> None:
    way_out = "8 shards: what is measured .* a sample of the rows in a local table"
    with pytest.raises(SpreadTable, match=way_out):
        INDEX.calibrate(ready)
    with pytest.raises(SpreadTable, match=way_out):
        INDEX.resize(ready, dims=16)
    with pytest.raises(SpreadTable, match=way_out):
        read(ready, INDEX)
    with pytest.raises(SpreadTable, match="run create"):
        INDEX.preflight(ready)
    with pytest.raises(SpreadTable, match="leave it as it is"):
        INDEX.keep_as(ready, "generated")


def test_recall_is_measured_by_searches(ready: Conn) -> None:
    told: list[Progress] = []
    measured = INDEX.recall(
        ready, queries=VECTORS[:10], candidates=40, k=5, progress=told.append
    )
    assert (measured.queries, measured.k, measured.candidates) == (10, 5, 40)
    assert (measured.ef_search, measured.loss_graph) == (40, None)
    assert measured.recall is not None and measured.recall >= 0.95
    assert [(each.done, each.total) for each in told][-1] == (10, 10)
    assert "would be lost" not in str(measured)
    assert not measured.below(0.9)
    # as few candidates as answers miss some
    few = INDEX.recall(ready, queries=VECTORS[:10], candidates=5, k=5)
    truth = [nearest(VECTORS, query, 5) for query in VECTORS[:10]]
    found = [INDEX.search(ready, query, candidates=5, k=5) for query in VECTORS[:10]]
    shares = [recall(one, keys) for one, keys in zip(found, truth, strict=True)]
    assert few.recall == pytest.approx(sum(shares) / 10)


def test_rows_that_stand_in_for_queries_leave_themselves_out(ready: Conn) -> None:
    measured = INDEX.recall(
        ready, sample=20, candidates=40, filter="n < %s", params=[50]
    )
    assert (measured.queries, measured.filter) == (20, "n < 50")
    assert measured.recall is not None and measured.recall >= 0.9
    with pytest.raises(SpreadTable, match="shards do not tell"):
        INDEX.recall(ready, keep=True)
    with pytest.raises(SpreadTable, match="give them as queries="):
        INDEX.recall(ready, real_queries=True)


@pytest.mark.parametrize(
    "call",
    [
        "select * from mrl.search(null::docs, 'embedding', {query})",
        "select * from mrl.search(null::docs, 'embedding', {query}, exact => true)",
        "select * from mrl.search_keys(null::bigint, 'docs', 'embedding', {query})",
        "select mrl.search_sql('docs', 'embedding')",
        "select mrl.create_search_function('find', 'docs', 'embedding')",
        "select * from mrl.recall('docs', 'embedding')",
        "select * from mrl.calibrate('docs', 'embedding')",
        "select * from mrl.preflight('docs', 'embedding', 32)",
    ],
)
def test_functions_that_shards_would_not_follow_are_refused(
    ready: Conn, call: str
) -> None:
    query = f"'{text(VECTORS[0])}'"
    with pytest.raises(
        errors.FeatureNotSupported, match="is a table of Citus"
    ) as raised:
        ready.execute(call.replace("{query}", query).encode())
    assert raised.value.diag.message_hint


def test_create_index_in_sql_takes_an_expression(conn: Conn) -> None:
    conn.execute("select mrl.create_index('docs', 'embedding', 32)")
    assert EXPRESSION in definition(conn)
    conn.execute("select mrl.drop_index('docs', 'embedding')")
    with pytest.raises(errors.FeatureNotSupported, match="is a table of Citus"):
        conn.execute(
            "select mrl.create_index('docs', 'embedding', 32, keep => 'generated')"
        )
