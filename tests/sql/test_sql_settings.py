"""SQL leaves pgvector's settings as they were, whatever it ran."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from psycopg import errors
from support.databases import Conn, Server, connect, role
from support.plans import force_index
from support.sql_calls import create, ids, keys, many, one, share, text
from support.sql_plans import ordered, planned, run, scanning
from support.sql_state import change, current, refused
from support.tables import Docs, fresh_docs
from support.vectors import nearest

DEFAULTS = ["40", "off", "20000", "1"]
SESSION = ["77", "strict_order", "1234", "2"]
LOCAL = ["55", "off", "333", "3"]
NAME = "docs_embedding_32_halfvec_cosine_hnsw"

LOOKS: dict[str, dict[str, Any]] = {
    "single": {},
    "wide": {"candidates": 20, "ef_search": 900, "max_scan_tuples": 50},
    "iterative": {"candidates": 1200},
    "filtered": {"filter": "n < 50"},
    "no row passes": {"filter": "n > $1::int", "args": ["1000"]},
    "cut short": {"filter": "id < 3", "max_scan_tuples": 1, "candidates": 40},
    "exact": {"exact": True},
    # of the first 300 by the index none is alive: a second try scans on
    "dead rows": {"candidates": 900},
}


@pytest.fixture(scope="module")
def docs(pg_server: Server) -> Iterator[Docs]:
    with fresh_docs(pg_server, rows=1200) as docs:
        create(docs.conn, kind="bit")
        gone = nearest(docs.vectors, docs.vectors[0], 300)
        docs.conn.execute("delete from docs where id = any (%s)", [gone])
        docs.conn.execute("grant usage on schema public to public")
        docs.conn.execute("grant select on docs to public")
        one(docs.conn, "select mrl.create_search_function('near', 'docs', 'embedding')")
        yield docs


@pytest.fixture
def session(docs: Docs) -> Iterator[Conn]:
    """A session with settings of its own."""
    with connect(docs.url) as conn:
        conn.execute("select '[1]'::vector")  # loads the library that knows them
        change(conn, SESSION, local=False)
        force_index(conn)
        yield conn


def statement(conn: Conn, query: Any, **options: Any) -> list[Any]:
    """Answers of what mrl.search_sql prints."""
    printed: str = one(
        conn,
        "select mrl.search_sql('docs', 'embedding', candidates => %s)",
        options.get("candidates"),
    )
    return [row[0] for row in run(conn, printed, ["vector"], [text(query)])]


def made(conn: Conn, query: Any, **_: Any) -> list[Any]:
    """Answers of a function that mrl.create_search_function made."""
    rows = conn.execute("select id from near(%s)", [text(query)]).fetchall()
    return [row[0] for row in rows]


def batch(conn: Conn, query: Any, **options: Any) -> list[Any]:
    """Answers of mrl.search_many."""
    return [key for key, _ in many(conn, [query, query], **options)[1]]


def pairs(conn: Conn, query: Any, **options: Any) -> list[Any]:
    """Answers of mrl.search_keys."""
    return [key for key, _ in keys(conn, query, **options)]


def recall(conn: Conn, _: Any, **options: Any) -> list[Any]:
    """What mrl.recall measures."""
    taken = {name: options.get(name) for name in ("filter", "args", "candidates")}
    call = (
        "select measured from mrl.recall('docs', 'embedding', sample => 3,"
        " filter => %(filter)s, args => %(args)s::text[], candidates => %(candidates)s,"
        " dims => 32, kind => 'halfvec')"
    )
    return list(conn.execute(call, taken).fetchall()[0])


CALLS: list[Callable[..., list[Any]]] = [ids, pairs, batch, statement, made, recall]
every_call = pytest.mark.parametrize("call", CALLS)


@every_call
@pytest.mark.parametrize("look", LOOKS)
def test_settings_stay(
    docs: Docs, session: Conn, call: Callable[..., list[Any]], look: str
) -> None:
    query = docs.vectors[0]
    call(session, query, **LOOKS[look])
    assert current(session) == SESSION
    with session.transaction():
        change(session, LOCAL)
        call(session, query, **LOOKS[look])
        assert current(session) == LOCAL
    assert current(session) == SESSION
    with session.transaction():
        session.execute("set transaction read only")
        call(session, query, **LOOKS[look])
        assert current(session) == SESSION


@every_call
def test_a_setting_made_in_a_transaction_ends_as_it_would(
    docs: Docs, session: Conn, call: Callable[..., list[Any]]
) -> None:
    for how, then in (("rollback", SESSION), ("commit", LOCAL)):
        session.autocommit = False
        change(session, LOCAL, local=False)
        call(session, docs.vectors[1])
        assert current(session) == LOCAL
        session.execute(how.encode())
        session.rollback()
        session.autocommit = True
        assert current(session) == then


@pytest.mark.parametrize("call", [ids, pairs, batch])
def test_an_error_in_a_savepoint_leaves_nothing_behind(
    docs: Docs, session: Conn, call: Callable[..., list[Any]]
) -> None:
    truth = [key for key in nearest(docs.vectors, docs.vectors[700], 500)][:3]
    with session.transaction():
        change(session, LOCAL)
        for _ in range(2):
            with refused(errors.DivisionByZero, "division by zero"):
                with session.transaction():
                    call(session, docs.vectors[700], filter="1 / (id - id) > 0")
            assert current(session) == LOCAL
            assert call(session, docs.vectors[700])[:1] == truth[:1]
            assert current(session) == LOCAL
            assert ordered(planned(session, "rows", [docs.vectors[700]])) == [NAME]


@every_call
@pytest.mark.parametrize("look", LOOKS)
def test_a_fresh_session_of_an_ordinary_role(
    docs: Docs, session: Conn, call: Callable[..., list[Any]], look: str
) -> None:
    url = role(docs.conn, docs.url, "reader")
    expected = call(session, docs.vectors[0], **LOOKS[look])
    with connect(url) as conn, conn.transaction():
        found = call(conn, docs.vectors[0], **LOOKS[look])
        if call is recall:
            assert found == expected
        elif look != "cut short":
            assert set(found) == set(expected)
        assert current(conn) == DEFAULTS


@every_call
def test_what_a_fresh_session_set_before_it_knew_the_setting_holds(
    docs: Docs, call: Callable[..., list[Any]]
) -> None:
    with connect(docs.url) as conn:
        change(conn, SESSION, local=False)
        call(conn, docs.vectors[0])
        assert current(conn) == SESSION


def test_the_settings_are_in_force_while_the_index_is_scanned(
    docs: Docs, session: Conn
) -> None:
    change(session, ["1", "off", "1", "1"], local=False)
    alive = [
        key
        for key in nearest(docs.vectors, docs.vectors[0], 1200)
        if key not in nearest(docs.vectors, docs.vectors[0], 300)
    ]
    with scanning(session, NAME):
        for call in (ids, pairs, batch):
            found = call(session, docs.vectors[0], k=20, candidates=300)
            assert found == alive[:20]
        assert share(made(session, docs.vectors[0]), alive[:10]) >= 0.9
    assert current(session) == ["1", "off", "1", "1"]
    assert ordered(planned(session, "rows", [docs.vectors[0]])) == [NAME]
