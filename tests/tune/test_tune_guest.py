"""`tune` on a table in use: nothing is held for long, and rows may change meanwhile."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg import pq, sql
from support.databases import Conn, connect
from support.guests import Guest
from support.tables import make_table
from support.vectors import Vectors, matryoshka

from mrl_pg import Progress
from mrl_pg.catalog import pages
from mrl_pg.layout import IndexLayout
from mrl_pg.tune import tune
from mrl_pg.tune.rows import read_rows, table
from mrl_pg.tune.rows.sample_table import sample_table
from mrl_pg.tune.rows.stream import Reader, Sample, TableRows, joined

ROWS = 600
LAYOUT = IndexLayout("docs", "embedding", dims=1)
QUICK: dict[str, Any] = {"recall": 0.9, "sample": 20, "tries": 1, "sizes": [32]}


@pytest.fixture(autouse=True)
def page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every statement reads one page, which holds some 26 rows."""
    monkeypatch.setattr(read_rows, "JUDGED_ROWS", 150)
    monkeypatch.setattr(pages, "MOST_PAGES", 1)
    monkeypatch.setattr(pages, "FIRST_PAGES", 1)


@pytest.fixture(scope="module")
def vectors() -> Vectors:
    return matryoshka(ROWS)


@pytest.fixture
def docs(conn: Conn, vectors: Vectors) -> Conn:
    make_table(conn, vectors)
    return conn


@pytest.fixture
def other(database: str) -> Iterator[Conn]:
    with connect(database) as second:
        yield second


def read(conn: Conn, sample: Sample, reader: Reader | None = None) -> TableRows:
    facts, _ = table.read(conn, LAYOUT)
    reader = reader or Reader(facts, "embedding", sample)
    return joined(list(reader.batches(conn)))


def between_batches(monkeypatch: pytest.MonkeyPatch, act: Any) -> None:
    """Call `act` after each statement that reads, in the thread that reads."""
    real = Reader._records

    def records(self: Reader, conn: Conn, some: pages.Range) -> Any:
        found = real(self, conn, some)
        act()
        return found

    monkeypatch.setattr(Reader, "_records", records)


@pytest.mark.parametrize("plan", [True, False])
def test_nothing_is_held_between_batches_nor_while_indexes_are_tried(
    docs: Conn, other: Conn, monkeypatch: pytest.MonkeyPatch, plan: bool
) -> None:
    guest = Guest(docs, other, "docs")
    between_batches(monkeypatch, guest.let_go)
    stages: list[str] = []

    def tell(progress: Progress) -> None:
        stages.append(progress.stage.split()[0])
        # the thread that reads has ended; another watches builds
        if stages[-1] != "reading" and ":" not in progress.stage:
            guest.let_go()

    found = tune(docs, "docs", "embedding", plan=plan, progress=tell, **QUICK)
    assert found.read.rows == ROWS - 20
    # once for the held-out rows, once for the others
    assert guest.looked > 40
    assert set(stages) == {"reading", "judging"} | (
        set() if plan else {"copying", "building", "measuring"}
    )


def test_rows_that_move_or_go_meanwhile_are_read_once_at_most(
    docs: Conn, other: Conn, vectors: Vectors, monkeypatch: pytest.MonkeyPatch
) -> None:
    # room in the pages to come, so that rows move there
    docs.execute("delete from docs where id > 400 and id % 2 = 0")
    docs.execute("vacuum docs")
    done: list[int] = []

    def act() -> None:
        done.append(1)
        if len(done) == 3:
            other.execute("update docs set n = n + 1 where id <= 40")
            other.execute("delete from docs where id between 301 and 320")

    between_batches(monkeypatch, act)
    facts, _ = table.read(docs, LAYOUT)
    with sample_table(docs, facts) as kept:
        reader = Reader(facts, "embedding", Sample(1, 0), keep=kept)
        rows = read(docs, Sample(1, 0), reader)
        count = docs.execute(
            sql.SQL("select count(*), count(distinct hash) from {}").format(kept.name)
        ).fetchone()
    found = [vector.tobytes() for vector in rows.vectors]
    left = [*range(1, 301), *range(321, 401), *range(401, 601, 2)]
    assert sorted(found) == sorted(vectors[i - 1].tobytes() for i in left)
    # the trials have the same rows
    assert count == (len(found), len(found))


def test_a_sample_has_the_same_rows_wherever_they_are(docs: Conn) -> None:
    before = read(docs, Sample(0.2, seed=3))
    docs.execute("update docs set n = n + 1 where id % 2 = 0")
    docs.execute("vacuum full docs")
    after = read(docs, Sample(0.2, seed=3))
    assert set(before.hashes.tolist()) == set(after.hashes.tolist())
    assert set(before.places.tolist()) != set(after.places.tolist())


def test_every_row_has_the_same_chance_and_rows_are_drawn_one_by_one(
    docs: Conn, vectors: Vectors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "FIRST_PAGES", 1000)
    seeds, share = 100, 0.25
    drawn = {vector.tobytes(): i for i, vector in enumerate(vectors)}
    counts = np.zeros(ROWS)
    together = np.zeros(seeds)
    for seed in range(seeds):
        for vector in read(docs, Sample(share, seed)).vectors:
            counts[drawn[vector.tobytes()]] += 1
            together[seed] += 1
    # both spread as independent draws do
    expected = share * (1 - share)
    assert counts.mean() == pytest.approx(seeds * share, rel=0.05)
    assert counts.var() == pytest.approx(seeds * expected, rel=0.3)
    assert together.var() == pytest.approx(ROWS * expected, rel=0.6)
    first, last = counts[: ROWS // 2].mean(), counts[ROWS // 2 :].mean()
    assert first == pytest.approx(last, rel=0.06)


def test_examples_never_name_another_row(docs: Conn, other: Conn) -> None:
    def tell(progress: Progress) -> None:
        if progress.stage.startswith("judging"):
            other.execute("delete from docs")
            other.execute("vacuum docs")
            make = "insert into docs select n + 5000, n, 'x', v from again order by n"
            other.execute(make)

    other.execute("create table again as select id as n, embedding as v from docs")
    found = tune(docs, "docs", "embedding", plan=True, progress=tell, **QUICK)
    shown = {hit.row.key for e in found.examples for a in e.answers for hit in a.rows}
    assert shown == {(("id", None),)}


def test_a_connection_without_autocommit_is_as_it_was(
    docs: Conn, database: str
) -> None:
    docs.execute("create table asked (n int)")
    docs.execute(
        """create function ask() returns setof vector
        begin atomic
            insert into asked values (1);
            select embedding from docs order by id limit 3;
        end"""
    )
    with psycopg.connect(database) as conn:
        asked = "select * from ask()"
        tune(conn, "docs", "embedding", plan=True, queries_sql=asked, **QUICK)
        assert not conn.autocommit
        assert conn.info.transaction_status == pq.TransactionStatus.IDLE
    # what a statement for queries changes is rolled back
    assert docs.execute("select count(*) from asked").fetchone() == (0,)


def test_what_a_killed_session_left_is_dropped_by_the_next(
    docs: Conn, other: Conn, database: str
) -> None:
    left = "select nspname from pg_namespace where nspname like 'mrl\\_tune\\_%'"

    def kill(progress: Progress) -> None:
        if progress.stage.startswith("building"):
            # in use: another run leaves it alone
            tune(other, "docs", "embedding", **QUICK)
            assert len(other.execute(left.encode()).fetchall()) == 1
            other.execute(
                "select pg_terminate_backend(%s, 10000)", [conn.info.backend_pid]
            )

    with connect(database) as conn, pytest.raises(psycopg.OperationalError):
        tune(conn, "docs", "embedding", progress=kill, **QUICK)
    assert len(docs.execute(left.encode()).fetchall()) == 1
    tune(docs, "docs", "embedding", **QUICK)
    assert docs.execute(left.encode()).fetchall() == []
    locks = "select count(*) from pg_locks where locktype = 'advisory'"
    assert docs.execute(locks).fetchone() == (0,)
