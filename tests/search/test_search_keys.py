"""Keys of any type and number come back as the connection loads them."""

import datetime
import uuid
from decimal import Decimal
from typing import Any

import pytest
from psycopg import sql
from psycopg.types.enum import EnumInfo, register_enum
from support.databases import Conn
from support.plans import explain, first_pass, force_index
from support.tables import make_table
from support.vectors import matryoshka, nearest

from mrl_pg import MatryoshkaIndex

DAY = datetime.date(2024, 1, 1)
SPACE = uuid.UUID(int=0)

# definition of the key's columns as expressions of i, and the key that row i has
KEYS: dict[str, tuple[list[tuple[str, str, str]], Any]] = {
    "bigint": ([("id", "bigint", "i * 10000000000")], lambda i: i * 10_000_000_000),
    "uuid": (
        [("id", "uuid", "lpad(to_hex(i), 32, '0')::uuid")],
        lambda i: uuid.UUID(int=i),
    ),
    "text": ([("id", "text", "'doc ' || i || ' “é”'")], lambda i: f"doc {i} “é”"),
    "date": (
        [("day", "date", "date '2024-01-01' + i")],
        lambda i: DAY + datetime.timedelta(i),
    ),
    "numeric": ([("id", "numeric", "i / 4.0")], lambda i: Decimal(i) / 4),
    "two": (
        [("Group", "text", "'g' || i % 3"), ("id", "int", "i")],
        lambda i: (f"g{i % 3}", i),
    ),
    "three": (
        [
            ("a", "date", "date '2024-01-01'"),
            ("b", "uuid", "lpad('', 32, '0')::uuid"),
            ("distance", "smallint", "i::smallint"),
        ],
        lambda i: (DAY, SPACE, i),
    ),
    "bytes": ([("id", "bytea", "int4send(i)")], lambda i: i.to_bytes(4, "big")),
    "array": ([("id", "int[]", "array[i, i + 1]")], lambda i: [i, i + 1]),
}


@pytest.mark.parametrize("name", KEYS)
def test_a_key_of_any_type(conn: Conn, name: str) -> None:
    parts, key = KEYS[name]
    vectors = matryoshka(500)
    make_table(conn, vectors, table="source")
    columns = sql.SQL(", ").join(
        sql.SQL("({})::{} as {}").format(
            sql.SQL(value), sql.SQL(type_name), sql.Identifier(column)
        )
        for column, type_name, value in parts
    )
    conn.execute(
        sql.SQL(
            "create table docs as select {}, embedding "
            "from (select id::int as i, embedding from source) as source"
        ).format(columns)
    )
    names = sql.SQL(", ").join(sql.Identifier(part[0]) for part in parts)
    conn.execute(sql.SQL("alter table docs add primary key ({})").format(names))
    index = MatryoshkaIndex("docs", "embedding", dims=32)
    index.create(conn)
    force_index(conn)
    plan = index.plan(conn, vectors[6])
    assert first_pass(explain(conn, plan)) == [index.name]
    expected = [key(i) for i in nearest(vectors, vectors[6])]
    found = index.search(conn, vectors[6], columns=[parts[0][0]])
    assert found.keys == expected
    assert type(found.keys[0]) is type(expected[0])
    first = expected[0][0] if isinstance(expected[0], tuple) else expected[0]
    assert found[0][parts[0][0]] == first
    assert index.search(conn, vectors[6], exact=True).keys == expected


def test_keys_come_as_the_connection_loads_them(conn: Conn) -> None:
    vectors = matryoshka(300)
    make_table(conn, vectors)
    conn.execute(
        """
        create type mood as enum ('sad', 'so so', 'happy');
        alter table docs add mood mood;
        update docs set mood = (array['sad', 'so so', 'happy']::mood[])[1 + id % 3];
        alter table docs drop constraint docs_pkey, add primary key (mood, id)
        """
    )
    index = MatryoshkaIndex("docs", "embedding", dims=32)
    index.create(conn)
    force_index(conn)
    plan = index.plan(conn, vectors[1])
    assert first_pass(explain(conn, plan)) == [index.name]
    moods = ["sad", "so so", "happy"]
    expected = [(moods[i % 3], i) for i in nearest(vectors, vectors[1])]
    assert index.search(conn, vectors[1]).keys == expected
    info = EnumInfo.fetch(conn, "mood")
    assert info is not None
    register_enum(info, conn)
    assert info.enum is not None
    loaded = index.search(conn, vectors[1]).keys
    assert loaded == [(info.enum[mood], i) for mood, i in expected]
