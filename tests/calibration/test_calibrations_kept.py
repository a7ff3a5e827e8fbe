"""How long calibrations and kept recalls stay: renames, drops, releases, uninstalls."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from support.calibrations import EVERYTHING, NAME, calibrate, promised, put
from support.databases import Conn, address, connect
from support.installs import SQL, psql
from support.sql_calls import create, one, stock
from support.tables import make_table
from support.vectors import matryoshka

from mrl_pg import MatryoshkaIndex, install, uninstall

VECTORS = matryoshka(150)
COUNTS = (
    "select (select count(*) from mrl.calibrations where table_id = %(id)s),"
    " (select count(*) from mrl.measurements where table_id = %(id)s)"
)


def measured(conn: Conn) -> int:
    """A table with calibrations and a kept recall; its number."""
    stock(conn, VECTORS)
    calibrate(conn, k=3, sample=20)
    one(conn, "select mrl.recall('docs', 'embedding', sample => 3, keep => true)")
    number: int = one(conn, "select 'docs'::regclass::oid")
    assert all(counts(conn, number))
    return number


def counts(conn: Conn, number: int) -> tuple[int, int]:
    """How many rows there are of a table."""
    calibrations, measurements = conn.execute(COUNTS, {"id": number}).fetchall()[0]
    return calibrations, measurements


def test_two_at_once_end_one_after_the_other(conn: Conn, database: str) -> None:
    """The second ended, after all its work, in: duplicate key value."""
    stock(conn, VECTORS)
    # one point whatever the times: all rows
    same: dict[str, Any] = {"k": 1000, "sample": 3}
    waits = "select exists (select from pg_locks where not granted)"
    with (
        connect(database) as one_of_them,
        connect(database) as other,
        ThreadPoolExecutor(1) as pool,
    ):
        with one_of_them.transaction():
            calibrate(one_of_them, **same)
            second = pool.submit(calibrate, other, **same)
            while not second.done() and not one(conn, waits):
                time.sleep(0.01)
        found = second.result(30)
    assert [point.candidates for point in found] == [1000]


def test_rows_that_change_between_two_walks_end_no_calibration(conn: Conn) -> None:
    """Two walks with ef_search 1000 measured other recalls: duplicate key value."""
    measured(conn)
    name = conn.execute("select index_name from mrl.indexes").fetchone()
    point = {"candidates": 640, "ef_search": 1000, "low": 0.8, "p95_ms": 1}
    walks = [
        point | {"recall": 0.95, "median_ms": 2},
        point | {"recall": 0.9, "median_ms": 1},
    ]
    keep = "select mrl._keep_calibration('docs', %s, 10, '', %s, 1, 9, 9)"
    assert name is not None
    conn.execute(keep, [name[0], json.dumps(walks)])
    kept = "select recall from mrl.calibrations where k = 10"
    assert conn.execute(kept).fetchall() == [(0.9,)]


def test_a_search_takes_no_longer_than_one_that_does_more(conn: Conn) -> None:
    """Noise made a wide search the fastest, which every recall then took."""
    measured(conn)
    name = one(conn, "select index_name from mrl.indexes")
    searches = [
        # candidates, ef_search, recall, milliseconds
        (20, 40, 0.8, 3),
        (40, 40, 0.91, 3),
        (80, 80, 0.96, 9),
        (320, 320, 0.99, 2),
        (40, 640, 0.92, 8),
        (None, None, 1, 20),
    ]
    fields = ("candidates", "ef_search", "recall", "median_ms")
    points = [dict(zip(fields, search, strict=True)) for search in searches]
    for point in points:
        point |= {"low": point["recall"], "p95_ms": point["median_ms"]}
    keep = "select mrl._keep_calibration('docs', %s, 10, '', %s, 1, 9, 9)"
    conn.execute(keep, [name, json.dumps(points)])
    kept = (
        "select candidates, ef_search, median_ms, p95_ms from mrl.calibrations"
        " where k = 10 order by recall"
    )
    assert conn.execute(kept).fetchall() == [
        (20, 40, 2, 2),
        (40, 40, 2, 2),
        (80, 80, 2, 2),
        (320, 320, 2, 2),
        (None, None, 20, 20),
    ]
    # the least that keeps it
    conn.execute("update mrl._calibrations set basis = 'queries', queries = 1000")
    for recall, candidates in ((0.7, 20), (0.9, 40), (0.95, 80), (0.98, 320)):
        found = promised(conn, 10, recall, name=name)
        assert (found.standing, found.candidates) == ("measured", candidates)


def test_a_renamed_table_keeps_them(conn: Conn) -> None:
    number = measured(conn)
    before = counts(conn, number)
    conn.execute("create schema elsewhere")
    conn.execute('alter table docs rename to "My docs"')
    conn.execute('alter table "My docs" set schema elsewhere')
    assert counts(conn, number) == before
    call = (
        "select standing from mrl._promised('elsewhere.\"My docs\"'::regclass,"
        " %s, 3, 0.1, false)"
    )
    assert one(conn, call, NAME) == "rows"
    again = calibrate(conn, 'elsewhere."My docs"', k=3, sample=5)
    assert {row.queries for row in again} == {5}


DROPS: dict[str, Callable[[Conn], Any]] = {
    "sql": lambda conn: one(conn, "select mrl.drop_index('docs', 'embedding', 32)"),
    "python": lambda conn: MatryoshkaIndex("docs", "embedding", dims=32).drop(conn),
    "unregister": lambda conn: one(conn, "select mrl.unregister('docs', %s)", NAME),
}


@pytest.mark.parametrize("drop", DROPS)
def test_they_go_with_the_index(conn: Conn, drop: str) -> None:
    number = measured(conn)
    other = create(conn, dims=8)
    put(conn, 50, 0.99, 0.99, 1.0, name=other)
    DROPS[drop](conn)
    assert counts(conn, number) == (1, 0)
    assert promised(conn, name=other).standing == "measured"


def test_they_go_when_a_table_that_is_gone_is_swept(conn: Conn) -> None:
    number = measured(conn)
    conn.execute("drop table docs")
    # nobody's at once
    assert counts(conn, number) == (0, 0)
    stored = (
        "select count(*) from mrl._tables left join mrl._calibrations using (entry)"
        " left join mrl._measurements using (entry)"
    )
    assert one(conn, stored) > 0
    make_table(conn, VECTORS)
    create(conn)
    assert one(conn, stored) == 1
    assert promised(conn).standing == "uncalibrated"


def test_building_and_installing_again_keep_them(conn: Conn) -> None:
    number = measured(conn)
    before = counts(conn, number), conn.execute(EVERYTHING).fetchall()
    create(conn)
    MatryoshkaIndex("docs", "embedding", dims=32).create(conn)
    install(conn)
    conn.execute(f"reindex index {NAME}".encode())
    assert (counts(conn, number), conn.execute(EVERYTHING).fetchall()) == before


@pytest.mark.parametrize("way", ["psql", "python"])
def test_uninstalling_takes_them_along(conn: Conn, pg_version: int, way: str) -> None:
    measured(conn)
    if way == "python":
        uninstall(conn)
    else:
        done = psql(address(conn), pg_version, SQL / "uninstall.sql")
        assert (done.returncode, done.stderr) == (0, "")
    assert one(conn, "select to_regnamespace('mrl')") is None
