"""Searching in SQL, on a table that changes after its index is made."""

from collections.abc import Callable
from typing import Any

import pytest
from psycopg import errors, sql
from support.databases import Conn
from support.sql_calls import (
    assert_exact,
    create,
    ids,
    keys,
    many,
    one,
    share,
    stock,
    text,
)
from support.sql_plans import ordered, planned, run, scanning
from support.sql_state import notices, refused
from support.vectors import Vectors, matryoshka, nearest

from mrl_pg import MatryoshkaIndex

VECTORS = matryoshka(500)
QUERY = VECTORS[3] + VECTORS[4]
TRUTH = nearest(VECTORS, QUERY)


def test_names_changed_after_creation(conn: Conn) -> None:
    name = stock(conn, VECTORS)
    before = keys(conn, QUERY)
    conn.execute("alter table docs rename to papers")
    assert keys(conn, QUERY, table="papers") == before
    assert ids(conn, QUERY, table="papers") == [key for key, _ in before]
    conn.execute("create schema other; alter table papers set schema other")
    assert keys(conn, QUERY, table="other.papers") == before
    assert ids(conn, QUERY, table="other.papers", filter="n >= 0")[:3] == TRUTH[:3]
    conn.execute("set search_path = other, public")
    with scanning(conn, name):
        assert [row for row in many(conn, [QUERY], table="papers")] == [before]
    assert ordered(planned(conn, "rows", [QUERY], table="papers")) == [name]
    conn.execute("alter table papers rename column embedding to vec")
    with refused(
        errors.UndefinedColumn, "column other.papers.embedding does not exist", "vec"
    ):
        keys(conn, QUERY, table="papers")
    with refused(
        errors.UndefinedColumn, "column other.papers.embedding does not exist"
    ):
        ids(conn, QUERY, table="papers")


def test_a_full_column_swapped_by_renames(conn: Conn) -> None:
    stock(conn, VECTORS)
    one(conn, MADE)
    conn.execute(
        "alter table docs add column late vector(64);"
        "alter table docs rename column embedding to early;"
        "alter table docs rename column late to embedding"
    )
    assert_refused(conn, NO_PREFIX)


SHORT = "embedding_32_halfvec"
INDEX = f"index docs_{SHORT}_cosine_hnsw"
REPLACED: dict[str, str] = {
    "a column of yours": "int default 7",
    "a plain one": "halfvec(32)",
    "another part": "halfvec(32) generated always as"
    " (l2_normalize(subvector(embedding, 33, 32))::halfvec(32)) stored",
    "not normalised": "halfvec(32) generated always as"
    " (subvector(embedding, 1, 32)::halfvec(32)) stored",
    "other dims": "halfvec(16) generated always as"
    " (l2_normalize(subvector(embedding, 1, 16))::halfvec(16)) stored",
    "another full column": "halfvec(32) generated always as"
    " (l2_normalize(subvector(other, 1, 32))::halfvec(32)) stored",
}


MADE = "select mrl.create_search_function('near', 'docs', 'embedding')"
NO_PREFIX = f"column public.docs.{SHORT} is not the halfvec(32) prefix of embedding"
OTHER_INDEX = f"{INDEX} of public.docs is not an index of {SHORT} for distance cosine"


MADE_REFUSES = "select count(*) from near(%s)"


def assert_followed(conn: Conn, vectors: Vectors, message: str) -> None:
    """Searches find the index by what it is; a made function holds old names."""
    truth = nearest(vectors, QUERY)
    assert [key for key, _ in keys(conn, QUERY, candidates=500)] == truth
    assert ids(conn, QUERY, candidates=500) == truth
    assert ids(conn, QUERY, filter="n >= 0", candidates=500) == truth
    (pairs,) = many(conn, [QUERY], candidates=500)
    assert [key for key, _ in pairs] == truth
    with refused(errors.ObjectNotInPrerequisiteState, message):
        one(conn, MADE_REFUSES, text(QUERY))


def assert_refused(conn: Conn, message: str) -> None:
    """No search takes the short column for what it was."""
    calls: list[Callable[[], Any]] = [
        lambda: keys(conn, QUERY),
        lambda: ids(conn, QUERY),
        lambda: ids(conn, QUERY, filter="n >= 0"),
        lambda: many(conn, [QUERY]),
        lambda: one(conn, MADE_REFUSES, text(QUERY)),
    ]
    for call in calls:
        with refused(errors.ObjectNotInPrerequisiteState, message):
            call()


@pytest.mark.parametrize("definition", REPLACED.values(), ids=REPLACED)
def test_a_short_column_replaced(conn: Conn, definition: str) -> None:
    name = stock(conn, VECTORS[:50])
    one(conn, MADE)
    for warm in (keys, ids):
        warm(conn, QUERY)
    conn.execute(
        f"alter table docs add column other vector(64);"
        f"alter table docs drop column {SHORT};"
        f"alter table docs add column {SHORT} {definition}".encode()
    )
    halves = definition.startswith("halfvec")
    key = f"using hnsw ({SHORT} halfvec_cosine_ops)" if halves else f"({SHORT})"
    conn.execute(f"create index {name} on docs {key}".encode())
    assert_refused(conn, NO_PREFIX if halves else OTHER_INDEX)


def test_full_columns_that_change_places(conn: Conn) -> None:
    stock(conn, VECTORS[:50])
    one(conn, MADE)
    conn.execute("alter table docs add column other vector(64)")
    conn.execute("update docs set other = embedding - embedding - embedding")
    one(conn, "select mrl.create_index('docs', 'other', 32)")
    for warm in (keys, ids):
        warm(conn, QUERY)
    conn.execute(
        "alter table docs rename column embedding to held;"
        "alter table docs rename column other to embedding;"
        "alter table docs rename column held to other"
    )
    assert_followed(conn, -VECTORS[:50], NO_PREFIX)


INDEXES = {
    "of another column": "using hnsw (other halfvec_cosine_ops)",
    "for another distance": f"using hnsw ({SHORT} halfvec_l2_ops)",
    "of another method": f"using ivfflat ({SHORT} halfvec_cosine_ops) with (lists = 5)",
    "of some rows": f"using hnsw ({SHORT} halfvec_cosine_ops) where n < 3",
    "of numbers": "(n)",
}


@pytest.mark.parametrize("definition", INDEXES.values(), ids=INDEXES)
def test_an_index_replaced_by_another_of_its_name(conn: Conn, definition: str) -> None:
    name = stock(conn, VECTORS)
    conn.execute(
        "alter table docs add column other halfvec(32);"
        f"drop index {name}; create index {name} on docs {definition}".encode()
    )
    calls: list[Any] = [keys, many]
    if "ivfflat" in definition:
        # brings too few candidates, so that it is looked at
        calls.append(ids)
    else:
        # no index is of use, so that every row is read
        assert ids(conn, QUERY, candidates=500) == TRUTH
    for call in calls:
        with refused(
            errors.ObjectNotInPrerequisiteState,
            f"index {name} of public.docs is not an index of {SHORT} for distance",
            "name the kind and distance",
        ):
            call(conn, [QUERY] if call is many else QUERY)


def test_a_column_of_yours_is_not_dropped(conn: Conn) -> None:
    name = stock(conn, VECTORS)
    one(conn, MADE)
    conn.execute(
        "alter table docs rename column embedding_32_halfvec to short;"
        "alter table docs add column embedding_32_halfvec int default 7"
    )
    assert_followed(conn, VECTORS, OTHER_INDEX)
    assert one(conn, "select mrl.drop_index('docs', 'embedding')") == name
    assert one(conn, "select sum(embedding_32_halfvec) from docs") == 7 * 500


def test_the_registry_holds_names_and_nothing_that_is_run(conn: Conn) -> None:
    """Whoever could write it would choose among columns that the catalog has."""
    stock(conn, VECTORS[:50])
    columns = conn.execute(
        "select attname, format_type(atttypid, atttypmod) from pg_attribute"
        " where attrelid = 'mrl._registry'::regclass and attnum > 0"
    ).fetchall()
    assert {kind for _, kind in columns} == {
        *("boolean", "integer", "name", "text", "timestamp with time zone")
    }
    # each one of a few words that the table itself checks
    assert {name for name, kind in columns if kind == "text"} == {
        *("kind", "distance", "computed_as", "kept_as")
    }
    evil = 'x" <-> "$1; drop table docs; --'
    for column in ("full_column", "short_column", "index_name"):
        with conn.transaction(force_rollback=True):
            conn.execute(f"update mrl._registry set {column} = %s".encode(), [evil])
            for call in (keys, ids):
                with conn.transaction(force_rollback=True):
                    # found by what the catalog says
                    assert len(call(conn, QUERY)) == 10
            assert one(conn, "select count(*) from docs") == 50


def test_an_index_dropped_by_hand(conn: Conn) -> None:
    name = stock(conn, VECTORS)
    create(conn, dims=16)
    conn.execute(sql.SQL("drop index {}").format(sql.Identifier(name)))
    for call in (keys, ids):
        with refused(
            errors.UndefinedObject, f"index {name} of public.docs does not", "create"
        ):
            call(conn, QUERY)
    assert create(conn) == name
    with scanning(conn, name):
        assert share(ids(conn, QUERY), TRUTH) >= 0.9


def test_columns_dropped_and_added(conn: Conn) -> None:
    name = stock(conn, VECTORS)
    before = ids(conn, QUERY)
    conn.execute("alter table docs drop column title")
    assert ids(conn, QUERY) == before
    conn.execute("alter table docs add column again text default 'x'")
    with scanning(conn, name):
        assert ids(conn, QUERY, filter="again = 'x'", k=3) == before[:3]
    assert [key for key, _ in many(conn, [QUERY])[0]] == before


def test_rows_deleted_and_not_yet_vacuumed(conn: Conn) -> None:
    vectors = matryoshka(1500)
    name = stock(conn, vectors)
    index = MatryoshkaIndex("docs", "embedding", dims=32)
    one(conn, "select mrl.create_search_function('near', 'docs', 'embedding')")
    near = nearest(vectors, vectors[9], 1500)
    conn.execute("delete from docs where id = any (%s)", [near[:1300]])
    with notices(conn) as told, scanning(conn, name):
        answers = keys(conn, vectors[9])
        assert [key for key, _ in answers] == near[1300:1310]
        assert_exact(answers, vectors, vectors[9])
        assert ids(conn, vectors[9], k=150) == near[1300:1450]
        assert ids(conn, vectors[9], k=300, candidates=300) == near[1300:]
        assert index.search(conn, vectors[9]).keys == near[1300:1310]
        first, second = many(conn, [vectors[9], vectors[9]], k=20)
        assert [key for key, _ in first] == near[1300:1320]
        assert first == second
        found = conn.execute("select id from near(%s)", [text(vectors[9])]).fetchall()
        assert [row[0] for row in found] == near[1300:1310]
        statement = one(conn, "select mrl.search_sql('docs', 'embedding')")
        found = run(conn, statement, ["vector"], [text(vectors[9])])
        assert [row[0] for row in found] == near[1300:1310]
    assert told == []
    assert ordered(planned(conn, "rows", [vectors[9]], again=True)) == [name]


def test_a_search_that_is_cut_short_says_so(conn: Conn) -> None:
    vectors = matryoshka(2000)
    name = stock(conn, vectors)
    far = nearest(vectors, vectors[9], 2000)[-30:]
    conn.execute("update docs set n = 777 where id = any (%s)", [far])
    conn.execute("vacuum docs")
    options: dict[str, Any] = {
        "filter": "n = 777",
        "candidates": 40,
        "max_scan_tuples": 1,
    }
    with notices(conn) as told, scanning(conn, name):
        for call in (keys, ids):
            assert len(call(conn, vectors[9], **options)) < 10
        assert len(many(conn, [vectors[9]], **options)[0]) < 10
    assert len(told) == 3
    assert all("WARNING: the search was cut short:" in line for line in told)
    with notices(conn) as told:
        assert len(ids(conn, vectors[9], **(options | {"max_scan_tuples": 9999}))) == 10
    assert told == []
