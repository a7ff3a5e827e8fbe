"""mrl.calibrate: what it refuses before any work, whose it is, what it leaves alone."""

from collections.abc import Iterator
from typing import Any

import pytest
from psycopg import errors, sql
from support.calibrations import EVERYTHING, calibrate, promised, put
from support.databases import Conn, Server, connect, role
from support.sql_calls import ids, one, stock, text
from support.sql_state import change, current, notices, refused
from support.vectors import matryoshka

VECTORS = matryoshka(300)
INVALID = errors.InvalidParameterValue
SESSION = ["77", "strict_order", "12345", "2"]
LOCAL = ["55", "off", "23456", "3"]
MIDWAY = "1 / (current_setting('hnsw.ef_search')::int - 49) < 9"


@pytest.fixture(scope="module")
def docs(pg_server: Server) -> Iterator[Conn]:
    with pg_server.fresh() as url, connect(url) as conn:
        stock(conn, VECTORS)
        yield conn


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"k": 0}, INVALID, "k 0 is below 1"),
        ({"k": None}, INVALID, "k NULL is below 1"),
        ({"k": 100_000_001}, INVALID, "k 100000001 is above 100000000"),
        ({"sample": 0}, INVALID, "sample 0 is below 1"),
        ({"filter": "n < $1"}, INVALID, "the filter names $1, but 0 values"),
        ({"args": ["1"]}, INVALID, "args was given without a filter"),
        ({"dims": 16}, errors.UndefinedObject, "has no short column of 16 dims"),
        ({"queries": ["[1,2]"]}, errors.DataException, "the query has 2 dimensions"),
        ({"queries": [None]}, errors.NullValueNotAllowed, "the query is NULL"),
        ({"queries": [text([0] * 64)]}, errors.DataException, "is all zeros"),
        ({"filter": "nope = 1"}, errors.UndefinedColumn, "nope"),
    ],
)
def test_what_is_refused(
    docs: Conn, options: dict[str, Any], kind: type[errors.Error], message: str
) -> None:
    before = docs.execute(EVERYTHING).fetchall()
    with notices(docs) as told, refused(kind, message):
        calibrate(docs, **options)
    assert told == []
    assert docs.execute(EVERYTHING).fetchall() == before


def test_the_largest_k_is_measured(docs: Conn) -> None:
    """From a k of half a million on it ended in: integer out of range."""
    with docs.transaction(force_rollback=True):
        (kept,) = calibrate(docs, k=100_000_000, sample=1)
    assert (kept.candidates, kept.recall) == (100_000_000, 1)


def test_a_view_and_a_table_without_a_short_column(docs: Conn) -> None:
    with docs.transaction(force_rollback=True):
        docs.execute("create view seen as select * from docs")
        with refused(errors.UndefinedTable, "seen is not a table"), docs.transaction():
            calibrate(docs, "seen")
        docs.execute("create table plain (id int primary key, embedding vector(3))")
        with (
            refused(errors.UndefinedObject, "has no short column", "create_index"),
            docs.transaction(),
        ):
            calibrate(docs, "plain")


def test_settings_are_as_they_were(docs: Conn) -> None:
    options: dict[str, Any]
    change(docs, SESSION, local=False)
    for options in ({}, {"filter": "n < 50"}):
        calibrate(docs, k=3, sample=4, **options)
        assert current(docs) == SESSION
        with docs.transaction():
            change(docs, LOCAL)
            calibrate(docs, k=3, sample=4, **options)
            assert current(docs) == LOCAL
            # an error midway, in the timed searches, after the exact answers
            with refused(errors.DivisionByZero, ""), docs.transaction():
                calibrate(docs, k=3, filter=MIDWAY, sample=40)
            assert current(docs) == LOCAL
        assert current(docs) == SESSION
    change(docs, ["40", "off", "20000", "1"], local=False)


def test_an_error_after_hours_keeps_what_was_there(docs: Conn) -> None:
    put(docs, 90, 0.99, 0.99, 1.0, k=77)
    before = docs.execute(EVERYTHING).fetchall()
    with docs.transaction(force_rollback=True):
        calibrate(docs, k=77, sample=3)
        assert docs.execute(EVERYTHING).fetchall() != before
    assert docs.execute(EVERYTHING).fetchall() == before


def test_only_the_owner_calibrates_and_all_may_ask(conn: Conn, database: str) -> None:
    stock(conn, VECTORS)
    conn.execute("grant select on docs to public")
    put(conn, 25, 0.99, 0.99, 1.0)
    before = conn.execute(EVERYTHING).fetchall()
    with connect(role(conn, database, "stranger")) as stranger:
        with (
            notices(stranger) as told,
            refused(errors.InsufficientPrivilege, "role stranger does not own table"),
        ):
            calibrate(stranger)
        assert told == []
        for call in (
            "delete from mrl._calibrations",
            "update mrl._calibrations set recall = 1",
            "insert into mrl._calibrations select * from mrl._calibrations",
            "truncate mrl._calibrations",
            "delete from mrl._measurements",
            "select mrl._keep_calibration('docs', 'i', 1, '', '[]', 1, 1, 1)",
            "select mrl._keep_measurement(row('docs'::regclass, 'i', now(), 1, '', 1,"
            " 1, 1, 1, 1, 1, 0, 0, 0, 1)::mrl.measurements)",
            "select mrl.recall('docs', 'embedding', keep => true)",
        ):
            with refused(errors.InsufficientPrivilege, ""):
                stranger.execute(call.encode())
        # it reads them, and its searches use them
        assert stranger.execute(EVERYTHING).fetchall() == before
        assert promised(stranger).standing == "measured"
        with notices(stranger) as told:
            assert len(ids(stranger, VECTORS[0], recall=0.99)) == 10
        assert told == []
    assert conn.execute(EVERYTHING).fetchall() == before


def test_an_ordinary_owner_calibrates_and_measures(conn: Conn, database: str) -> None:
    url = role(conn, database, "owner")
    conn.execute("grant create, usage on schema public to owner")
    with connect(url) as owner:
        stock(owner, VECTORS)
        assert calibrate(owner, k=3, sample=5)
        kept = "select measured from mrl.recall('docs', 'embedding', keep => true)"
        assert one(owner, kept) == 50
        assert one(owner, "select count(*) from mrl.measurements") == 1


def test_a_policy_counts_as_a_filter(conn: Conn, database: str) -> None:
    """What the owner measured on all rows says nothing of a tenant's searches."""
    stock(conn, VECTORS)
    put(conn, 25, 0.99, 0.99, 1.0)
    conn.execute(
        "alter table docs enable row level security;"
        # a condition that the planner can tell the share of
        "create policy own on docs using (n < 5); analyze docs"
    )
    url = role(conn, database, "tenant_a")
    conn.execute(sql.SQL("grant select on docs to tenant_a"))
    with connect(url) as tenant:
        assert promised(conn).standing == "measured"
        assert promised(tenant).standing == "uncalibrated"
        with notices(tenant) as told:
            ids(tenant, VECTORS[0], recall=0.99, k=3)
        assert "no calibration for k 3 with a filter" in told[0]
        calibrate(conn, k=10, filter="n < 5", sample=50)
        assert promised(tenant, recall=0.3).standing == "unreached"
    # forced on the owner, it is measured with the policy, and kept as a filter's
    owner = role(conn, database, "owner")
    conn.execute("alter table docs force row level security, owner to owner")
    with connect(owner) as mine:
        (first, *_) = calibrate(mine, k=4, sample=50)
        assert first.filter == "row-level security"
        # of all rows, those that it can see: a search asks by that share
        assert first.share == pytest.approx(0.05)
        with notices(mine) as told:
            ids(mine, VECTORS[0], recall=0.3, k=4)
        assert len(told) == 1 and "with another filter about as selective" in told[0]
