"""Without the short column that it names, a search uses the one in use, and warns."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from psycopg import errors
from support.databases import Conn
from support.sql_calls import assert_exact, create, ids, keys, many, one, share, stock
from support.sql_plans import ordered, planned, scanning
from support.vectors import matryoshka
from support.vectors import nearest as exact

ROWS = matryoshka(600)
OLD = "docs_embedding_32_halfvec_cosine_hnsw"
NEW = "docs_embedding_16_halfvec_cosine_hnsw"
QUERY = ROWS[7] * 0.7 + ROWS[8] * 0.3


@contextmanager
def said(conn: Conn) -> Iterator[list[str]]:
    """Warnings of the block."""
    told: list[str] = []

    def tell(diagnostic: errors.Diagnostic) -> None:
        told.append(f"{diagnostic.severity}: {diagnostic.message_primary}")

    conn.add_notice_handler(tell)
    try:
        yield told
    finally:
        conn.remove_notice_handler(tell)


def assert_answered(conn: Conn, index: str, warning: str = "", **options: Any) -> None:
    """Each search scans the index and finds the nearest rows; each warns once."""
    calls: list[Callable[..., Any]] = [ids, keys]
    truth = exact(ROWS, QUERY, 5)
    for call in calls:
        with said(conn) as told, scanning(conn, index):
            found = call(conn, QUERY, k=5, **options)
        if call is keys:
            assert_exact(found, ROWS, QUERY)
            found = [key for key, _ in found]
        assert share(found, truth) >= 0.8
        assert told == [warning] * bool(warning)
    with said(conn) as told, scanning(conn, index):
        ((first, *_),) = many(conn, [QUERY], k=5, **options)
    assert first[0] == truth[0]
    assert told == [warning] * bool(warning)
    for form in ("rows", "keys", "batch"):
        assert ordered(planned(conn, form, [QUERY], k=5, **options)) == [index]


def told_of(which: str, index: str) -> str:
    return (
        f"WARNING: column public.docs.embedding has no usable short column of {which}, "
        f"so the search uses index {index}"
    )


def test_not_there_yet_then_there_then_no_longer(conn: Conn) -> None:
    stock(conn, ROWS)
    assert_answered(conn, OLD, told_of("16 dims", OLD), dims=16)
    create(conn, dims=16)
    assert_answered(conn, NEW, dims=16)
    conn.execute("select mrl.switch_index('docs', 'embedding', dims => 16)")
    conn.execute("select mrl.drop_index('docs', 'embedding', dims => 32)")
    assert_answered(conn, NEW, told_of("32 dims", NEW), dims=32)
    assert_answered(
        conn, NEW, told_of("32 dims, kind vector", NEW), dims=32, kind="vector"
    )


def test_while_it_is_built_or_dropped_by_hand(conn: Conn) -> None:
    stock(conn, ROWS)
    create(conn, dims=16)
    invalid = "update pg_index set indisvalid = %s where indexrelid = %s::regclass"
    conn.execute(invalid, [False, NEW])
    with said(conn) as told, scanning(conn, OLD):
        assert share([key for key, _ in keys(conn, QUERY, dims=16)], [8]) == 1
    assert told == [told_of("16 dims", OLD)]
    conn.execute(invalid, [True, NEW])
    assert_answered(conn, NEW, dims=16)
    conn.execute(f"drop index {NEW}".encode())
    assert_answered(conn, OLD, told_of("16 dims", OLD), dims=16)


def test_a_search_that_looks_twice_warns_once(conn: Conn) -> None:
    stock(conn, ROWS)
    conn.execute("delete from docs where id > 20")
    with said(conn) as told:
        assert len(ids(conn, ROWS[3], k=10, dims=16, candidates=100)) == 10
    assert told == [told_of("16 dims", OLD)]


def test_an_exact_search_takes_its_distance(conn: Conn) -> None:
    stock(conn, ROWS, distance="ip")
    with said(conn) as told:
        answers = keys(conn, QUERY, k=5, dims=16, exact=True)
    truth = exact(ROWS, QUERY, 5, distance="ip")
    assert [key for key, _ in answers] == truth
    assert told == [told_of("16 dims", "docs_embedding_32_halfvec_ip_hnsw")]


def test_only_one_of_the_same_distance_stands_in(conn: Conn) -> None:
    stock(conn, ROWS)
    create(conn, dims=16, distance="l2")
    conn.execute(f"drop index {OLD}".encode())
    # the one in use is of cosine distance and cannot be used
    with pytest.raises(errors.UndefinedObject, match="no short column of 8 dims"):
        keys(conn, QUERY, dims=8)


def test_what_measures_prints_or_names_an_index_does_not_fall_back(
    conn: Conn,
) -> None:
    stock(conn, ROWS[:50])
    for call in (
        "mrl.search_sql('docs', 'embedding', dims => 16)",
        "mrl.create_search_function('f', 'docs', 'embedding', dims => 16)",
        "mrl.recall('docs', 'embedding', dims => 16)",
        "mrl.calibrate('docs', 'embedding', dims => 16)",
        "mrl.switch_index('docs', 'embedding', dims => 16)",
    ):
        with pytest.raises(errors.UndefinedObject, match=r"no (such )?short column"):
            one(conn, f"select {call}")
    with pytest.raises(errors.UndefinedObject, match="of 16 dims, index nope"):
        keys(conn, QUERY, dims=16, index_name="nope")
    conn.execute("select mrl.drop_index('docs', 'embedding')")
    with pytest.raises(errors.UndefinedObject, match="no short column of 16 dims"):
        keys(conn, QUERY, dims=16)
