"""Connections that read and send text in another way than psycopg does by itself."""

import asyncio
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.adapt import Dumper, Loader
from psycopg.rows import namedtuple_row
from support.databases import Conn, Server, connect
from support.plans import explain, first_pass, force_index
from support.vectors import matryoshka, nearest

import mrl_pg
from mrl_pg import InvalidFilter, InvalidSetting, MatryoshkaIndex
from mrl_pg.load import load_blocks

VECTORS = matryoshka(300)
QUERY = VECTORS[4]
TABLE = "dócs→"
"""Neither ASCII nor, for its arrow, Latin 1."""


@pytest.fixture(scope="module")
def ascii_database(pg_server: Server) -> Iterator[str]:
    """A database that takes text as bytes of any sort, with our side installed."""
    pg_server.admin.execute(
        "create database in_sql_ascii encoding 'SQL_ASCII' template template0"
        " locale_provider libc lc_collate 'C' lc_ctype 'C'"
    )
    url = pg_server.url("in_sql_ascii")
    try:
        with connect(url) as conn:
            conn.execute("create extension vector")
            mrl_pg.install(conn)
            assert conn.info.encoding == "ascii"
        yield url
    finally:
        pg_server.admin.execute("drop database in_sql_ascii with (force)")


def make(conn: Conn, table: str) -> MatryoshkaIndex:
    """A table whose name and titles may be of any characters."""
    name = sql.Identifier(table).as_string().encode()
    conn.execute(
        b"create table %b (id bigint primary key, n int, title text,"
        b" embedding vector(64))" % name
    )
    values = [
        (i, i % 100, f"tïtle {i}", str(v.tolist())) for i, v in enumerate(VECTORS, 1)
    ]
    with conn.cursor() as cursor:
        cursor.executemany(b"insert into %b values (%%s, %%s, %%s, %%s)" % name, values)
    index = MatryoshkaIndex(table, "embedding", dims=32)
    index.create(conn)
    conn.execute(b"analyze %b" % name)
    return index


def use(conn: Conn, index: MatryoshkaIndex, title: object) -> None:
    """All that reads of a table, with the true answers."""
    force_index(conn)
    right = nearest(VECTORS, QUERY)
    # psycopg reads JSON as UTF-8 whatever the encoding
    if conn.info.encoding != "iso8859-1":
        assert first_pass(explain(conn, index.plan(conn, QUERY))) == [index.name]
    filtered: dict[str, Any] = {"filter": "title <> %(t)s", "params": {"t": "tïtle 5"}}
    assert index.search(conn, QUERY, candidates=300).keys == right
    found = index.search(conn, QUERY, columns=["title"])
    assert found[0]["title"] == title
    assert index.search(conn, QUERY, exact=True).keys == right
    literal = index.search(conn, QUERY, filter="title = 'tïtle 5'")
    assert literal.keys == [5]
    without = nearest(VECTORS, QUERY, 11)[1:]
    assert index.search(conn, QUERY, candidates=300, **filtered).keys == without
    many = index.search_many(conn, [QUERY] * 2, candidates=300, **filtered)
    assert many[1].keys == without
    index.calibrate(conn, sample=20, **filtered)
    promised = index.search(conn, QUERY, recall=0.5, **filtered)
    assert promised.promise is not None
    assert promised.promise.standing != "uncalibrated"
    assert index.recall(conn, sample=5, keep=True, **filtered).queries == 5
    assert len(index.history(conn)) >= 1
    assert index.keep_query(conn, QUERY) is False


@pytest.mark.parametrize("table", ["docs", TABLE])
def test_a_database_in_sql_ascii(ascii_database: str, table: str) -> None:
    """psycopg answers bytes for text, and refuses to send a name that is not ASCII."""
    with connect(ascii_database) as conn:
        index = make(conn, table)
        use(conn, index, "tïtle 5".encode())
        with pytest.raises(mrl_pg.ColumnNotFound, match="there are: id, n, title"):
            index.search(conn, QUERY, columns=["prize"])
        with pytest.raises(InvalidFilter, match="prïze"):
            index.search(conn, QUERY, filter="prïze > 3")
        index.drop(conn)
        conn.execute(b"drop table %b" % sql.Identifier(table).as_string().encode())


def test_sql_ascii_asynchronously(ascii_database: str) -> None:
    async def run() -> None:
        async with await psycopg.AsyncConnection.connect(
            ascii_database, autocommit=True
        ) as conn:
            await index.create_async(conn)
            found = await index.search_async(conn, QUERY, candidates=300)
            assert found.keys == nearest(VECTORS, QUERY)
            await index.drop_async(conn)

    with connect(ascii_database) as conn:
        index = make(conn, TABLE)
        index.drop(conn)
        asyncio.run(run())
        conn.execute(b"drop table %b" % sql.Identifier(TABLE).as_string().encode())


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1", "UTF8"])
def test_a_client_encoding(database: str, encoding: str) -> None:
    with psycopg.connect(
        database, autocommit=True, options=f"-c client_encoding={encoding}"
    ) as conn:
        with connect(database) as other:
            index = make(other, "dócs")
        title = "tïtle 5"
        use(conn, index, title.encode() if encoding == "SQL_ASCII" else title)


def test_characters_that_the_encoding_does_not_have(conn: Conn, database: str) -> None:
    make(conn, "docs")
    with psycopg.connect(
        database, autocommit=True, options="-c client_encoding=LATIN1"
    ) as latin:
        index = MatryoshkaIndex("docs", "embedding", dims=32)
        arrows: tuple[tuple[str, dict[str, Any]], ...] = (
            (TABLE, {}),
            ("docs", {"filter": "title = '→'"}),
            ("docs", {"filter": "title = %s", "params": ["→"]}),
        )
        for table, options in arrows:
            named = MatryoshkaIndex(table, "embedding", dims=32)
            with pytest.raises((InvalidSetting, InvalidFilter), match=r"→|u2192"):
                named.search(latin, QUERY, **options)
        assert len(index.search(latin, QUERY)) == 10


class Shouting(Loader):
    """What a caller may make of a value: anything."""

    def load(self, data: Any) -> str:
        return f"<{bytes(data).decode()}>"


class Wrapped(Dumper):
    """What a caller may send for a value: JSON, say."""

    oid = psycopg.adapters.types["jsonb"].oid

    def dump(self, obj: Any) -> bytes:
        return b'{"wrapped": true}'


def test_what_the_caller_registered_reaches_keys_and_columns_alone(
    conn: Conn, database: str
) -> None:
    index = make(conn, "docs")
    with connect(database) as mine:
        mine.row_factory = namedtuple_row
        for name in ("text", "name", "int4", "int8", "oid", "bool", "float8", "float4"):
            mine.adapters.register_loader(name, Shouting)
        mine.adapters.register_loader(0, Shouting)
        mine.adapters.register_dumper(list, Wrapped)
        mine.adapters.register_dumper(str, Wrapped)
        for options in ({}, {"exact": True}, {"filter": "n >= 0"}):
            found = index.search(mine, QUERY, columns=["title", "n"], **options)
            assert found.keys[0] == "<5>"
            assert dict(found[0].columns) == {"title": "<tïtle 5>", "n": "<5>"}
            assert found[0].distance == pytest.approx(0, abs=1e-5)
            assert found.seen == (None if found.scan == "exact" else 160)
        # fewer than asked, so it is asked whether there are more
        few = index.search(mine, QUERY, filter="n < 2")
        assert (len(few), few.cut_short) == (6, False)
        calibrated = index.calibrate(mine, queries=VECTORS[:20])
        assert calibrated.queries == 20
        assert index.search(mine, QUERY, recall=0.5).promise is not None
        assert index.recall(mine, queries=VECTORS[:5]).queries == 5
        assert len(index.drop(mine).done) == 2
        index.create(mine)
        assert mrl_pg.install(mine).found is not None
        load_blocks(mine, VECTORS, "more")


def test_sql_ascii_from_the_shell(ascii_database: str) -> None:
    from support.command import mrl_pg as shell

    with connect(ascii_database) as conn:
        make(conn, "docs")
        done = shell("indexes", "--dsn", ascii_database, "--json")
        assert done.returncode == 0, done.stderr
        assert '"docs"' in done.stdout
        conn.execute("drop table docs cascade")
