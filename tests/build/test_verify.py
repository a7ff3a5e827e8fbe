"""A new index is searched on a sample before searches learn of it."""

import numpy as np
import pytest
from numpy.typing import NDArray
from psycopg import errors
from support.command import mrl_pg
from support.databases import Conn
from support.tables import make_table
from support.vectors import matryoshka

from mrl_pg import GraphBroken, IndexNotFound, MatryoshkaIndex, repair, status

INDEX = MatryoshkaIndex("docs", "embedding", dims=32, keep="expression")
POOR = MatryoshkaIndex(
    "docs", "embedding", dims=32, keep="expression", m=2, ef_construction=4
)


def clusters() -> NDArray[np.float32]:
    """Far groups of near rows, between which a graph with two links has no way."""
    random = np.random.default_rng(3)
    centres = np.repeat(random.normal(size=(60, 64)), 50, axis=0)
    return (centres + 0.01 * random.normal(size=centres.shape)).astype(np.float32)


def test_the_report_has_the_recall(conn: Conn) -> None:
    make_table(conn, matryoshka(1000))
    report = INDEX.create(conn)
    assert report.recall is not None
    assert report.recall >= 0.95
    assert f"finds {report.recall:.0%} of the nearest short values" in str(report)
    assert INDEX.create(conn).recall is None
    INDEX.drop(conn)
    with conn.transaction():
        assert INDEX.create(conn).recall is None


def test_nothing_is_known_of_an_empty_table(conn: Conn) -> None:
    make_table(conn, matryoshka(0))
    assert INDEX.create(conn).recall is None
    conn.execute("insert into docs (id, embedding) select 1, array_fill(0, '{64}')")
    INDEX.drop(conn)
    # a zero vector is in no index for cosine
    assert INDEX.create(conn).recall is None


@pytest.mark.parametrize("keep", ["expression", "trigger"])
def test_a_broken_graph_is_not_registered(conn: Conn, database: str, keep: str) -> None:
    rows = clusters()
    make_table(conn, rows)
    described = ("docs", "embedding", "--dims", "32", "--keep", keep)
    poor = ("create", *described, "--m", "2", "--ef-construction", "4")
    done = mrl_pg(*poor, "--dsn", database)
    assert done.returncode == 7
    assert "finds only" in done.stderr
    assert "mrl-pg drop" in done.stderr
    assert conn.execute("select from mrl.indexes").fetchall() == []
    (state,) = status(conn, "docs")
    assert not state.registered
    assert state.findings
    if keep == "expression":
        # it is there, and not verified
        with pytest.raises(GraphBroken):
            POOR.create(conn)
    MatryoshkaIndex("docs", "embedding", dims=32).drop(conn)
    assert status(conn, "docs") == ()
    with pytest.raises(IndexNotFound):
        INDEX.search(conn, rows[0])


def test_statements_keep_as_and_repair_verify_too(conn: Conn, database: str) -> None:
    make_table(conn, clusters())
    given = "dims => 32, keep => 'expression', m => 2, ef_construction => 4"
    todo = conn.execute(
        f"select mrl.create_index_sql('docs', 'embedding', {given})".encode()
    ).fetchall()
    *building, (checking,), _ = todo
    for (statement,) in building:
        conn.execute(statement)
    with pytest.raises(errors.IndexCorrupted, match="finds only") as raised:
        conn.execute(checking)
    assert "m = 2" in (raised.value.diag.message_hint or "")
    with pytest.raises(GraphBroken, match="finds only"):
        repair(conn)
    assert conn.execute("select from mrl.registry").fetchall() == []
    # a build in a transaction does not measure
    with conn.transaction():
        POOR.create(conn)
    with pytest.raises(GraphBroken, match="_beside finds only"):
        POOR.keep_as(conn, "trigger")
    kept = "select index_name, kept_as from mrl.indexes"
    assert conn.execute(kept).fetchall() == [(POOR.name, "expression")]


def test_keep_as_reports_the_recall(conn: Conn) -> None:
    make_table(conn, matryoshka(1000))
    INDEX.create(conn)
    report = INDEX.keep_as(conn, "trigger")
    assert report.recall is not None
    assert report.recall >= 0.95
    assert f"finds {report.recall:.0%} of the nearest short values" in str(report)
    assert INDEX.keep_as(conn, "trigger").recall is None


def test_repair_says_that_a_graph_is_broken_which_it_built_again(conn: Conn) -> None:
    rows = clusters()
    make_table(conn, rows)
    with conn.transaction():
        POOR.create(conn)
    conn.execute(
        "update pg_index set indisvalid = false where indexrelid = %s::regclass",
        [POOR.name],
    )
    with pytest.raises(IndexNotFound):
        POOR.search(conn, rows[0])
    with pytest.raises(GraphBroken, match="finds only"):
        repair(conn)
    # as docs/live.md says
    assert POOR.search(conn, rows[0], k=1).index_name == POOR.name


def test_the_largest_partitions_are_searched(conn: Conn) -> None:
    conn.execute(
        "create table docs (id bigint primary key, n int, title text, "
        "embedding vector(64)) partition by range (id); "
        "create table docs_a partition of docs for values from (1) to (500); "
        "create table docs_b partition of docs for values from (500) to (5000)"
    )
    make_table(conn, matryoshka(1000), table="source")
    conn.execute("insert into docs select * from source")
    report = INDEX.create(conn)
    assert report.recall is not None
    assert report.recall >= 0.95
