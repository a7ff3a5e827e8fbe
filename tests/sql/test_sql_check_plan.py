"""mrl.check_plan: raises if a search from SQL would not use its index."""

from typing import Any

import pytest
from psycopg import errors, sql
from support.databases import Conn
from support.tables import append, make_partitioned, make_table
from support.vectors import matryoshka

from mrl_pg import IndexNotUsed, MatryoshkaColumn, MatryoshkaIndex

INDEX = MatryoshkaIndex("docs", "embedding", dims=32)


def check(conn: Conn, more: str = "") -> tuple[Any, ...]:
    call = f"mrl.check_plan('docs', 'embedding'{more})"
    asked = f"select used_index::text, forced from {call}"
    row: tuple[Any, ...] = conn.execute(asked.encode()).fetchall()[0]
    return row


def refused(conn: Conn, more: str) -> errors.AssertFailure:
    with pytest.raises(errors.AssertFailure) as caught:
        check(conn, more)
    return caught.value


def test_ten_rows_need_an_index_that_fits(conn: Conn) -> None:
    make_table(conn, matryoshka(10))
    INDEX.create(conn)
    conn.execute("set hnsw.ef_search = 77")
    assert check(conn) == (INDEX.name, True)
    assert check(conn, ", filter => 'n = $1::int', args => '{3}'") == (INDEX.name, True)
    assert check(conn, ", candidates => 2000, dims => 32") == (INDEX.name, True)
    # settings are as before
    for name, value in (("enable_sort", "on"), ("hnsw.ef_search", "77")):
        assert conn.execute(f"show {name}".encode()).fetchall() == [(value,)]
    said = refused(conn, ", small => 0").diag
    assert said.message_primary == f"a search of docs does not use index {INDEX.name}"
    assert "Seq Scan on docs" in (said.message_detail or "")
    assert "the planner takes another way: analyze docs" in (said.message_hint or "")
    conn.execute("set enable_indexscan = off")
    assert "cannot serve it" in (refused(conn, "").diag.message_hint or "")


def test_what_is_wrong_is_said(conn: Conn) -> None:
    make_table(conn, matryoshka(10))
    INDEX.create(conn)
    with pytest.raises(errors.InvalidParameterValue, match="small is -1"):
        check(conn, ", small => -1")
    # nothing stands in for what is named
    with pytest.raises(errors.UndefinedObject, match="16 dims"):
        check(conn, ", dims => 16")
    with pytest.raises(
        errors.InvalidParameterValue, match="candidates 3 is below k 10"
    ):
        check(conn, ", candidates => 3")
    with pytest.raises(errors.Error):
        check(conn, ", filter => 'true); drop table docs; select (true'")
    conn.execute(sql.SQL("drop index {}").format(sql.Identifier(INDEX.name)))
    with pytest.raises(errors.UndefinedObject):
        check(conn)


def test_many_rows_need_an_index_that_is_taken(conn: Conn) -> None:
    make_table(conn, matryoshka(3000))
    INDEX.create(conn)
    conn.execute("create index on docs (n)")
    conn.execute("analyze docs")
    assert check(conn, ", small => 0") == (INDEX.name, False)
    rare = ", filter => 'n = 7 and title = ''title 7''', small => "
    assert "that way is right" in (refused(conn, rare + "0").diag.message_hint or "")
    assert check(conn, rare + "10000") == (INDEX.name, True)


def test_partitions(conn: Conn) -> None:
    make_partitioned(conn)
    append(conn, matryoshka(60), sql.Identifier("docs"))
    INDEX.create(conn)
    conn.execute("analyze docs")
    assert check(conn) == (INDEX.name, True)
    # an empty table, too
    conn.execute("truncate docs")
    assert check(conn) == (INDEX.name, True)


def test_tenants_and_recalls_that_are_exact(conn: Conn) -> None:
    make_table(conn, matryoshka(300))
    column = MatryoshkaColumn("docs", "embedding")
    INDEX.create(conn)
    INDEX.calibrate(conn, k=5, queries=matryoshka(60, seed=5))
    exact = conn.execute("select bool_or(candidates is null) from mrl.calibrations")
    if exact.fetchall() == [(True,)]:
        said = refused(conn, ", k => 5, recall => 0.999").diag
        assert "fastest when it was calibrated" in (said.message_hint or "")
    column.set_tenants(conn, "n", dims=32, threshold=200)
    said = refused(conn, ", tenant => '7'").diag
    assert "no index of its own" in (said.message_hint or "")
    with pytest.raises(IndexNotUsed, match="no index of its own"):
        column.check_plan(conn, tenant=7)
