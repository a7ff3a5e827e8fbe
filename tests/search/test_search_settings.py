"""No setting outlives a search, on whatever connection it runs."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from pgvector import Vector
from pgvector.psycopg import register_vector
from psycopg import ClientCursor, ServerCursor, errors, sql
from psycopg.rows import dict_row, namedtuple_row, tuple_row
from support.databases import Conn, Server, connect, role
from support.plans import explain, first_pass, force_index
from support.tables import Docs, fresh_docs
from support.vectors import nearest

NAMES = ("hnsw.ef_search", "hnsw.iterative_scan", "hnsw.max_scan_tuples")
DEFAULTS = ["40", "off", "20000"]
SESSION = ["77", "strict_order", "12345"]
LOCAL = ["55", "off", "6789"]

SEARCHES: dict[str, dict[str, Any]] = {
    "single": {},
    "wide": {"candidates": 20, "ef_search": 900, "max_scan_tuples": 50},
    "iterative": {"candidates": 1200},
    "filtered": {"filter": "n < 50"},
    "one candidate": {"k": 1, "candidates": 1},
    "no row passes": {"filter": "mod(id, 7) = 8"},
    "no row of that key": {"filter": "id = -1"},
    "never true": {"filter": "false"},
    "cut short": {"filter": "id < 3", "max_scan_tuples": 1},
    "exact": {"exact": True},
}
every_search = pytest.mark.parametrize("name", SEARCHES)


@pytest.fixture(scope="module")
def docs(pg_server: Server) -> Iterator[Docs]:
    with fresh_docs(pg_server) as docs:
        docs.conn.execute("grant usage on schema public to public")
        docs.conn.execute("grant select on docs to public")
        yield docs


@pytest.fixture
def session(docs: Docs) -> Iterator[Conn]:
    """A session with settings of its own."""
    with connect(docs.url) as conn:
        conn.execute("select '[1]'::vector")  # loads the library that knows them
        change(conn, SESSION, local=False)
        yield conn


def change(conn: Conn, values: list[str], *, local: bool = True) -> None:
    for name, value in zip(NAMES, values, strict=True):
        conn.execute("select set_config(%s, %s, %s)", [name, value, local])


def current(conn: Conn) -> list[str]:
    with psycopg.Cursor(conn, row_factory=tuple_row) as cursor:
        rows = [
            cursor.execute("select current_setting(%s)", [name]).fetchall()[0]
            for name in NAMES
        ]
    return [row[0] for row in rows]


@every_search
def test_a_sessions_settings_stay(docs: Docs, session: Conn, name: str) -> None:
    docs.index.search(session, docs.vectors[0], **SEARCHES[name])
    assert current(session) == SESSION
    force_index(session)
    docs.index.search(session, docs.vectors[0], **SEARCHES[name])
    assert current(session) == SESSION


@every_search
def test_a_transactions_settings_stay(docs: Docs, session: Conn, name: str) -> None:
    with session.transaction():
        change(session, LOCAL)
        docs.index.search(session, docs.vectors[0], **SEARCHES[name])
        assert current(session) == LOCAL
        force_index(session)
        docs.index.search(session, docs.vectors[0], **SEARCHES[name])
        docs.index.search_many(session, docs.vectors[:3], **SEARCHES[name])
        assert current(session) == LOCAL
    assert current(session) == SESSION


@pytest.mark.parametrize("how", ["commit", "rollback"])
def test_a_setting_made_in_a_transaction_ends_as_it_would(
    docs: Docs, session: Conn, how: str
) -> None:
    session.autocommit = False
    change(session, LOCAL, local=False)
    docs.index.search(session, docs.vectors[1], filter="n > 3")
    assert current(session) == LOCAL
    session.execute(how.encode())
    assert current(session) == (LOCAL if how == "commit" else SESSION)


def test_the_settings_are_in_force_while_the_index_is_scanned(
    docs: Docs, session: Conn
) -> None:
    force_index(session)
    change(session, ["1", "off", "1"], local=False)
    plan = docs.index.plan(session, docs.vectors[2], k=150)
    assert first_pass(explain(session, plan)) == [docs.index.name]
    found = docs.index.search(session, docs.vectors[2], k=150)
    assert (found.seen, found.scan, len(found)) == (1200, "iterative", 150)
    assert docs.index.search(session, docs.vectors[2]).scan == "single"
    assert current(session) == ["1", "off", "1"]


def test_an_error_in_a_savepoint_leaves_nothing_behind(
    docs: Docs, session: Conn
) -> None:
    query = docs.vectors[3]
    with session.transaction():
        change(session, LOCAL)
        for k in (3, 5):
            with pytest.raises(errors.DivisionByZero), session.transaction():
                docs.index.search(session, query, filter="1 / (id - id) > 0", k=k)
            assert current(session) == LOCAL
            assert docs.index.search(session, query, k=k).keys[0] == 4
            assert current(session) == LOCAL
        with session.transaction():
            assert docs.index.search(session, query).keys[0] == 4
        assert current(session) == LOCAL


@every_search
def test_a_fresh_session_of_an_ordinary_role(docs: Docs, name: str) -> None:
    url = role(docs.conn, docs.url, "reader")
    with connect(url) as conn, conn.transaction():
        found = docs.index.search(conn, docs.vectors[4], **SEARCHES[name])
        assert current(conn) == DEFAULTS
        expected = docs.index.search(docs.conn, docs.vectors[4], **SEARCHES[name])
        if name != "cut short":
            assert found.keys == expected.keys


def test_a_connection_outside_autocommit(docs: Docs) -> None:
    with psycopg.connect(docs.url) as conn:
        found = docs.index.search(conn, docs.vectors[5])
        assert found.keys[0] == 6
        assert conn.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS
        assert current(conn) == DEFAULTS
        conn.rollback()
        assert docs.index.search(conn, docs.vectors[5]).hits == found.hits


def test_a_read_only_transaction(docs: Docs) -> None:
    with psycopg.connect(docs.url) as conn:
        conn.read_only = True
        plan = docs.index.plan(conn, docs.vectors[6])
        assert first_pass(explain(conn, plan)) == [docs.index.name]
        assert docs.index.search(conn, docs.vectors[6]).keys[0] == 7
        assert conn.execute("show transaction_read_only").fetchone() == ("on",)
        assert current(conn) == DEFAULTS


@pytest.mark.parametrize("mode", ["force_generic_plan", "force_custom_plan"])
@pytest.mark.parametrize("where", [None, "n <> %(n)s"], ids=["plain", "filtered"])
def test_a_prepared_statement_under_either_plan(
    docs: Docs, session: Conn, mode: str, where: str | None
) -> None:
    session.execute(sql.SQL("set plan_cache_mode = {}").format(mode))
    params = {"n": 99} if where else None
    for row in range(8):
        found = docs.index.search(
            session, docs.vectors[row], filter=where, params=params
        )
        assert found.keys[0] == row + 1
        assert current(session) == SESSION
    prepared = session.execute(
        "select name, generic_plans, custom_plans from pg_prepared_statements "
        "where statement like 'with mrl_query%'"
    ).fetchall()
    # a filter's is none: the unnamed one is planned each time
    if where is not None:
        assert prepared == []
        return
    assert len(prepared) == 1
    name, generic, custom = prepared[0]
    assert (generic, custom) == ((8, 0) if mode == "force_generic_plan" else (0, 8))
    explain_it = sql.SQL("explain (format json) execute {}({})").format(
        sql.Identifier(name), str(docs.vectors[0].tolist())
    )
    rows = session.execute(explain_it).fetchall()
    assert first_pass(rows[0][0][0]["Plan"]) == [docs.index.name]


CONNECTIONS: dict[str, dict[str, Any]] = {
    "never prepares": {"prepare_threshold": None},
    "always prepares": {"prepare_threshold": 0},
    "dict rows": {"row_factory": dict_row},
    "namedtuple rows": {"row_factory": namedtuple_row},
    "client cursor": {"cursor_factory": ClientCursor},
    "latin1": {"options": "-c client_encoding=latin1 -c DateStyle=SQL"},
    "few digits": {"options": "-c extra_float_digits=-3 -c bytea_output=escape"},
    "serializable": {"options": "-c default_transaction_isolation=serializable"},
}


@pytest.mark.parametrize("name", CONNECTIONS)
def test_a_connection_of_any_making(docs: Docs, name: str) -> None:
    with psycopg.connect(docs.url, **CONNECTIONS[name]) as conn:
        for found in (
            docs.index.search(conn, docs.vectors[8], columns=["n"]),
            docs.index.search(
                conn, docs.vectors[8], columns=["n"], filter="n < %s", params=[90]
            ),
            docs.index.search_many(conn, docs.vectors[7:9], columns=["n"])[1],
            docs.index.search(conn, docs.vectors[8], columns=["n"], exact=True),
        ):
            assert found.keys[0] == 9
            assert found[0]["n"] == 9
        assert current(conn) == DEFAULTS


def test_a_cursor_factory_on_the_server_is_left_alone(docs: Docs) -> None:
    with psycopg.connect(docs.url) as conn:
        conn.server_cursor_factory = ServerCursor
        with conn.cursor("open") as cursor:
            cursor.execute("select id from docs order by id")
            assert cursor.fetchone() == (1,)
            assert docs.index.search(conn, docs.vectors[9]).keys[0] == 10
            assert cursor.fetchone() == (2,)


def test_inside_a_pipeline(docs: Docs, session: Conn) -> None:
    with session.pipeline():
        one = docs.index.search(session, docs.vectors[10])
        many = docs.index.search_many(session, docs.vectors[10:12])
        assert [one.keys[0], *[found.keys[0] for found in many]] == [11, 11, 12]
        assert current(session) == SESSION


@pytest.mark.parametrize("registered", [True, False])
def test_pgvectors_types_registered_or_not(
    docs: Docs, session: Conn, registered: bool
) -> None:
    if registered:
        register_vector(session)
    before = session.adapters.types.get("vector")
    found = docs.index.search(session, Vector(docs.vectors[12]), columns=["embedding"])
    assert found.keys == nearest(docs.vectors, docs.vectors[12])
    assert isinstance(found[0]["embedding"], Vector if registered else str)
    assert session.adapters.types.get("vector") is before
    assert current(session) == SESSION
