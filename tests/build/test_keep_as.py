"""An index on an expression becomes a column with an index, and back, beside itself."""

import json
from typing import Any

import numpy as np
import psycopg
import pytest
from support.calibrations import EVERYTHING
from support.command import mrl_pg as command
from support.databases import connect, database_fixture
from support.plans import explain, force_index, indexes
from support.scratch import catalog
from support.vectors import matryoshka

import mrl_pg
from mrl_pg import (
    IndexNotFound,
    InvalidSetting,
    MatryoshkaIndex,
    RebuildRefused,
)
from mrl_pg.kinds import Keep

Conn = psycopg.Connection[Any]

INDEX = MatryoshkaIndex("docs", "embedding", dims=16, keep="expression")
ROWS = matryoshka(300, dims=32)
QUERY = matryoshka(1, dims=32, seed=7)[0]


def load(conn: Conn, *parts: str) -> None:
    conn.execute(
        "create table docs (id int primary key, embedding vector(32))"
        + (" partition by range (id)" if parts else "")
    )
    for part in parts:
        conn.execute(part)
    with conn.cursor().copy(b"copy docs (id, embedding) from stdin") as to:
        for key, row in enumerate(ROWS.tolist()):
            to.write_row([key, str(row)])
    conn.execute("analyze docs")


def prepare(conn: Conn) -> None:
    load(conn)
    INDEX.create(conn)


database = database_fixture(prepare, used_by="docs")


@pytest.fixture
def docs(conn: Conn) -> Conn:
    """A table with rows and an index on an expression."""
    return conn


def assert_exact(conn: Conn) -> None:
    """Python and SQL find by the index of that name what exact search finds."""
    force_index(conn)
    exact = INDEX.search(conn, QUERY, k=5, exact=True).keys
    assert INDEX.search(conn, QUERY, k=5, candidates=300).keys == exact
    plan = INDEX.plan(conn, QUERY, k=5, candidates=300)
    ours = {name for name in indexes(explain(conn, plan)) if "hnsw" in name}
    assert ours and all(name.endswith(INDEX.name) for name in ours)
    by_sql = conn.execute(
        "select id from mrl.search(null::docs, 'embedding', %s::vector, k => 5, "
        "candidates => 300, dims => 16)",
        [str(QUERY.tolist())],
    )
    assert [key for (key,) in by_sql] == exact


def statements(conn: Conn, keep: Keep) -> list[str]:
    """What `select mrl.keep_as_sql(…)` answers to psql's gexec."""
    rows = conn.execute(
        "select mrl.keep_as_sql('docs', 'embedding', %s, dims => 16)", [keep]
    )
    return [text for (text,) in rows]


def kept(conn: Conn) -> list[tuple[str, str]]:
    return conn.execute(
        "select index_name::text, kept_as from mrl.indexes order by index_name"
    ).fetchall()


@pytest.mark.parametrize("keep", ["trigger", "expression"])
def test_every_search_between_two_statements_finds_the_index(
    docs: Conn, database: str, keep: Keep
) -> None:
    if keep == "expression":
        INDEX.keep_as(docs, "trigger")
    with connect(database) as other:
        for text in statements(docs, keep):
            assert_exact(other)
            docs.execute(text.encode())
        assert_exact(other)
    assert kept(docs) == [(INDEX.name, keep)]
    assert mrl_pg.status(docs)[0].ok
    # nothing to do any more
    before = catalog(database)
    for text in statements(docs, keep):
        docs.execute(text.encode())
    assert not INDEX.keep_as(docs, keep).changed
    assert catalog(database) == before


def test_there_and_back_leaves_everything_as_it_was(docs: Conn, database: str) -> None:
    before = catalog(database)
    report = INDEX.keep_as(docs, "trigger")
    assert (report.kept_as, report.rows) == ("trigger", 300)
    assert [label.split(" ")[0] for label, _ in report.done] == [
        *("added", "filled", "built", "checked", "switched", "dropped"),
    ]
    by_trigger = catalog(database)
    INDEX.keep_as(docs, "expression")
    assert catalog(database) == before
    with pytest.raises(RebuildRefused, match="rebuilds its vector indexes"):
        INDEX.keep_as(docs, "generated")
    INDEX.keep_as(docs, "generated", rebuild=True)
    assert kept(docs) == [(INDEX.name, "generated")]
    assert_exact(docs)
    with pytest.raises(InvalidSetting, match="keep it as expression first"):
        INDEX.keep_as(docs, "trigger")
    INDEX.keep_as(docs, "expression")
    INDEX.keep_as(docs, "trigger")
    assert catalog(database) == by_trigger


LEFT: dict[Keep, dict[int, set[str]]] = {
    # the column is there, and no index is on it yet
    "trigger": {
        1: {"leftover_trigger"},
        3: {"leftover_trigger"},
        5: {"leftover_trigger"},
        7: {"leftover_beside"},
    },
    "expression": {done: {"leftover_beside"} for done in (1, 3, 5)},
}
"""What status names after so many statements."""


@pytest.mark.parametrize("keep", ["trigger", "expression"])
def test_what_broke_off_at_any_statement_is_finished(
    docs: Conn, database: str, keep: Keep
) -> None:
    other: Keep = "expression" if keep == "trigger" else "trigger"
    INDEX.keep_as(docs, other)
    INDEX.keep_as(docs, keep)
    wanted = catalog(database)
    INDEX.keep_as(docs, other)
    count = len(statements(docs, keep))
    assert count == {"trigger": 9, "expression": 6}[keep]
    for done in range(1, count):
        for text in statements(docs, keep)[:done]:
            docs.execute(text.encode())
        findings = [each for state in mrl_pg.status(docs) for each in state.findings]
        for finding in findings:
            # repair takes away what is of no use, and does not choose
            assert finding.mends or "keep_as_sql" in finding.remedy, finding
        if done % 2:
            assert {each.code for each in findings} == LEFT[keep].get(done), done
            INDEX.keep_as(docs, keep)
        elif any(each.mends for each in findings):
            assert mrl_pg.repair(docs).left == ()
        else:
            for text in statements(docs, keep):
                docs.execute(text.encode())
        assert catalog(database) == wanted, f"broken off after statement {done}"
        INDEX.keep_as(docs, other)


def test_the_other_way_after_an_interruption(docs: Conn, database: str) -> None:
    before = catalog(database)
    todo = statements(docs, "trigger")
    (swap,) = [place for place, text in enumerate(todo) if "_swap_kept" in text]
    for text in todo[: swap + 1]:
        docs.execute(text.encode())
    assert kept(docs) == [
        (INDEX.name, "trigger"),
        (f"{INDEX.name}_beside", "expression"),
    ]
    INDEX.keep_as(docs, "expression")
    assert_exact(docs)
    assert catalog(database) == before


def test_calibrations_stay(docs: Conn) -> None:
    INDEX.calibrate(docs, k=5, sample=20)
    calibrated = docs.execute(EVERYTHING).fetchall()
    assert calibrated
    INDEX.keep_as(docs, "trigger")
    assert docs.execute(EVERYTHING).fetchall() == calibrated
    assert INDEX.search(docs, QUERY, k=5, recall=0.5).promise is not None
    INDEX.keep_as(docs, "expression")
    assert docs.execute(EVERYTHING).fetchall() == calibrated


def test_rows_that_others_write_meanwhile_are_right(docs: Conn) -> None:
    query = np.asarray(ROWS[3])
    todo = statements(docs, "trigger")
    for place, text in enumerate(todo):
        docs.execute(
            "insert into docs (id, embedding) values (%s, %s::text::vector)",
            [1000 + place, str(query.tolist())],
        )
        docs.execute(text.encode())
    found = INDEX.search(docs, query, k=10, candidates=300).keys
    assert set(range(1000, 1000 + len(todo))) <= set(found)
    assert all(state.ok for state in mrl_pg.status(docs, rows=True))


def test_parts_of_a_partitioned_table_take_part(conn: Conn, database: str) -> None:
    load(
        conn,
        "create table docs_1 partition of docs for values from (0) to (150)",
        "create table docs_2 partition of docs for values from (150) to (1000)",
    )
    INDEX.create(conn)
    before = catalog(database)
    INDEX.keep_as(conn, "trigger")
    assert_exact(conn)
    assert kept(conn) == [(INDEX.name, "trigger")]
    INDEX.keep_as(conn, "expression")
    assert_exact(conn)
    assert catalog(database) == before


def test_in_the_shell(docs: Conn, database: str) -> None:
    done = command(
        "keep-as",
        "docs",
        "embedding",
        "trigger",
        "--dims",
        "16",
        "--json",
        "--dsn",
        database,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["kept_as"] == "trigger"
    assert kept(docs) == [(INDEX.name, "trigger")]
    done = command(
        "keep-as", "docs", "embedding", "by hand", "--dims", "16", "--dsn", database
    )
    assert done.returncode == 2
    assert "keep" in done.stderr


def test_what_is_refused(docs: Conn, database: str) -> None:
    before = catalog(database)
    with connect(database) as other, other.transaction():
        with pytest.raises(InvalidSetting, match="outside any"):
            INDEX.keep_as(other, "trigger")
    with pytest.raises(InvalidSetting, match="keep"):
        INDEX.keep_as(docs, "hand")  # type: ignore[arg-type]
    for index in (
        MatryoshkaIndex("docs", "embedding", dims=8),
        MatryoshkaIndex("docs", "embedding", dims=16, name="another"),
    ):
        with pytest.raises(IndexNotFound, match="has no such short column"):
            index.keep_as(docs, "trigger")
    assert catalog(database) == before
    docs.execute(f"alter index {INDEX.name} rename to other")
    with pytest.raises(IndexNotFound, match="repair it first"):
        INDEX.keep_as(docs, "trigger")
