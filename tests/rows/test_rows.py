"""Rows written, deleted and read by key: what comes back, and which plan reads it."""

import asyncio
import datetime
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg import sql
from psycopg.pq import TransactionStatus
from psycopg.types.json import Jsonb
from support.databases import Conn, Server, connect
from support.tables import make_table
from support.vectors import matryoshka

from mrl_pg import (
    ColumnNotFound,
    InvalidFile,
    InvalidSetting,
    KeyExists,
    MatryoshkaColumn,
    MatryoshkaIndex,
    StoredRow,
    UpsertReport,
    source,
)
from mrl_pg.exchange import Exchange, Send, cursors, run
from mrl_pg.exchange.progress import Progress
from mrl_pg.rows.delete import delete_request
from mrl_pg.rows.facts import RowFacts, known_row_facts
from mrl_pg.rows.get import get_request
from mrl_pg.rows.keys import GivenKeys, given_keys

Call = Callable[..., Any]

DOCS = MatryoshkaColumn("docs", "embedding")
TABLE = (
    "create table docs (id bigint primary key, text text, metadata jsonb,"
    " embedding vector(4))"
)


def row(i: int, text: str = "t", **more: Any) -> dict[str, Any]:
    """A row as an adapter of a framework gives it."""
    metadata = {"source": text, "inner": {"page": [None, i, "ü\u2028😀"]}}
    return {"id": i, "text": text, "metadata": metadata, "embedding": [1, 2, 3, i]}


def counts(report: UpsertReport) -> tuple[int, ...]:
    return report.rows, report.inserted, report.updated, report.skipped


def stored(conn: Conn) -> list[Any]:
    query = "select id, text, metadata, embedding::real[] from docs order by id"
    return [
        {"id": i, "text": text, "metadata": metadata, "embedding": vector}
        for i, text, metadata, vector in conn.execute(query)
    ]


@pytest.fixture(params=["sync", "async"])
def call(request: pytest.FixtureRequest, conn: Conn, database: str) -> Call:
    """Calls a method on a connection, or its async version on an asynchronous one."""
    if request.param == "sync":
        return lambda owner, verb, *args, **options: getattr(owner, verb)(
            conn, *args, **options
        )

    async def waited(owner: Any, verb: str, args: Any, options: Any) -> Any:
        async with await psycopg.AsyncConnection.connect(
            database, autocommit=True
        ) as other:
            return await getattr(owner, f"{verb}_async")(other, *args, **options)

    return lambda owner, verb, *args, **options: asyncio.run(
        waited(owner, verb, args, options)
    )


def test_write_read_delete(conn: Conn, call: Call) -> None:
    conn.execute(TABLE)
    said: list[Progress] = []
    report = call(DOCS, "upsert", [row(i) for i in range(3)], progress=said.append)
    assert isinstance(report, UpsertReport)
    assert report.table == "public.docs"
    assert (report.rows, report.inserted, report.updated, report.skipped) == (
        3,
        3,
        0,
        0,
    )
    assert "Wrote 3 rows of public.docs (3 new, 0 updated)" in str(report)
    assert [(each.stage, each.done, each.total) for each in said] == [
        ("writing rows", 3, 3)
    ]
    report = call(DOCS, "upsert", iter([row(2, "new"), row(3, "new")]))
    assert (report.rows, report.inserted, report.updated) == (2, 1, 1)
    assert stored(conn) == [row(0), row(1), row(2, "new"), row(3, "new")]

    found = call(DOCS, "get", [3, 99, 0, 3])
    assert found[1] is None
    assert found[0] == found[3]
    assert isinstance(found[0], StoredRow)
    assert found[0].key == 3
    assert found[0]["text"] == "new"
    # the values are what the connection makes of them, here without pgvector's types
    assert found[2] == StoredRow(0, {**row(0), "embedding": "[1,2,3,0]"})
    some = call(DOCS, "get", np.array([1]), columns=["metadata"])
    assert some == [StoredRow(1, {"metadata": row(1)["metadata"]})]
    assert call(DOCS, "get", []) == []

    assert call(DOCS, "delete", [0, 99, 0]) == 1
    assert call(DOCS, "delete", []) == 0
    assert call(DOCS, "delete", filter="docs.id = %s", params=[1]) == 1
    assert (
        call(DOCS, "delete", filter="text like 'n%%' and id < %(n)s", params={"n": 3})
        == 1
    )
    assert [each["id"] for each in stored(conn)] == [3]
    assert call(DOCS, "delete", filter=sql.SQL("true")) == 1


def test_searches_find_what_was_written(conn: Conn, call: Call) -> None:
    conn.execute(TABLE)
    index = MatryoshkaIndex("docs", "embedding", dims=2)
    index.create(conn)
    vectors = np.eye(4, dtype=np.float32)[::-1] + 0.1
    call(index, "upsert", {"id": np.arange(4), "embedding": vectors})
    assert index.search(conn, vectors[2], k=1).keys == [2]
    call(index, "upsert", [{"id": 9, "embedding": vectors[2] * 2}])
    call(index, "delete", [2])
    assert index.search(conn, vectors[2], k=1, columns=["text"]).keys == [9]
    # short columns are left out, also those of other indexes
    MatryoshkaIndex("docs", "embedding", dims=3, kind="bit").create(conn)
    for searched in (index, DOCS):
        (found,) = call(searched, "get", [9])
        assert [*found.columns] == ["id", "text", "metadata", "embedding"]


@pytest.mark.parametrize("keep", ["generated", "trigger", "expression"])
def test_short_values_follow(conn: Conn, keep: Any) -> None:
    conn.execute(TABLE)
    index = MatryoshkaIndex("docs", "embedding", dims=2, keep=keep)
    index.create(conn)
    index.upsert(conn, [{"id": i, "embedding": [i, 1, 0, 0]} for i in range(3)])
    index.upsert(conn, [{"id": 1, "embedding": [-9, 1, 0, 0]}])
    assert index.search(conn, [-1, 0, 0, 0], k=1).keys == [1]
    (found,) = index.get(conn, [1])
    assert found is not None
    assert [*found.columns] == ["id", "text", "metadata", "embedding"]


def test_what_is_not_given_stays(conn: Conn) -> None:
    conn.execute(TABLE)
    DOCS.upsert(conn, [row(1)])
    report = DOCS.upsert(conn, {"id": [1, 2], "text": ["new", "other"]})
    assert (report.inserted, report.updated) == (1, 1)
    nothing = {"id": 2, "text": "other", "metadata": None, "embedding": None}
    assert stored(conn) == [{**row(1), "text": "new"}, nothing]
    # a vector may be NULL where the column may be
    DOCS.upsert(conn, [{"id": 1, "embedding": None}, {"id": 3, "embedding": None}])
    assert [each["embedding"] for each in stored(conn)] == [None] * 3
    # only keys: nothing is there to be changed
    report = DOCS.upsert(conn, {"id": [3, 4]})
    assert (report.inserted, report.updated, report.skipped) == (1, 0, 1)


def test_what_happens_to_rows_that_are_there(conn: Conn, call: Call) -> None:
    conn.execute(TABLE)
    call(DOCS, "upsert", [row(1), row(2)])
    report = call(DOCS, "upsert", [row(2, "new"), row(3)], if_exists="skip")
    assert (report.rows, report.inserted, report.updated, report.skipped) == (
        2,
        1,
        0,
        1,
    )
    assert "(1 new, 0 updated; 1 skipped)" in str(report)
    before = stored(conn)
    assert before == [row(1), row(2), row(3)]
    with pytest.raises(KeyExists) as error:
        call(DOCS, "upsert", [row(4), row(3, "new"), row(1, "new")], if_exists="refuse")
    assert error.value.keys == (3, 1)
    assert "2 rows cannot be written" in str(error.value)
    assert "row 1: its key is in the table already: id 3" in str(error.value)
    assert "row 2: its key is in the table already: id 1" in str(error.value)
    assert stored(conn) == before
    report = call(DOCS, "upsert", [row(4)], if_exists="refuse")
    assert (report.inserted, report.updated) == (1, 0)


def test_a_key_that_another_session_writes_meanwhile(conn: Conn, database: str) -> None:
    conn.execute(TABLE)
    rows = [row(6), row(7, "new"), row(8)]
    with connect(database) as other, ThreadPoolExecutor(1) as pool:
        with conn.transaction():
            DOCS.upsert(conn, [row(7)])
            second = pool.submit(DOCS.upsert, other, rows, if_exists="refuse")
            waits = "select pg_backend_pid() = any (pg_blocking_pids(%s))"
            pid = other.info.backend_pid
            while conn.execute(waits, [pid]).fetchall() == [(False,)]:
                assert not second.done()
                time.sleep(0.01)
        with pytest.raises(KeyExists, match="1 row cannot be written") as error:
            second.result()
    assert error.value.keys == (7,)
    assert stored(conn) == [row(7)]


def test_no_rows(conn: Conn, call: Call) -> None:
    conn.execute(TABLE)
    assert call(DOCS, "upsert", []).rows == 0
    columns = {"id": np.empty(0, int), "embedding": np.empty((0, 4))}
    assert call(DOCS, "upsert", columns).rows == 0


def test_many_blocks(conn: Conn) -> None:
    conn.execute(TABLE)
    said: list[Progress] = []
    rows = ({"id": i, "text": str(i)} for i in range(2500))
    report = DOCS.upsert(conn, rows, progress=said.append)
    assert (report.rows, report.inserted) == (2500, 2500)
    assert [(each.done, each.total) for each in said] == [
        (n, None) for n in (1000, 2000, 2500)
    ]
    again = {"id": range(1, 2501), "text": [str(-i) for i in range(2500)]}
    report = DOCS.upsert(conn, again)
    assert (report.inserted, report.updated) == (1, 2499)
    found = DOCS.get(conn, range(2500, -1, -1), columns=["text"])
    assert [each and each["text"] for each in found] == [
        *(str(-i) for i in range(2499, -1, -1)),
        "0",
    ]
    assert DOCS.delete(conn, range(3000)) == 2501


# ------------------------------------------------------------------ tables and types


KEYS: dict[str, list[Any]] = {
    "text": ["a", "Ä'\"\\{}%s", ""],
    "uuid": [uuid.UUID(int=i) for i in range(3)],
    "int": [-1, 0, 2**31 - 1],
    "date": [datetime.date(2024, 1, i) for i in range(1, 4)],
    "timestamptz": [
        datetime.datetime(2024, 1, i, tzinfo=datetime.timezone.utc) for i in range(1, 4)
    ],
    "numeric": [1, 2.5, 2**70],
}


@pytest.mark.parametrize("kind", KEYS)
def test_keys_of_many_types(conn: Conn, kind: str) -> None:
    conn.execute(
        f'create table docs ("the key %s" {kind} primary key, embedding vector(2))'
    )
    keys = KEYS[kind]
    rows = [{"the key %s": key, "embedding": [i, 1]} for i, key in enumerate(keys)]
    assert DOCS.upsert(conn, rows).inserted == 3
    assert DOCS.upsert(conn, rows[1:]).updated == 2
    found = DOCS.get(conn, [keys[2], keys[0]])
    assert [each and each["embedding"] for each in found] == ["[2,1]", "[0,1]"]
    assert [each and each.key for each in found] == [keys[2], keys[0]]
    with pytest.raises(InvalidFile, match="row 3: it has the key of row 1: the key %s"):
        DOCS.upsert(conn, [*rows, rows[1]])
    assert DOCS.delete(conn, keys[1:]) == 2
    assert DOCS.delete(conn, keys) == 1


def test_equal_keys_that_are_written_in_several_ways(conn: Conn) -> None:
    """Only the server knows which they are; across blocks, too."""
    conn.execute(
        "create table docs (a char(4), n numeric, embedding vector(2),"
        " primary key (a, n))"
    )
    for apart in (0, 1500):
        other = [{"a": "x", "n": i} for i in range(apart)]
        rows = [{"a": "key ", "n": "1.0"}, *other, {"a": "key", "n": 1}]
        for if_exists in ("update", "skip", "refuse"):
            with pytest.raises(
                InvalidFile, match=r"it has the key of row 0: a 'key', n 1"
            ):
                DOCS.upsert(conn, rows, if_exists=if_exists)  # type: ignore[arg-type]
    assert conn.execute("select from docs").fetchall() == []
    DOCS.upsert(conn, [{"a": "key", "n": 1, "embedding": [1, 2]}])
    assert DOCS.upsert(conn, [{"a": "key  ", "n": "1.00"}]).skipped == 1
    (found,) = DOCS.get(conn, [("key ", "1.000")])
    assert found is not None
    assert found.key[0] == "key "
    assert DOCS.delete(conn, [("key", 1)]) == 1


def test_a_key_without_hashes(conn: Conn) -> None:
    conn.execute("create table docs (id bit(3) primary key, embedding vector(2))")
    assert DOCS.upsert(conn, {"id": ["101", "001"]}).inserted == 2
    with pytest.raises(InvalidFile, match="row 1: it has the key of row 0"):
        DOCS.upsert(conn, {"id": ["111", "111"]})
    assert DOCS.delete(conn, ["101"]) == 1


@pytest.mark.every_version
def test_a_partitioned_table_with_a_composite_key(conn: Conn, call: Call) -> None:
    """Whose partitions have their columns in another order."""
    conn.execute(
        'create schema "S %";'
        'create table "S %"."excluded" (part text, id uuid, "n %s" int,'
        " embedding vector(2), primary key (id, part)) partition by list (part);"
        'create table "S %".one (embedding vector(2), "n %s" int, id uuid not null,'
        " part text not null);"
        'alter table "S %"."excluded" attach partition "S %".one for values in (\'a\');'
        'create table "S %".other partition of "S %"."excluded" default'
    )
    docs = MatryoshkaColumn("excluded", "embedding", schema="S %")
    ids = [uuid.UUID(int=i) for i in range(3)]
    rows = [
        {"id": str(i), "part": part, "n %s": n, "embedding": [n, 0]}
        for n, (i, part) in enumerate((i, part) for i in ids for part in "ab")
    ]
    report = call(docs, "upsert", rows)
    assert (report.inserted, report.updated) == (6, 0)
    report = call(docs, "upsert", rows[2:])
    assert (report.inserted, report.updated) == (0, 4)
    found = call(docs, "get", [(ids[1], "b"), (ids[1], "c"), (ids[0], "a")])
    assert [each and (each.key, each["n %s"]) for each in found] == [
        ((ids[1], "b"), 3),
        None,
        ((ids[0], "a"), 0),
    ]
    assert call(docs, "delete", [(ids[1], "b"), [ids[1], "a"]]) == 2
    assert call(docs, "delete", filter='"n %%s" < 2') == 2


def test_values_of_many_types(conn: Conn) -> None:
    conn.execute(
        "create type mood as enum ('good', 'bad');"
        "create table docs (id int generated always as identity primary key,"
        " j json, b jsonb, tags text[], price numeric, m mood, d date, at timestamptz,"
        " u uuid, ok bool, raw bytea, half halfvec(2), any_size vector,"
        " embedding vector(2) not null, twice int generated always as (id * 2) stored)"
    )
    given: dict[str, Any] = {
        "id": 1,
        "j": {"a": [1, None]},
        "b": Jsonb({"a": {"b": None}}),
        "tags": ["a", 'b"c', None],
        "price": "1.50",
        "m": "bad",
        "d": datetime.date(2024, 1, 2),
        "at": datetime.datetime(2024, 1, 2, tzinfo=datetime.timezone.utc),
        "u": uuid.UUID(int=7),
        "ok": True,
        "raw": b"\0\xff",
        "half": np.array([1.5, 2]),
        "any_size": None,
        "embedding": np.array([1, 2], np.float16),
    }
    nothing = {**dict.fromkeys(given), "id": 2, "embedding": [0, 1]}
    DOCS.upsert(conn, [given, nothing])
    DOCS.upsert(conn, [{"id": 1, "any_size": [1, 2, 3], "embedding": [3, 4]}])
    (found, empty) = DOCS.get(conn, [1, 2])
    assert found is not None and empty is not None
    expected = {**given, "b": {"a": {"b": None}}, "half": "[1.5,2]"}
    expected |= {"any_size": "[1,2,3]", "embedding": "[3,4]", "twice": 2}
    expected["price"] = found["price"]
    assert str(found["price"]) == "1.50"
    assert found.columns == expected
    assert empty.columns == {**nothing, "embedding": "[0,1]", "twice": 4}


def test_times_without_a_zone(conn: Conn) -> None:
    conn.execute("set timezone = 'Asia/Tokyo'; set datestyle = 'German'")
    conn.execute("create table docs (at timestamptz primary key, embedding vector(2))")
    local = datetime.datetime(2024, 1, 2, 9)
    utc = datetime.datetime(2024, 1, 2, 0, tzinfo=datetime.timezone.utc)
    report = DOCS.upsert(conn, {"at": [local]})
    assert "session's time zone" in str(report)
    assert DOCS.upsert(conn, {"at": [utc]}).inserted == 0
    assert DOCS.delete(conn, [utc]) == 1


ENCODED = "create table dócs (ü text primary key, ö jsonb, embedding vector(2))"


def use(conn: Conn) -> None:
    docs = MatryoshkaColumn("dócs", "embedding")
    docs.upsert(conn, [{"ü": "ß", "ö": {"é": "ñ"}, "embedding": [1, 2]}])
    assert docs.upsert(conn, {"ü": ["ß"], "embedding": [[1, 3]]}).updated == 1
    # psycopg itself reads JSON only in UTF-8
    (found,) = docs.get(conn, ["ß"], columns=["embedding"])
    assert found is not None
    assert found["embedding"] in ("[1,3]", b"[1,3]")
    query = 'select from dócs where ö = \'{"é": "ñ"}\''
    assert conn.execute(query.encode(cursors.encoding(conn))).fetchall() == [()]
    with pytest.raises(ColumnNotFound, match="there are: ü, ö, embedding"):
        docs.get(conn, [], columns=["é"])
    assert docs.delete(conn, ["ß", "é"]) == 1
    assert docs.delete(conn, filter="ü = 'ß'") == 0


def test_a_client_encoding(conn: Conn, database: str) -> None:
    conn.execute(ENCODED)
    with psycopg.connect(
        database, autocommit=True, options="-c client_encoding=LATIN1"
    ) as latin:
        use(latin)
        docs = MatryoshkaColumn("dócs", "embedding")
        with pytest.raises(InvalidFile, match=r"row 0: character '→' cannot be sent"):
            docs.upsert(latin, [{"ü": "→"}])
        # the server has such a key, but this connection cannot name it
        with pytest.raises(InvalidSetting, match=r"key 0 .*character '→'"):
            docs.get(latin, ["→"])


def test_a_database_that_takes_any_bytes(pg_server: Server) -> None:
    pg_server.admin.execute(
        "create database rows_ascii encoding 'SQL_ASCII' template template0"
        " locale_provider libc lc_collate 'C' lc_ctype 'C'"
    )
    try:
        with connect(pg_server.url("rows_ascii")) as conn:
            conn.execute("create extension vector")
            conn.execute(ENCODED.encode())
            use(conn)
    finally:
        pg_server.admin.execute("drop database rows_ascii with (force)")


# ------------------------------------------------------------------ connections


def test_within_a_transaction_of_the_caller(conn: Conn) -> None:
    conn.execute(TABLE)
    with conn.transaction(force_rollback=True):
        DOCS.upsert(conn, [row(1)])
        with pytest.raises(InvalidFile):
            DOCS.upsert(conn, [row(2), {**row(3), "embedding": [1]}])
        assert DOCS.delete(conn, [1]) == 1
        DOCS.upsert(conn, [row(4)])
        assert [each["id"] for each in stored(conn)] == [4]
    assert stored(conn) == []


def test_a_connection_that_is_not_in_autocommit(conn: Conn, database: str) -> None:
    conn.execute(TABLE)
    with psycopg.connect(database) as other:
        DOCS.upsert(other, [row(1), row(2)])
        assert other.info.transaction_status == TransactionStatus.IDLE
        assert len(stored(conn)) == 2
        DOCS.delete(other, [1])
        assert other.info.transaction_status == TransactionStatus.IDLE
        assert len(stored(conn)) == 1


def test_in_a_pipeline_and_with_other_adapters(conn: Conn) -> None:
    """`get` reads by the loaders of the caller; `upsert` ignores the dumpers."""

    class Loud(psycopg.types.string.TextLoader):
        def load(self, data: Any) -> Any:
            return f"loud {super().load(data)!r}"

    class Broken(psycopg.types.string.StrDumper):
        def dump(self, obj: str) -> Any:
            raise AssertionError("the caller's dumper")

    conn.execute(TABLE)
    conn.adapters.register_loader("text", Loud)
    conn.adapters.register_loader("int8", Loud)
    conn.adapters.register_dumper(str, Broken)
    with conn.pipeline():
        DOCS.upsert(conn, [row(1)])
        (found,) = DOCS.get(conn, [1], columns=["text"])
        assert DOCS.delete(conn, [1]) == 1
    assert found == StoredRow("loud '1'", {"text": "loud 't'"})


def test_sessions_that_are_reset(conn: Conn) -> None:
    """As a pooler does between two transactions."""
    conn.prepare_threshold = 0
    conn.execute(TABLE)
    for i in range(3):
        DOCS.upsert(conn, [row(i)])
        assert DOCS.get(conn, [i])
        conn.execute("discard all", prepare=False)
        assert DOCS.delete(conn, [i]) == 1


def test_a_table_that_changes_between_calls(conn: Conn) -> None:
    conn.execute(TABLE)
    DOCS.upsert(conn, [row(1)])
    DOCS.get(conn, [1])
    conn.execute(
        "create schema other; alter table docs rename to old;"
        "create table docs (n text, id text primary key, embedding halfvec(2));"
    )
    DOCS.upsert(conn, [{"id": "x", "embedding": [1, 2]}])
    assert DOCS.get(conn, ["x"]) == [
        StoredRow("x", {"n": None, "id": "x", "embedding": "[1,2]"})
    ]
    conn.execute("create table other.docs (id int primary key, embedding vector(1))")
    conn.execute("set search_path = other, public")
    DOCS.upsert(conn, [{"id": 5, "embedding": [1]}])
    assert DOCS.delete(conn, [5]) == 1


CHANGES: dict[str, dict[str, Any]] = {
    "alter table docs add column more int": {"id": 1, "more": 7},
    "alter table docs drop column text": {"id": 1, "metadata": {"a": 1}},
    "alter table docs alter column text type bytea using text::bytea": {
        "id": 1,
        "text": b"\0",
    },
    "alter table docs drop constraint docs_pkey, add primary key (text)": {
        "id": 1,
        "text": "t",
    },
    "alter table docs alter column embedding type vector(3) using null": {
        "id": 1,
        "embedding": [1, 2, 3],
    },
    "alter table docs rename metadata to other": {"id": 1, "other": {"b": 2}},
    "alter extension vector set schema elsewhere": {"id": 1, "embedding": [1] * 4},
}


@pytest.mark.parametrize("change", CHANGES)
def test_facts_that_are_kept_are_checked(database: str, change: str) -> None:
    """Once per statement that changes the table; the connection has its facts."""
    with connect(database) as conn, conn.transaction(force_rollback=True):
        conn.execute(f"{TABLE}; create schema elsewhere")
        DOCS.upsert(conn, [row(1)])
        conn.execute(change.encode())
        given = CHANGES[change]
        report = DOCS.upsert(conn, [given])
        assert (report.inserted, report.updated) == (0, 1)
        (found,) = DOCS.get(conn, ["t" if "(text)" in change else 1])
        assert found is not None
        for column in given.keys() - {"embedding"}:
            assert found[column] == given[column]
        assert "text" in found.columns or "drop column" in change


def test_the_facts_of_a_table_are_read_once(conn: Conn) -> None:
    conn.execute(TABLE)
    sent: list[str] = []

    def verb() -> Exchange[RowFacts]:
        facts = known_row_facts(conn, DOCS)
        request = next(facts)
        while True:
            assert isinstance(request, Send)
            sent.append(bytes(request.statement).decode())  # type: ignore[arg-type]
            try:
                request = facts.send((yield request))
            except StopIteration as done:
                return done.value  # type: ignore[no-any-return]

    first, second = run(conn, verb()), run(conn, verb())
    assert first == second
    # the rotations of its columns are read with the other facts
    assert ["mrl_columns" in text for text in sent] == [True, False, False]
    asked = [text == source.statement("has_rotation") for text in sent]
    assert asked == [False, True, False]


# ------------------------------------------------------------------ plans


@pytest.fixture(scope="module")
def many(pg_server: Server) -> Iterator[Conn]:
    with pg_server.fresh() as url, connect(url) as conn:
        make_table(conn, matryoshka(3000, dims=8))
        conn.execute("create table parts (a int, b text, embedding vector(8))")
        conn.execute(
            "insert into parts select id / 10, id::text, embedding from docs;"
            "alter table parts add primary key (a, b); analyze parts"
        )
        yield conn


def plan(conn: Conn, statement: Any, params: Any) -> str:
    text = statement if isinstance(statement, bytes) else statement.as_bytes(conn)
    with cursors.searching(conn) as cursor:
        rows = cursor.execute(b"explain (costs off) " + text, params).fetchall()
    return "\n".join(line for (line,) in rows)


@pytest.mark.every_version
@pytest.mark.parametrize(
    ("table", "keys"),
    [("docs", [*range(1, 9)]), ("parts", [(i // 10, str(i)) for i in range(1, 9)])],
)
def test_keys_are_found_by_the_index(many: Conn, table: str, keys: list[Any]) -> None:
    """With the usual settings of the planner."""
    searched = MatryoshkaColumn(table, "embedding")
    facts: RowFacts = run(many, known_row_facts(many, searched))
    given: GivenKeys = given_keys(facts, keys)
    read = get_request(many, facts, given, ["embedding"])
    gone = delete_request(facts, given)
    for request in (read, gone):
        found = plan(many, request.statement, request.params)
        assert f"Index Scan using {table}_pkey" in found, found
        assert "Seq Scan" not in found
    assert len([each for each in searched.get(many, keys) if each]) == 8


def test_rows_are_locked_in_the_order_of_their_keys(conn: Conn) -> None:
    """So that two calls that write the same rows wait for each other at worst."""
    conn.execute(TABLE)
    DOCS.upsert(conn, [row(3), row(1), row(2)])
    written = conn.execute("select id from docs order by ctid").fetchall()
    assert written == [(1,), (2,), (3,)]
    DOCS.upsert(conn, [row(3), row(2), row(1)])
    updated = conn.execute("select id from docs order by ctid").fetchall()
    assert updated == [(1,), (2,), (3,)]
