"""Switching: which index is in use, for all searches at once, and back."""

from typing import Any

import pytest
from psycopg import errors
from support.databases import Conn, connect, role
from support.sql_calls import assert_exact, create, ids, keys, many, one, share, stock
from support.sql_plans import ordered, planned, prepared, scanning
from support.vectors import matryoshka
from support.vectors import nearest as exact

ROWS = matryoshka(600)
OLD = "docs_embedding_32_halfvec_cosine_hnsw"
NEW = "docs_embedding_16_halfvec_cosine_hnsw"
BITS = "docs_embedding_64_bit_cosine_hnsw"
IN_USE = "select index_name from mrl.indexes where in_use"


def switch(conn: Conn, arguments: str = "dims => 16") -> str:
    name: str = one(conn, f"select mrl.switch_index('docs', 'embedding', {arguments})")
    return name


def assert_searched(conn: Conn, index: str, **options: Any) -> None:
    """Every search that names no index scans this one, and finds the nearest rows."""
    assert one(conn, IN_USE) == index
    query = ROWS[7] * 0.7 + ROWS[8] * 0.3
    truth = exact(ROWS, query, 5)
    # so many that an index of sign bits finds them, too
    options = {"candidates": 400} | options
    with scanning(conn, index):
        answers = keys(conn, query, k=5, **options)
    assert_exact(answers, ROWS, query)
    assert share([key for key, _ in answers], truth) >= 0.8
    with scanning(conn, index):
        assert ids(conn, query, k=5, **options) == [key for key, _ in answers]
    with scanning(conn, index):
        assert many(conn, [query], k=5, **options) == [answers]
    for form in ("rows", "keys", "batch"):
        assert ordered(planned(conn, form, [query], k=5, **options)) == [index]
    text = one(conn, "select mrl.search_sql('docs', 'embedding', k => 5)")
    assert ordered(prepared(conn, text, ["vector"], [str(query.tolist())])) == [index]


def test_a_switch_is_seen_at_once_by_all_and_goes_back(
    conn: Conn, database: str
) -> None:
    stock(conn, ROWS)
    assert create(conn, dims=16) == NEW
    assert_searched(conn, OLD)
    with connect(database) as other:
        for setting in ("seqscan", "bitmapscan", "sort"):
            other.execute(f"set enable_{setting} = off".encode())
        assert_searched(other, OLD)
        with conn.transaction():
            assert switch(conn) == NEW
            assert ordered(planned(conn, "rows", [ROWS[0]])) == [NEW]
            # not before it is committed
            assert_searched(other, OLD)
        assert_searched(other, NEW)
        assert switch(conn, f"index_name => '{OLD}'") == OLD
        assert_searched(other, OLD)
        assert one(other, "select mrl.search_sql('docs', 'embedding', dims => 16)")


def test_the_clock_may_go_back(conn: Conn) -> None:
    stock(conn, ROWS)
    create(conn, dims=16)
    conn.execute("update mrl._registry set chosen_at = now() + '1 day' where dims = 32")
    assert switch(conn) == NEW
    assert_searched(conn, NEW)


def test_after_the_one_in_use_comes_the_one_before_it(conn: Conn) -> None:
    stock(conn, ROWS)
    create(conn, dims=64, kind="bit")
    create(conn, dims=16)
    switch(conn, "kind => 'bit'")
    switch(conn)
    drop = "select mrl.drop_index('docs', 'embedding', dims => {})"
    assert one(conn, drop.format(16)) == NEW
    # chosen before, although not the oldest
    assert_searched(conn, BITS)
    assert one(conn, drop.format(64)) == BITS
    assert_searched(conn, OLD)


def test_a_recall_and_a_made_function_take_the_one_in_use(conn: Conn) -> None:
    stock(conn, ROWS)
    create(conn, dims=16)
    switch(conn)
    query = ROWS[9]
    with scanning(conn, NEW):
        recall = one(
            conn, "select recall from mrl.recall('docs', 'embedding', sample => 3)"
        )
    assert recall >= 0.9
    conn.execute("select * from mrl.calibrate('docs', 'embedding', sample => 5)")
    measured = "select distinct index_name from mrl.calibrations"
    assert conn.execute(measured).fetchall() == [(NEW,)]
    conn.execute("select mrl.create_search_function('near', 'docs', 'embedding')")
    with scanning(conn, NEW):
        found = conn.execute(
            "select id from near(%s::vector, 5)", [str(query.tolist())]
        )
        assert share([key for (key,) in found], exact(ROWS, query, 5)) >= 0.8


def test_a_renamed_index_can_be_chosen_and_stays_so(conn: Conn) -> None:
    stock(conn, ROWS)
    create(conn, dims=16)
    conn.execute(f"alter index {NEW} rename to nearest".encode())
    assert switch(conn) == "nearest"
    assert one(conn, IN_USE) == NEW
    query = ROWS[3]
    with scanning(conn, "nearest"):
        assert share(ids(conn, query, k=5), exact(ROWS, query, 5)) >= 0.8
    for (statement,) in conn.execute("select mrl.repair_sql('docs')").fetchall():
        conn.execute(statement)
    assert_searched(conn, "nearest")


@pytest.mark.parametrize(
    ("arguments", "error", "message", "hint"),
    [
        ("dims => 8", errors.UndefinedObject, "no short column of 8 dims", "there are"),
        ("kind => 'x'", errors.UndefinedObject, "of kind x", r"halfvec\(16\), half"),
        ("index_name => 'x'", errors.UndefinedObject, "of index x", r"halfvec\(32\)"),
        ("kind => null", errors.AmbiguousParameter, "has 2 short columns", "choose"),
    ],
)
def test_one_that_is_not_there_is_refused(
    conn: Conn, arguments: str, error: type[Exception], message: str, hint: str
) -> None:
    stock(conn, ROWS[:50])
    create(conn, dims=16)
    with pytest.raises(error, match=message) as caught:
        switch(conn, arguments)
    assert isinstance(caught.value, errors.Error)
    assert hint.split("\\")[0] in (caught.value.diag.message_hint or "")
    assert one(conn, IN_USE) == OLD


def test_one_that_cannot_be_used_is_refused(conn: Conn) -> None:
    stock(conn, ROWS[:50])
    create(conn, dims=16)
    conn.execute(
        "update pg_index set indisvalid = false where indexrelid = %s::regclass", [NEW]
    )
    with pytest.raises(errors.UndefinedObject, match="is not valid"):
        switch(conn)
    assert one(conn, IN_USE) == OLD


def test_only_the_owner_switches(conn: Conn, database: str) -> None:
    stock(conn, ROWS[:50])
    create(conn, dims=16)
    with connect(role(conn, database, "switch_stranger")) as stranger:
        conn.execute("grant select on docs to switch_stranger")
        with pytest.raises(errors.InsufficientPrivilege, match="does not own"):
            switch(stranger)
        assert one(stranger, IN_USE) == OLD
