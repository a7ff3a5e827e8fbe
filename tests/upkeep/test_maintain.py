"""`maintain`: what is due is found, done once, and said; worse graphs are rebuilt."""

import asyncio
import json
from collections.abc import Iterator

import numpy as np
import pytest
from psycopg import AsyncConnection, errors, sql
from support.calibrations import NEVER_EXACT
from support.command import mrl_pg
from support.databases import Conn, connect, role
from support.tables import append, make_table
from support.vectors import matryoshka

from mrl_pg import (
    BuildRunning,
    InvalidSetting,
    MaintenanceReport,
    MatryoshkaIndex,
    NotInstalled,
    Progress,
    TableError,
    TableNotFound,
    maintain,
    maintain_async,
)

pytestmark = pytest.mark.every_version

ROWS = matryoshka(1200)
QUERIES = matryoshka(40, seed=9)
INDEX = MatryoshkaIndex("docs", "embedding", dims=32)
DOCS = sql.Identifier("docs")


def counted(conn: Conn) -> None:
    """Have what the session did counted now, not a second later."""
    conn.execute("select pg_stat_force_next_flush()")
    conn.execute("select")


@pytest.fixture
def docs(conn: Conn) -> Iterator[Conn]:
    """A calibrated index, whose table is vacuumed by nobody else."""
    make_table(conn, ROWS)
    conn.execute("alter table docs set (autovacuum_enabled = off)")
    INDEX.create(conn)
    conn.execute("analyze docs")
    counted(conn)
    conn.execute(NEVER_EXACT)
    INDEX.calibrate(conn, k=10, sample=150, rows=True)
    yield conn


def damage(conn: Conn) -> None:
    """Write the same rows again, linked as badly as pgvector can."""
    name = sql.Identifier(INDEX.name)
    conn.execute("delete from docs")
    counted(conn)
    conn.execute("vacuum docs")
    conn.execute(sql.SQL("alter index {} set (ef_construction = 4)").format(name))
    append(conn, ROWS, DOCS)
    conn.execute(sql.SQL("alter index {} set (ef_construction = 64)").format(name))
    conn.execute("vacuum analyze docs")
    counted(conn)


def found(conn: Conn) -> float:
    """The share of the true nearest rows that a narrow search finds."""
    shares = []
    for query in QUERIES:
        near = INDEX.search(conn, query, candidates=40, ef_search=40).keys
        true = INDEX.search(conn, query, exact=True).keys
        shares.append(len({*near} & {*true}) / len(true))
    return float(np.mean(shares))


def steps(report: MaintenanceReport) -> list[str]:
    return [step.step for step in report.done]


def test_nothing_is_due(docs: Conn) -> None:
    report = maintain(docs)
    assert not report.changed
    assert (report.done, report.due, report.left) == ((), (), ())
    assert str(report) == "nothing is due"


def test_a_worse_graph_is_built_again(docs: Conn) -> None:
    sound = found(docs)
    damage(docs)
    worse = found(docs)
    assert worse < sound - 0.1
    looked = maintain(docs, "docs", dry_run=True)
    assert [step.step for step in looked.due] == ["measure"]
    assert "2400 rows changed" in looked.due[0].reason
    assert found(docs) == worse

    report = maintain(docs, "docs", sample=80)
    assert steps(report) == ["measure", "reindex", "measure", "calibrate"]
    before, built, after, calibrated = report.done
    assert "recall is " in built.reason
    assert "the graph was built again" in after.reason
    assert "inserted, updated or deleted since the calibration" in calibrated.reason
    assert found(docs) >= sound - 0.03
    assert report.left == ()
    # both recalls are stored
    low, high = (each.recall for each in INDEX.history(docs))
    assert low is not None and high is not None and low < high
    assert f"recall {low:.4f}" in before.outcome
    assert f"recall {high:.4f}" in after.outcome
    standing = INDEX.search(docs, QUERIES[0], recall=0.9).promise
    assert standing is not None and standing.standing != "stale"
    assert not maintain(docs).changed


@pytest.mark.parametrize("stage", ["measure of", "reindex of", "calibrate of"])
def test_a_broken_run_goes_on(docs: Conn, stage: str) -> None:
    sound = found(docs)
    damage(docs)

    def break_off(progress: Progress) -> None:
        if progress.stage.startswith(stage):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        maintain(docs, sample=80, progress=break_off)
    # what was done is not done again
    left = {"measure of": 4, "reindex of": 3, "calibrate of": 1}
    assert len(maintain(docs, sample=80).done) == left[stage]
    assert not maintain(docs).changed
    assert found(docs) >= sound - 0.03


def test_what_a_broken_reindex_left(docs: Conn) -> None:
    name = sql.Identifier(f"{INDEX.name}_ccnew")
    made = "create index {} on docs using hnsw (embedding_32_halfvec halfvec_l2_ops)"
    docs.execute(sql.SQL(made).format(name))
    mark = "update pg_index set indisvalid = false where indexrelid = %s::regclass"
    docs.execute(mark, [f"{INDEX.name}_ccnew"])
    report = maintain(docs)
    assert steps(report) == ["drop"]
    assert docs.execute(
        "select to_regclass(%s)", [f"{INDEX.name}_ccnew"]
    ).fetchall() == [(None,)]
    # not those of others
    docs.execute("create index mine_ccnew on docs using hnsw (embedding vector_l2_ops)")
    docs.execute(mark, ["mine_ccnew"])
    assert not maintain(docs).changed


def test_dead_rows_are_vacuumed(docs: Conn) -> None:
    docs.execute("update docs set n = n + 1")
    counted(docs)
    report = maintain(docs)
    assert steps(report)[0] == "vacuum"
    assert report.done[0].reason == "1200 of 2400 rows are dead"
    counted(docs)
    assert not maintain(docs).changed


def test_dead_rows_that_somebody_may_see_are_left(docs: Conn, database: str) -> None:
    with connect(database) as other:
        other.execute("begin isolation level repeatable read; select 1")
        docs.execute("update docs set title = title || '!'")
        counted(docs)
        # and nothing else is looked at: dead rows make any graph look worse
        report = maintain(docs)
        assert steps(report) == ["vacuum"]
        (left,) = report.left
        assert "old transaction" in (left.remedy or "")


def test_a_stale_calibration_is_repeated_as_it_was(docs: Conn) -> None:
    INDEX.calibrate(docs, k=5, sample=60, rows=True, filter="title like 'title%%'")
    append(docs, matryoshka(400, seed=5), DOCS, first=5000)
    docs.execute("vacuum analyze docs")
    counted(docs)
    report = maintain(docs, sample=60)
    assert "reindex" not in steps(report)
    again = [step for step in report.done if step.step == "calibrate"]
    assert [(step.k, step.filter) for step in again] == [
        (5, "title like 'title%'"),
        (10, None),
    ]
    asked = "select distinct k, queries from mrl.calibrations order by k"
    ((_, filtered), (_, plain)) = docs.execute(asked).fetchall()
    assert (filtered, plain) == (60, 150)
    assert not maintain(docs).changed


def test_what_only_the_owner_can_do_is_left(conn: Conn) -> None:
    make_table(conn, ROWS)
    INDEX.create(conn)
    conn.execute("analyze docs")
    (left,) = maintain(conn).left
    assert left.remedy == "mrl-pg calibrate public.docs embedding"
    conn.execute(NEVER_EXACT)
    counted(conn)
    INDEX.calibrate(conn, k=5, queries=QUERIES)
    assert maintain(conn).left == ()
    # its queries are not stored
    for first, said in ((5000, "whether it finds less"), (6000, "is stale (3")):
        append(conn, matryoshka(150, seed=first), DOCS, first=first)
        conn.execute("vacuum analyze docs")
        counted(conn)
        report = maintain(conn)
        assert not report.changed
        (left,) = report.left
        assert "not stored" in left.reason
        assert said in left.reason
    conn.execute(sql.SQL("drop index {}").format(sql.Identifier(INDEX.name)))
    (left,) = maintain(conn).left
    assert left.reason.startswith("missing_index: ")
    assert left.remedy == "mrl-pg repair public.docs"


def test_the_statements_in_sql_do_the_same(docs: Conn) -> None:
    sound = found(docs)
    damage(docs)
    done = []
    for _ in range(6):
        due = docs.execute(
            "select step, statement from mrl.maintenance('docs', sample => 80)"
        ).fetchall()
        for step, statement in due:
            docs.execute(statement.encode())
            done.append(step)
        counted(docs)
        if not due:
            break
    assert done == ["measure", "reindex", "measure", "calibrate"]
    assert found(docs) >= sound - 0.03


def test_one_run_at_a_time(docs: Conn, database: str) -> None:
    damage(docs)
    with connect(database) as other:
        lock = "select pg_advisory_lock(1836215405, 'docs'::regclass::oid::int)"
        other.execute(lock)
        with pytest.raises(BuildRunning, match=r"public\.docs"):
            maintain(docs)


def test_input(docs: Conn, database: str, bare_database: str) -> None:
    for wrong in ({"dead": 2}, {"changed": -1}, {"recall": 0}, {"sample": 0}):
        with pytest.raises(InvalidSetting, match=next(iter(wrong))):
            maintain(docs, **wrong)  # type: ignore[arg-type]
    with pytest.raises(InvalidSetting, match="maintenance_work_mem"):
        maintain(docs, maintenance_work_mem="much")
    with pytest.raises(TableNotFound):
        maintain(docs, "dogs")
    with docs.transaction(), pytest.raises(InvalidSetting, match="in a transaction"):
        maintain(docs)
    with connect(bare_database) as bare, pytest.raises(NotInstalled):
        maintain(bare)
    with connect(role(docs, database, "maintainer_1")) as other:
        with pytest.raises(TableError, match="does not own"):
            maintain(other, "docs")
        # tables of others are left alone
        assert str(maintain(other)) == "nothing is due"
    for given in ("recall => 0", "dead => 2", "changed => -1", "sample => 0"):
        with pytest.raises(errors.InvalidParameterValue):
            docs.execute(f"select mrl.maintenance(null, {given})".encode())


def test_asynchronous_and_the_command(docs: Conn, database: str) -> None:
    damage(docs)

    async def ask() -> MaintenanceReport:
        async with await AsyncConnection.connect(database, autocommit=True) as other:
            return await maintain_async(other, "docs", dry_run=True)

    assert asyncio.run(ask()) == maintain(docs, "docs", dry_run=True)
    shown = mrl_pg("maintenance", "docs", "--dry-run", "--dsn", database)
    assert shown.returncode == 0, shown.stderr
    assert "-- measure: 2400 rows changed" in shown.stdout
    assert "select * from mrl.recall('public.docs', 'embedding'" in shown.stdout
    done = mrl_pg("maintenance", "docs", "--sample", 80, "--dsn", database)
    assert done.returncode == 0, done.stderr
    assert "reindex (" in done.stdout
    listed = mrl_pg("maintenance", "--json", "--dsn", database)
    assert json.loads(listed.stdout) == {"done": [], "due": [], "left": []}
