"""The SQL door on a table that changes after its index is made."""

from typing import Any

from door import assert_exact, create, ids, keys, many, one, share, stock, text
from door_plans import ordered, planned, run, scanning
from door_state import notices, refused
from helpers import Conn, matryoshka, nearest
from psycopg import errors, sql

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
    conn.execute(
        "alter table docs add column late vector(64);"
        "alter table docs rename column embedding to early;"
        "alter table docs rename column late to embedding"
    )
    for call in (keys, ids):
        with refused(
            errors.ObjectNotInPrerequisiteState,
            "column public.docs.embedding_32_halfvec is not the halfvec(32) prefix",
            "was a column renamed?",
        ):
            call(conn, QUERY)
    with refused(errors.ObjectNotInPrerequisiteState, "is not the halfvec(32) prefix"):
        many(conn, [QUERY])


def test_a_column_of_yours_is_not_dropped(conn: Conn) -> None:
    name = stock(conn, VECTORS)
    conn.execute(
        "alter table docs rename column embedding_32_halfvec to short;"
        "alter table docs add column embedding_32_halfvec int default 7"
    )
    for call in (keys, ids):
        with refused(errors.UndefinedFunction, "operator does not exist: integer"):
            call(conn, QUERY)
    assert one(conn, "select mrl.drop_index('docs', 'embedding')") == name
    assert one(conn, "select sum(embedding_32_halfvec) from docs") == 7 * 500


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
